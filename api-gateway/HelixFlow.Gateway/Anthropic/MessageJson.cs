using System.Text.Json;
using HelixFlow.Gateway.ChatCompletions;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Anthropic;

/// <summary>The message objects of Anthropic's API, key by key in the order that Anthropic sends them.</summary>
/// <param name="id">The message's id.</param>
/// <param name="request">What it answers.</param>
internal sealed class MessageJson(string id, MessageRequest request)
{
    private readonly ToolCallIds _ids = new("toolu_");

    /// <summary>The id of a call.</summary>
    public string IdOf(uint call) => _ids[0, call];

    /// <summary>A whole answer.</summary>
    public void WriteWhole(Utf8JsonWriter json, CollectedGeneration generation)
    {
        CollectedChoice choice = generation.Choices.GetValueOrDefault(0u) ?? new CollectedChoice();
        Begin(json);
        if (choice.Reasoning.Length > 0)
        {
            string thinking = choice.Reasoning.ToString();
            json.WriteStartObject();
            json.WriteString("type"u8, "thinking"u8);
            json.WriteString("thinking"u8, request.OmitsThinking ? "" : thinking);
            json.WriteString("signature"u8, ThinkingSignature.Of(thinking));
            json.WriteEndObject();
        }

        if (choice.Text.Length > 0)
        {
            json.WriteStartObject();
            json.WriteString("type"u8, "text"u8);
            json.WriteString("text"u8, choice.Text.ToString());
            json.WriteEndObject();
        }

        for (int i = 0; i < choice.Calls.Count; i++)
        {
            json.WriteStartObject();
            json.WriteString("type"u8, "tool_use"u8);
            json.WriteString("id"u8, IdOf((uint)i));
            json.WriteString("name"u8, choice.Calls[i].Name);
            json.WritePropertyName("input"u8);
            CallArguments.WriteObject(json, choice.Calls[i].Arguments.ToString());
            json.WriteEndObject();
        }

        json.WriteEndArray();
        WriteStop(json, choice.End, choice.Calls.Count > 0);
        WriteUsage(json, generation.Usage);
        json.WriteEndObject();
    }

    /// <summary>The message as a stream begins: without content, and with the tokens of the prompt.</summary>
    public void WriteStart(Utf8JsonWriter json, uint promptTokens)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "message_start"u8);
        json.WritePropertyName("message"u8);
        Begin(json);
        json.WriteEndArray();
        json.WriteNull("stop_reason"u8);
        json.WriteNull("stop_sequence"u8);
        WriteUsage(json, new Usage { PromptTokens = promptTokens });
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>The event that tells how a streamed message ended, and its usage.</summary>
    public void WriteDelta(Utf8JsonWriter json, Finish end, bool hasCalls, Usage usage)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "message_delta"u8);
        json.WriteStartObject("delta"u8);
        WriteStop(json, end, hasCalls);
        json.WriteEndObject();
        WriteUsage(json, usage);
        json.WriteEndObject();
    }

    private void Begin(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, id);
        json.WriteString("type"u8, "message"u8);
        json.WriteString("role"u8, "assistant"u8);
        json.WriteString("model"u8, request.Generate.Model);
        json.WriteStartArray("content"u8);
    }

    private void WriteStop(Utf8JsonWriter json, Finish end, bool hasCalls)
    {
        json.WriteString("stop_reason"u8, ReasonOf(end, hasCalls));
        json.WriteString("stop_sequence"u8, end.StopText.Length > 0 ? end.StopText : null);
    }

    private ReadOnlySpan<byte> ReasonOf(Finish end, bool hasCalls) => end.Reason switch
    {
        FinishReason.Length => end.GeneratedTokens > 0 && end.GeneratedTokens < request.Generate.MaxTokens ? "model_context_window_exceeded"u8 : "max_tokens"u8,
        _ when end.StopText.Length > 0 => "stop_sequence"u8,
        _ => hasCalls ? "tool_use"u8 : "end_turn"u8,
    };

    // Tokens from the prefix cache are counted apart; what was put into it is not told, since that is all of the prompt.
    private static void WriteUsage(Utf8JsonWriter json, Usage usage)
    {
        json.WriteStartObject("usage"u8);
        json.WriteNumber("input_tokens"u8, usage.PromptTokens - usage.CachedTokens);
        json.WriteNumber("cache_creation_input_tokens"u8, 0);
        json.WriteNumber("cache_read_input_tokens"u8, usage.CachedTokens);
        json.WriteNumber("output_tokens"u8, usage.CompletionTokens);
        json.WriteStartObject("output_tokens_details"u8);
        json.WriteNumber("thinking_tokens"u8, usage.ReasoningTokens);
        json.WriteEndObject();
        json.WriteString("service_tier"u8, "standard"u8);
        json.WriteEndObject();
    }
}

using System.Text.Json;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.ChatCompletions;

/// <summary>The chat completion objects of the OpenAI API, key by key in the order that OpenAI sends them.</summary>
internal sealed class ChatCompletionWriter(string id, long created, ChatCompletionRequest request)
{
    private readonly ToolCallIds _ids = new();

    /// <summary>The chunk that opens a choice: the role, no text yet.</summary>
    public void WriteFirstChunk(Utf8JsonWriter json, uint choice)
    {
        BeginChunk(json, choice);
        json.WriteString("role"u8, "assistant"u8);
        json.WriteString("content"u8, ""u8);
        json.WriteNull("refusal"u8);
        EndChunk(json, null, null);
    }

    /// <summary>Adds the chunks for a piece of a choice: its reasoning, its text and its calls in chunks of their own, as clients expect them.</summary>
    public void AddChunks(IChunkSink stream, TokenChunk token)
    {
        if (token.Reasoning.Length > 0)
        {
            stream.Add((this, token), static (json, state) => state.Item1.WriteReasoningChunk(json, state.token));
        }

        // Log probabilities have their place in the chunk of the text, whatever the tokens became.
        if (token.Text.Length > 0 || request.Logprobs)
        {
            stream.Add((this, token), static (json, state) => state.Item1.WriteChunk(json, state.token));
        }

        foreach (ToolCallDelta call in token.ToolCalls)
        {
            if (call.Name.Length > 0)
            {
                stream.Add((this, token.Choice, call), static (json, state) => state.Item1.WriteCallBegin(json, state.Choice, state.call));
            }

            if (call.Arguments.Length > 0)
            {
                stream.Add((this, token.Choice, call), static (json, state) => state.Item1.WriteCallArguments(json, state.Choice, state.call));
            }
        }
    }

    public void WriteFinishChunk(Utf8JsonWriter json, Finish finish)
    {
        BeginChunk(json, finish.Choice);
        EndChunk(json, null, FinishReasonOf(finish.Choice, finish.Reason));
    }

    /// <summary>The last chunk, when usage was asked for: no choices, only the usage.</summary>
    public void WriteUsageChunk(Utf8JsonWriter json, Usage usage)
    {
        Begin(json, "chat.completion.chunk"u8);
        json.WriteStartArray("choices"u8);
        json.WriteEndArray();
        UsageJson.Write(json, usage);
        json.WriteEndObject();
    }

    public void WriteWhole(Utf8JsonWriter json, CollectedGeneration generation)
    {
        Begin(json, "chat.completion"u8);
        json.WriteStartArray("choices"u8);
        foreach ((uint index, CollectedChoice choice) in generation.Choices)
        {
            json.WriteStartObject();
            json.WriteNumber("index"u8, index);
            json.WriteStartObject("message"u8);
            json.WriteString("role"u8, "assistant"u8);
            json.WriteString("content"u8, choice.Text.Length == 0 && choice.Calls.Count > 0 ? null : choice.Text.ToString());
            if (choice.Reasoning.Length > 0)
            {
                json.WriteString("reasoning_content"u8, choice.Reasoning.ToString());
            }

            WriteCalls(json, index, choice.Calls);
            json.WriteNull("refusal"u8);
            json.WriteStartArray("annotations"u8);
            json.WriteEndArray();
            json.WriteEndObject();
            WriteLogprobs(json, request.Logprobs ? choice.Tokens : null);
            json.WriteString("finish_reason"u8, FinishReasonOf(index, choice.Reason));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        UsageJson.Write(json, generation.Usage);
        json.WriteEndObject();
    }

    private void WriteChunk(Utf8JsonWriter json, TokenChunk token)
    {
        BeginChunk(json, token.Choice);
        json.WriteString("content"u8, token.Text);
        EndChunk(json, request.Logprobs ? token.Tokens : null, null);
    }

    private void WriteReasoningChunk(Utf8JsonWriter json, TokenChunk token)
    {
        BeginChunk(json, token.Choice);
        json.WriteString("reasoning_content"u8, token.Reasoning);
        EndChunk(json, null, null);
    }

    private void WriteCallBegin(Utf8JsonWriter json, uint choice, ToolCallDelta call)
    {
        BeginChunk(json, choice);
        string id = _ids[choice, call.Index];
        if (request.LegacyCalls)
        {
            WriteFunction(json, "function_call"u8, call.Name, "");
        }
        else
        {
            json.WriteStartArray("tool_calls"u8);
            json.WriteStartObject();
            json.WriteNumber("index"u8, call.Index);
            WriteCall(json, id, call.Name, "");
            json.WriteEndArray();
        }

        EndChunk(json, null, null);
    }

    private void WriteCallArguments(Utf8JsonWriter json, uint choice, ToolCallDelta call)
    {
        BeginChunk(json, choice);
        if (request.LegacyCalls)
        {
            WriteFunction(json, "function_call"u8, null, call.Arguments);
        }
        else
        {
            json.WriteStartArray("tool_calls"u8);
            json.WriteStartObject();
            json.WriteNumber("index"u8, call.Index);
            WriteFunction(json, "function"u8, null, call.Arguments);
            json.WriteEndObject();
            json.WriteEndArray();
        }

        EndChunk(json, null, null);
    }

    private void WriteCalls(Utf8JsonWriter json, uint choice, List<CollectedCall> calls)
    {
        if (calls.Count == 0)
        {
            return;
        }

        if (request.LegacyCalls)
        {
            _ = _ids[choice, 0];
            WriteFunction(json, "function_call"u8, calls[0].Name, calls[0].Arguments.ToString());
            return;
        }

        json.WriteStartArray("tool_calls"u8);
        for (int i = 0; i < calls.Count; i++)
        {
            json.WriteStartObject();
            WriteCall(json, _ids[choice, (uint)i], calls[i].Name, calls[i].Arguments.ToString());
        }

        json.WriteEndArray();
    }

    private static void WriteCall(Utf8JsonWriter json, string id, string name, string arguments)
    {
        json.WriteString("id"u8, id);
        json.WriteString("type"u8, "function"u8);
        WriteFunction(json, "function"u8, name, arguments);
        json.WriteEndObject();
    }

    private static void WriteFunction(Utf8JsonWriter json, ReadOnlySpan<byte> key, string? name, string arguments)
    {
        json.WriteStartObject(key);
        if (name is not null)
        {
            json.WriteString("name"u8, name);
        }

        json.WriteString("arguments"u8, arguments);
        json.WriteEndObject();
    }

    // Where the request names the function to call, OpenAI says "stop".
    private string FinishReasonOf(uint choice, FinishReason reason) =>
        reason != FinishReason.Stop || !_ids.HasCalls(choice) || request.Generate.Chat.ForcedTool.Length > 0 ? UsageJson.FinishReasonOf(reason)
        : request.LegacyCalls ? "function_call"
        : "tool_calls";

    private void Begin(Utf8JsonWriter json, ReadOnlySpan<byte> kind)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, id);
        json.WriteString("object"u8, kind);
        json.WriteNumber("created"u8, created);
        json.WriteString("model"u8, request.Generate.Model);
        json.WriteString("system_fingerprint"u8, UsageJson.SystemFingerprint);
    }

    private void BeginChunk(Utf8JsonWriter json, uint choice)
    {
        Begin(json, "chat.completion.chunk"u8);
        json.WriteStartArray("choices"u8);
        json.WriteStartObject();
        json.WriteNumber("index"u8, choice);
        json.WriteStartObject("delta"u8);
    }

    private void EndChunk(Utf8JsonWriter json, IReadOnlyCollection<TokenLogprob>? logprobs, string? finishReason)
    {
        json.WriteEndObject();
        WriteLogprobs(json, logprobs);
        json.WriteString("finish_reason"u8, finishReason);
        json.WriteEndObject();
        json.WriteEndArray();
        if (request.IncludeUsage)
        {
            json.WriteNull("usage"u8);
        }

        json.WriteEndObject();
    }

    private static void WriteLogprobs(Utf8JsonWriter json, IReadOnlyCollection<TokenLogprob>? tokens)
    {
        if (tokens is null)
        {
            json.WriteNull("logprobs"u8);
            return;
        }

        json.WriteStartObject("logprobs"u8);
        LogprobJson.Write(json, "content"u8, tokens);
        json.WriteNull("refusal"u8);
        json.WriteEndObject();
    }
}

using System.Text.Json;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.ChatCompletions;

/// <summary>The chat completion objects of the OpenAI API, key by key in the order that OpenAI sends them.</summary>
internal sealed class ChatCompletionWriter(string id, long created, ChatCompletionRequest request)
{
    /// <summary>The chunk that opens a choice: the role, no text yet.</summary>
    public void WriteFirstChunk(Utf8JsonWriter json, uint choice)
    {
        BeginChunk(json, choice);
        json.WriteString("role"u8, "assistant"u8);
        json.WriteString("content"u8, ""u8);
        json.WriteNull("refusal"u8);
        EndChunk(json, null, null);
    }

    public void WriteChunk(Utf8JsonWriter json, TokenChunk token)
    {
        BeginChunk(json, token.Choice);
        json.WriteString("content"u8, token.Text);
        EndChunk(json, request.Logprobs ? token.Tokens : null, null);
    }

    public void WriteFinishChunk(Utf8JsonWriter json, Finish finish)
    {
        BeginChunk(json, finish.Choice);
        EndChunk(json, null, UsageJson.FinishReasonOf(finish.Reason));
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
            json.WriteString("content"u8, choice.Text.ToString());
            json.WriteNull("refusal"u8);
            json.WriteStartArray("annotations"u8);
            json.WriteEndArray();
            json.WriteEndObject();
            WriteLogprobs(json, request.Logprobs ? choice.Tokens : null);
            json.WriteString("finish_reason"u8, UsageJson.FinishReasonOf(choice.Reason));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        UsageJson.Write(json, generation.Usage);
        json.WriteEndObject();
    }

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
        json.WriteStartArray("content"u8);
        foreach (TokenLogprob token in tokens)
        {
            json.WriteStartObject();
            WriteToken(json, token);
            json.WriteStartArray("top_logprobs"u8);
            foreach (TokenLogprob alternative in token.Top)
            {
                json.WriteStartObject();
                WriteToken(json, alternative);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteNull("refusal"u8);
        json.WriteEndObject();
    }

    private static void WriteToken(Utf8JsonWriter json, TokenLogprob token)
    {
        json.WriteString("token"u8, token.Text);
        json.WriteNumber("logprob"u8, UsageJson.Finite(token.Logprob));
        json.WriteStartArray("bytes"u8);
        foreach (byte value in token.Bytes.Span)
        {
            json.WriteNumberValue(value);
        }

        json.WriteEndArray();
    }
}

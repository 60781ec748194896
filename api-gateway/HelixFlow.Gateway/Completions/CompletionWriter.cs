using System.Text.Json;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Completions;

/// <summary>The completion objects of the OpenAI API; a stream's chunks have the same shape.</summary>
internal sealed class CompletionWriter(string id, long created, CompletionRequest request)
{
    // Per choice, where in its text the next chunk begins: the old log probability format counts characters.
    private readonly Dictionary<uint, int> _offsets = [];

    public void WriteChunk(Utf8JsonWriter json, uint choice, TokenChunk token)
    {
        Begin(json);
        WriteChoice(json, choice, token.Text, token.Tokens, null);
        End(json);
    }

    public void WriteFinishChunk(Utf8JsonWriter json, uint choice, FinishReason reason)
    {
        Begin(json);
        WriteChoice(json, choice, "", [], UsageJson.FinishReasonOf(reason));
        End(json);
    }

    public void WriteUsageChunk(Utf8JsonWriter json, Usage usage)
    {
        Begin(json);
        json.WriteEndArray();
        UsageJson.Write(json, usage);
        json.WriteEndObject();
    }

    public void WriteWhole(Utf8JsonWriter json, IReadOnlyList<CollectedGeneration> prompts, Usage usage)
    {
        Begin(json);
        for (int prompt = 0; prompt < prompts.Count; prompt++)
        {
            foreach ((uint index, CollectedChoice choice) in prompts[prompt].Choices)
            {
                uint number = ((uint)prompt * request.ChoicesPerPrompt) + index;
                WriteChoice(json, number, choice.Text.ToString(), choice.Tokens, UsageJson.FinishReasonOf(choice.Reason));
            }
        }

        json.WriteEndArray();
        UsageJson.Write(json, usage);
        json.WriteEndObject();
    }

    private void Begin(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, id);
        json.WriteString("object"u8, "text_completion"u8);
        json.WriteNumber("created"u8, created);
        json.WriteString("model"u8, request.Model);
        json.WriteString("system_fingerprint"u8, UsageJson.SystemFingerprint);
        json.WriteStartArray("choices"u8);
    }

    private void End(Utf8JsonWriter json)
    {
        json.WriteEndArray();
        if (request.IncludeUsage)
        {
            json.WriteNull("usage"u8);
        }

        json.WriteEndObject();
    }

    private void WriteChoice(Utf8JsonWriter json, uint choice, string text, IReadOnlyList<TokenLogprob> tokens, string? finishReason)
    {
        json.WriteStartObject();
        json.WriteString("text"u8, text);
        json.WriteNumber("index"u8, choice);
        if (request.Logprobs && tokens.Count > 0)
        {
            WriteLogprobs(json, tokens, _offsets.GetValueOrDefault(choice));
        }
        else
        {
            json.WriteNull("logprobs"u8);
        }

        json.WriteString("finish_reason"u8, finishReason);
        json.WriteEndObject();
        _offsets[choice] = _offsets.GetValueOrDefault(choice) + text.EnumerateRunes().Count();
    }

    private static void WriteLogprobs(Utf8JsonWriter json, IReadOnlyList<TokenLogprob> tokens, int offset)
    {
        json.WriteStartObject("logprobs"u8);
        json.WriteStartArray("tokens"u8);
        foreach (TokenLogprob token in tokens)
        {
            json.WriteStringValue(token.Text);
        }

        json.WriteEndArray();
        json.WriteStartArray("token_logprobs"u8);
        foreach (TokenLogprob token in tokens)
        {
            json.WriteNumberValue(UsageJson.Finite(token.Logprob));
        }

        json.WriteEndArray();
        json.WriteStartArray("top_logprobs"u8);
        foreach (TokenLogprob token in tokens)
        {
            json.WriteStartObject();
            foreach (TokenLogprob alternative in token.Top.DistinctBy(top => top.Text))
            {
                json.WriteNumber(alternative.Text, UsageJson.Finite(alternative.Logprob));
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("text_offset"u8);
        foreach (TokenLogprob token in tokens)
        {
            json.WriteNumberValue(offset);
            offset += token.Text.EnumerateRunes().Count();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}

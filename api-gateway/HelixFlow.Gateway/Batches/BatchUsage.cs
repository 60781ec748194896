using System.Text.Json;

namespace HelixFlow.Gateway.Batches;

/// <summary>Tokens that a batch, or one of its requests, has used.</summary>
internal readonly record struct BatchUsage(long InputTokens, long CachedTokens, long OutputTokens, long ReasoningTokens)
{
    /// <summary>The "usage" of an answer, by either of the names that the API's endpoints give its fields; zero when there is none.</summary>
    public static BatchUsage Of(JsonElement answer)
    {
        if (answer.ValueKind != JsonValueKind.Object || !answer.TryGetProperty("usage", out JsonElement usage) || usage.ValueKind != JsonValueKind.Object)
        {
            return default;
        }

        return new BatchUsage(
            Number(usage, "prompt_tokens") ?? Number(usage, "input_tokens") ?? 0,
            Detail(usage, "prompt_tokens_details", "cached_tokens") ?? Detail(usage, "input_tokens_details", "cached_tokens") ?? 0,
            Number(usage, "completion_tokens") ?? Number(usage, "output_tokens") ?? 0,
            Detail(usage, "completion_tokens_details", "reasoning_tokens") ?? Detail(usage, "output_tokens_details", "reasoning_tokens") ?? 0);
    }

    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject("usage"u8);
        json.WriteNumber("input_tokens"u8, InputTokens);
        json.WriteStartObject("input_tokens_details"u8);
        json.WriteNumber("cached_tokens"u8, CachedTokens);
        json.WriteEndObject();
        json.WriteNumber("output_tokens"u8, OutputTokens);
        json.WriteStartObject("output_tokens_details"u8);
        json.WriteNumber("reasoning_tokens"u8, ReasoningTokens);
        json.WriteEndObject();
        json.WriteNumber("total_tokens"u8, InputTokens + OutputTokens);
        json.WriteEndObject();
    }

    private static long? Detail(JsonElement usage, string group, string name) =>
        usage.TryGetProperty(group, out JsonElement details) && details.ValueKind == JsonValueKind.Object ? Number(details, name) : null;

    private static long? Number(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) ? number : null;
}

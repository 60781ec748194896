using System.Net.ServerSentEvents;
using System.Text.Json;

namespace HelixFlow.Cli.Bench.Load;

/// <summary>Reads the stream of a chat or text completion and notes when its pieces come, whatever the server leaves out or adds.</summary>
internal static class CompletionStream
{
    /// <summary>Reads to the end; what is wrong with the stream becomes the trace's error.</summary>
    public static async Task ReadAsync(Stream stream, RequestTrace trace, LoadClock clock, CancellationToken cancellationToken)
    {
        bool finished = false;
        try
        {
            await foreach (SseItem<Piece> item in SseParser.Create(stream, Parse).EnumerateAsync(cancellationToken))
            {
                TimeSpan now = clock.Now;
                Piece piece = item.Data;
                if (piece.Error is { } error)
                {
                    trace.Fail("stream error", error);
                    return;
                }

                trace.PromptTokens = piece.PromptTokens ?? trace.PromptTokens;
                trace.UsageOutputTokens = piece.OutputTokens ?? trace.UsageOutputTokens;
                trace.CachedTokens = piece.CachedTokens ?? trace.CachedTokens;
                if (piece.HasText)
                {
                    trace.AddChunk(now);
                }

                finished |= piece.IsFinal;
                if (piece.IsEnd)
                {
                    return;
                }
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // The second is a text of half a surrogate pair, which JSON can write and .NET cannot hold.
            trace.Fail("malformed", exception.Message);
            return;
        }
        catch (IOException exception)
        {
            trace.Fail("connection lost", exception.Message);
            return;
        }

        if (!finished)
        {
            trace.Fail("truncated", "the stream ended without a finish reason or [DONE]");
        }
    }

    private static Piece Parse(string eventType, ReadOnlySpan<byte> data)
    {
        if (data.SequenceEqual("[DONE]"u8))
        {
            return new Piece { IsEnd = true, IsFinal = true };
        }

        if (data.IsEmpty)
        {
            return default;
        }

        var reader = new Utf8JsonReader(data);
        using JsonDocument document = JsonDocument.ParseValue(ref reader);
        JsonElement root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new JsonException($"an event is no JSON object but {root.ValueKind}");
        }

        if (eventType == "error" || (root.TryGetProperty("error", out JsonElement error) && error.ValueKind is not JsonValueKind.Null))
        {
            return new Piece { Error = ErrorText(root) };
        }

        var piece = default(Piece);
        if (root.TryGetProperty("usage", out JsonElement usage) && usage.ValueKind == JsonValueKind.Object)
        {
            piece.PromptTokens = Number(usage, "prompt_tokens");
            piece.OutputTokens = Number(usage, "completion_tokens");
            piece.CachedTokens = usage.TryGetProperty("prompt_tokens_details", out JsonElement details) && details.ValueKind == JsonValueKind.Object ? Number(details, "cached_tokens") : null;
        }

        if (root.TryGetProperty("choices", out JsonElement choices) && choices.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement choice in choices.EnumerateArray().Where(choice => choice.ValueKind == JsonValueKind.Object))
            {
                piece.IsFinal |= choice.TryGetProperty("finish_reason", out JsonElement reason) && reason.ValueKind == JsonValueKind.String;
                piece.HasText |= HasText(choice, "text") || (choice.TryGetProperty("delta", out JsonElement delta) && delta.ValueKind == JsonValueKind.Object
                    && (HasText(delta, "content") || HasText(delta, "reasoning_content") || HasText(delta, "reasoning")
                        || (delta.TryGetProperty("tool_calls", out JsonElement calls) && calls.ValueKind == JsonValueKind.Array && calls.GetArrayLength() > 0)));
            }
        }

        return piece;
    }

    private static bool HasText(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String && !value.ValueEquals("");

    private static int? Number(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) ? number : null;

    /// <summary>The message of an error object, or the object itself.</summary>
    public static string ErrorText(JsonElement root)
    {
        JsonElement error = root.ValueKind == JsonValueKind.Object && root.TryGetProperty("error", out JsonElement inner) ? inner : root;
        return error.ValueKind == JsonValueKind.Object && error.TryGetProperty("message", out JsonElement message) ? message.ToString() : error.ToString();
    }

    /// <summary>What one event says.</summary>
    private struct Piece
    {
        public bool HasText;
        public bool IsFinal;
        public bool IsEnd;
        public int? PromptTokens;
        public int? OutputTokens;
        public int? CachedTokens;
        public string? Error;
    }
}

using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Requests;

namespace HelixFlow.Gateway.VectorStores;

/// <summary>How a file is cut into chunks.</summary>
/// <param name="MaxTokens">Most tokens of a chunk.</param>
/// <param name="OverlapTokens">Most tokens that a chunk repeats of the one before it.</param>
internal readonly record struct ChunkingStrategy(int MaxTokens, int OverlapTokens)
{
    private const int Least = 100;
    private const int Most = 4096;

    /// <summary>What OpenAI calls "auto".</summary>
    public static ChunkingStrategy Auto { get; } = new(800, 400);

    /// <exception cref="Errors.OpenAiException">The field names no strategy, or its numbers are out of range.</exception>
    public static ChunkingStrategy Read(RequestFields fields)
    {
        if (fields.Object("chunking_strategy") is not { } strategy)
        {
            return Auto;
        }

        string type = strategy.RequiredString("type");
        if (type != "static")
        {
            return type == "auto"
                ? Auto
                : throw RequestFields.Invalid("chunking_strategy.type", $"Invalid value: '{type}'. Supported values are: 'auto' and 'static'.", "invalid_value");
        }

        RequestFields numbers = strategy.Object("static") ?? throw strategy.Missing("static");
        long max = numbers.Integer("max_chunk_size_tokens", Least, Most) ?? throw numbers.Missing("max_chunk_size_tokens");
        long overlap = numbers.Integer("chunk_overlap_tokens", 0, Most) ?? throw numbers.Missing("chunk_overlap_tokens");
        return overlap <= max / 2 ? new ChunkingStrategy((int)max, (int)overlap) : throw RequestFields.Invalid(
            "chunking_strategy.static.chunk_overlap_tokens",
            string.Create(CultureInfo.InvariantCulture, $"Invalid 'chunking_strategy.static.chunk_overlap_tokens': must not exceed half of 'max_chunk_size_tokens', which is {max / 2}, but got {overlap} instead."),
            "invalid_value");
    }

    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject("chunking_strategy"u8);
        json.WriteString("type"u8, "static"u8);
        json.WriteStartObject("static"u8);
        json.WriteNumber("max_chunk_size_tokens"u8, MaxTokens);
        json.WriteNumber("chunk_overlap_tokens"u8, OverlapTokens);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}

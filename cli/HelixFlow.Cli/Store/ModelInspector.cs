using System.Text.Json;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;

namespace HelixFlow.Cli.Store;

/// <summary>Reads <see cref="ModelDetails"/> from the headers of a model's files; weights are not read.</summary>
internal static class ModelInspector
{
    // Far above any published config.json or tokenizer_config.json.
    private const int MaxJsonBytes = 64 << 20;

    /// <exception cref="ModelFormatException">A file is damaged.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static ModelDetails Inspect(ModelLocation model)
    {
        try
        {
            return model.Kind == ModelKind.Gguf ? InspectGguf(model.Path) : InspectFolder(model.Path);
        }
        catch (InvalidOperationException e) // a JSON string with half a surrogate pair
        {
            throw new ModelFormatException(model.Path, null, "a JSON file holds a damaged string: " + e.Message, e);
        }
    }

    private static ModelDetails InspectGguf(string path)
    {
        using GgufFile file = GgufFile.Open(path);
        GgufMetadata metadata = file.Metadata;
        string? architecture = metadata.TryGetString("general.architecture", out string? named) ? named : null;
        IReadOnlyList<TensorTypeShare> types = Summarise(file.Tensors.Values);
        string contextKey = $"{architecture}.context_length";
        const string TokensKey = "tokenizer.ggml.tokens";
        return new ModelDetails(
            architecture,
            QuantisationName(metadata) ?? Dominant(types),
            types.Sum(static t => t.Parameters),
            metadata.Contains(contextKey) ? metadata.GetUInt32(contextKey) : null,
            metadata.Contains(TokensKey) ? metadata.CountOf(TokensKey) : null,
            metadata.Contains("tokenizer.chat_template"),
            PurposeOf(path),
            types,
            [.. metadata.Keys.Select(key => KeyValuePair.Create(key, metadata.Describe(key)))]);
    }

    private static ModelDetails InspectFolder(string folder)
    {
        using SafetensorsFile file = SafetensorsFile.Open(folder);
        using JsonDocument? config = ReadJson(Path.Combine(folder, "config.json"));
        using JsonDocument? tokenizer = ReadJson(Path.Combine(folder, "tokenizer_config.json"));
        IReadOnlyList<TensorTypeShare> types = Summarise(file.Tensors.Values);
        return new ModelDetails(
            Find(config, "model_type") is { ValueKind: JsonValueKind.String } type ? type.GetString() : null,
            Dominant(types),
            types.Sum(static t => t.Parameters),
            Number(config, "max_position_embeddings"),
            Number(config, "vocab_size"),
            File.Exists(Path.Combine(folder, "chat_template.jinja"))
                || Find(tokenizer, "chat_template") is { ValueKind: not JsonValueKind.Null },
            PurposeOf(folder),
            types,
            [.. config?.RootElement.EnumerateObject().Select(static p => KeyValuePair.Create(p.Name, p.Value.GetRawText())) ?? []]);
    }

    private static string? PurposeOf(string path)
    {
        try
        {
            using ModelFile file = ModelFile.Open(path);
            return file.Purpose switch
            {
                ModelPurpose.Embed => "embed",
                ModelPurpose.Rank => "rank",
                _ => "generate",
            };
        }
        catch (ModelFormatException)
        {
            return null; // of an architecture that is not supported
        }
    }

    private static IReadOnlyList<TensorTypeShare> Summarise(IEnumerable<StoredTensor> tensors) =>
    [
        .. tensors
            .GroupBy(static t => t.Type)
            .Select(static g => new TensorTypeShare(
                g.Key.ToString(), g.Count(), g.Sum(static t => (long)t.Rows * t.Columns), g.Sum(static t => t.SizeBytes)))
            .OrderByDescending(static s => s.SizeBytes),
    ];

    private static string Dominant(IReadOnlyList<TensorTypeShare> types) => types.Count > 0 ? types[0].Type : "none";

    /// <summary>The names llama.cpp gives to the mixtures it makes; null for one this table lacks.</summary>
    private static string? QuantisationName(GgufMetadata metadata) =>
        !metadata.Contains("general.file_type") ? null : metadata.GetUInt32("general.file_type") switch
        {
            0 => "F32",
            1 => "F16",
            2 => "Q4_0",
            3 => "Q4_1",
            7 => "Q8_0",
            8 => "Q5_0",
            9 => "Q5_1",
            14 => "Q4_K_S",
            15 => "Q4_K_M",
            16 => "Q5_K_S",
            17 => "Q5_K_M",
            18 => "Q6_K",
            32 => "BF16",
            _ => null,
        };

    private static JsonDocument? ReadJson(string path)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        if (new FileInfo(path).Length is var length and > MaxJsonBytes)
        {
            throw new ModelFormatException(path, null, $"has {length} bytes; at most {MaxJsonBytes} are allowed");
        }

        try
        {
            using FileStream stream = File.OpenRead(path);
            JsonDocument document = JsonDocument.Parse(stream, new JsonDocumentOptions { AllowDuplicateProperties = false });
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? document
                : throw new ModelFormatException(path, null, "is not a JSON object");
        }
        catch (JsonException e)
        {
            throw new ModelFormatException(path, null, "is not valid JSON: " + e.Message, e);
        }
    }

    private static long? Number(JsonDocument? json, string name) =>
        Find(json, name) is { ValueKind: JsonValueKind.Number } number && number.TryGetInt64(out long value) ? value : null;

    /// <summary>Looks in the document and then in text_config, where multimodal models keep the language model's part.</summary>
    private static JsonElement? Find(JsonDocument? json, string name)
    {
        if (json is null)
        {
            return null;
        }

        if (json.RootElement.TryGetProperty(name, out JsonElement value))
        {
            return value;
        }

        return json.RootElement.TryGetProperty("text_config", out JsonElement text)
            && text.ValueKind == JsonValueKind.Object
            && text.TryGetProperty(name, out value) ? value : null;
    }
}

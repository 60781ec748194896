using System.Collections.Immutable;
using System.Text.Json;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Models;

/// <summary>Typed access to an object of a config.json. A JSON null counts as absent; a value of another type is an error that names it.</summary>
internal sealed class ConfigJson : IDisposable
{
    // The largest published files have some ten kilobytes; a vocabulary or weights by mistake would have more.
    private const long MaxFileBytes = 16 << 20;

    private readonly string _path;
    private readonly JsonDocument? _document;
    private readonly JsonElement _element;

    private ConfigJson(string path, JsonDocument? document, JsonElement element)
    {
        _path = path;
        _document = document;
        _element = element;
    }

    public static ConfigJson Open(string path)
    {
        long length = new FileInfo(path).Length;
        if (length > MaxFileBytes)
        {
            throw new ModelFormatException(path, null, $"has {length} bytes; a model's configuration has at most {MaxFileBytes}");
        }

        try
        {
            JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? new ConfigJson(path, document, document.RootElement)
                : throw new ModelFormatException(path, 0, $"is a JSON {document.RootElement.ValueKind}; an object is expected");
        }
        catch (JsonException exception)
        {
            throw new ModelFormatException(path, null, $"is not valid JSON: {exception.Message}", exception);
        }
    }

    /// <summary>The number of members.</summary>
    public int Count => _element.EnumerateObject().Count();

    public bool Has(string name) => Find(name) is not null;

    /// <summary>Whether the value is there and is null, which some families use to switch a default off.</summary>
    public bool IsNull(string name) => _element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Null;

    public ConfigJson? Object(string name) => Find(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Object } value => new ConfigJson(_path, null, value),
        _ => throw Wrong(name, "an object"),
    };

    public string String(string name, string? fallback = null) => Find(name) switch
    {
        null => fallback ?? throw Missing(name),
        { ValueKind: JsonValueKind.String } value => value.GetString()!,
        _ => throw Wrong(name, "a string"),
    };

    public int Int(string name, int? fallback = null) => Find(name) switch
    {
        null => fallback ?? throw Missing(name),
        { ValueKind: JsonValueKind.Number } value when value.TryGetInt32(out int number) => number,
        _ => throw Wrong(name, "an integer"),
    };

    public float Float(string name, float? fallback = null) => Find(name) switch
    {
        null => fallback ?? throw Missing(name),
        { ValueKind: JsonValueKind.Number } value => value.GetSingle(),
        _ => throw Wrong(name, "a number"),
    };

    public bool Bool(string name, bool fallback) => Find(name) switch
    {
        null => fallback,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        _ => throw Wrong(name, "true or false"),
    };

    public ImmutableArray<string>? Strings(string name)
    {
        if (Find(name) is not { } array)
        {
            return null;
        }

        return array.ValueKind == JsonValueKind.Array && array.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String)
            ? [.. array.EnumerateArray().Select(item => item.GetString()!)]
            : throw Wrong(name, "an array of strings");
    }

    public ImmutableArray<float> Floats(string name)
    {
        JsonElement array = Find(name) ?? throw Missing(name);
        return array.ValueKind == JsonValueKind.Array && array.EnumerateArray().All(item => item.ValueKind == JsonValueKind.Number)
            ? [.. array.EnumerateArray().Select(item => item.GetSingle())]
            : throw Wrong(name, "an array of numbers");
    }

    public ModelFormatException Error(string reason) => new(_path, null, reason);

    public void Dispose() => _document?.Dispose();

    private JsonElement? Find(string name) =>
        _element.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private ModelFormatException Missing(string name) => Error($"'{name}' is missing");

    private ModelFormatException Wrong(string name, string expected)
    {
        string found = Find(name)!.Value.GetRawText();
        return Error($"'{name}' is {(found.Length <= 80 ? found : string.Concat(found.AsSpan(0, 80), "…"))}; {expected} is expected");
    }
}

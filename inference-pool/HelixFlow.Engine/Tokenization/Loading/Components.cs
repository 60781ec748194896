namespace HelixFlow.Engine.Tokenization.Loading;

/// <summary>The kinds of one section of tokenizer.json, by the value of their <c>type</c>.</summary>
internal sealed class Components<T>(string section, Dictionary<string, Func<JsonField, T>> readers)
{
    private string Supported => string.Join(", ", readers.Keys.Order(StringComparer.Ordinal));

    public T Read(JsonField field)
    {
        var type = field.Require("type").AsString();
        return readers.TryGetValue(type, out var read)
            ? read(field)
            : throw field.Error($"is a {section} of type \"{type}\", which is not supported; supported are {Supported}");
    }
}

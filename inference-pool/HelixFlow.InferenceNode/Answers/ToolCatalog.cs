using System.Text.Json;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>The tools of a request. Immutable.</summary>
internal sealed class ToolCatalog
{
    private readonly Dictionary<string, JsonElement> _parameters = new(StringComparer.Ordinal); // schema, or undefined

    /// <param name="tools">The definitions, an array in the OpenAI format; what is malformed in it is passed over.</param>
    public ToolCatalog(JsonElement tools)
    {
        if (tools.ValueKind != JsonValueKind.Array)
        {
            return;
        }

        foreach (JsonElement tool in tools.EnumerateArray())
        {
            if (tool.ValueKind == JsonValueKind.Object
                && tool.TryGetProperty("function", out JsonElement function) && function.ValueKind == JsonValueKind.Object
                && function.TryGetProperty("name", out JsonElement name) && name.ValueKind == JsonValueKind.String)
            {
                _parameters[name.GetString()!] = function.TryGetProperty("parameters", out JsonElement schema) ? schema : default;
            }
        }
    }

    public IEnumerable<string> Names => _parameters.Keys;

    public bool Contains(string name) => _parameters.ContainsKey(name);

    /// <summary>The schema of a tool's arguments; null when it has none.</summary>
    public JsonElement? SchemaOf(string tool) =>
        _parameters.TryGetValue(tool, out JsonElement schema) && schema.ValueKind == JsonValueKind.Object ? schema : null;

    /// <summary>The names of a tool's parameters in the order of its schema.</summary>
    public IReadOnlyList<string> ParametersOf(string tool) =>
        SchemaOf(tool) is { } schema && schema.TryGetProperty("properties", out JsonElement properties) && properties.ValueKind == JsonValueKind.Object
            ? [.. properties.EnumerateObject().Select(property => property.Name)]
            : [];

    /// <summary>Whether a parameter is a string, so far as its schema says; a parameter that is not declared counts as one.</summary>
    public bool IsString(string tool, string parameter)
    {
        if (SchemaOf(tool) is not { } schema
            || !schema.TryGetProperty("properties", out JsonElement properties) || properties.ValueKind != JsonValueKind.Object
            || !properties.TryGetProperty(parameter, out JsonElement declared) || declared.ValueKind != JsonValueKind.Object)
        {
            return true;
        }

        return declared.TryGetProperty("type", out JsonElement type) && type.ValueKind switch
        {
            JsonValueKind.String => type.ValueEquals("string"),
            JsonValueKind.Array => type.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String && item.ValueEquals("string")),
            _ => false,
        };
    }
}

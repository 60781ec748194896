using System.Text.Json;
using HelixFlow.Engine.Grammar;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>The tools of a request. Immutable.</summary>
internal sealed class ToolCatalog
{
    private readonly Dictionary<string, JsonElement> _parameters = new(StringComparer.Ordinal); // schema, or undefined
    private readonly HashSet<string> _strict = new(StringComparer.Ordinal);
    private readonly List<string> _names = [];

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
                _names.Add(name.GetString()!);
                if (function.TryGetProperty("strict", out JsonElement strict) && strict.ValueKind == JsonValueKind.True)
                {
                    _strict.Add(name.GetString()!);
                }

                _parameters[name.GetString()!] = function.TryGetProperty("parameters", out JsonElement schema) ? schema : default;
            }
        }
    }

    public IEnumerable<string> Names => _parameters.Keys;

    /// <summary>Whether any tool demands that its arguments satisfy its schema.</summary>
    public bool HasStrict => _strict.Count > 0;

    /// <summary>Whether a tool demands that its arguments satisfy its schema.</summary>
    public bool IsStrict(string name) => _strict.Contains(name);

    /// <summary>A tool's place in the request.</summary>
    public int IndexOf(string name) => _names.LastIndexOf(name);

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
    public bool IsString(string tool, string parameter) => SchemaOf(tool) is not { } schema || ArgumentNotations.IsText(schema, parameter);
}

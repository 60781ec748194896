using System.Text.Json;

namespace HelixFlow.Engine.Grammar.Json;

/// <summary>One schema of a document, or one that was made from it.</summary>
/// <param name="Id">A number that no other schema of the document has.</param>
/// <param name="Path">Where it stands, as a JSON pointer, for messages.</param>
/// <param name="Json">An object or a boolean.</param>
/// <param name="Base">The resource (the nearest <c>$id</c>) that its references start from.</param>
internal sealed record SchemaNode(int Id, string Path, JsonElement Json, string Base);

/// <summary>A JSON Schema document: its schemas by place, and what references lead to. Used by one thread.</summary>
/// <remarks>Draft 2020-12, with <c>definitions</c> of older drafts. Nothing is fetched: references lead inside of the document.</remarks>
internal sealed class SchemaDocument
{
    private readonly Dictionary<string, SchemaNode> _nodes = new(StringComparer.Ordinal); // by pointer
    private readonly Dictionary<string, SchemaNode> _anchors = new(StringComparer.Ordinal); // by base#anchor, and by base alone
    private readonly List<string> _dynamicAnchors = [];
    private int _count;

    public SchemaDocument(JsonElement root)
    {
        Root = Add("", root, "");
        _anchors.TryAdd("", Root);
        Index(Root, 0);
    }

    public SchemaNode Root { get; }

    /// <summary>A schema inside of another one.</summary>
    public SchemaNode Child(SchemaNode parent, string keyword, JsonElement json) => Add($"{parent.Path}/{Escape(keyword)}", json, parent.Base);

    /// <summary>A schema that stands nowhere in the document; equal names mean equal schemas.</summary>
    public SchemaNode Made(string name, Func<string> json)
    {
        string path = $"#made/{name}";
        return _nodes.TryGetValue(path, out SchemaNode? node) ? node : Add(path, JsonDocument.Parse(json()).RootElement, "");
    }

    /// <exception cref="GrammarException">The reference leads nowhere, or outside of the document.</exception>
    public SchemaNode Resolve(SchemaNode from, string reference)
    {
        int hash = reference.IndexOf('#', StringComparison.Ordinal);
        string resource = hash < 0 ? reference : reference[..hash];
        string fragment = hash < 0 ? "" : Uri.UnescapeDataString(reference[(hash + 1)..]);
        string target = resource.Length == 0 ? from.Base : Combine(from.Base, resource);
        if (!_anchors.TryGetValue(target, out SchemaNode? start))
        {
            throw new GrammarException($"{Where(from)}: '$ref' leads to '{reference}', which is not in this schema; nothing is fetched from elsewhere");
        }

        if (fragment.Length == 0)
        {
            return start;
        }

        if (fragment[0] != '/')
        {
            return _anchors.TryGetValue($"{target}#{fragment}", out SchemaNode? anchor)
                ? anchor
                : throw new GrammarException($"{Where(from)}: '$ref' leads to the anchor '{fragment}', which there is not");
        }

        JsonElement json = start.Json;
        string path = start.Path;
        string within = start.Base;
        foreach (string segment in fragment[1..].Split('/'))
        {
            string name = segment.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            bool found = json.ValueKind switch
            {
                JsonValueKind.Object => json.TryGetProperty(name, out json),
                JsonValueKind.Array => TryIndex(ref json, name),
                _ => false,
            };
            if (!found)
            {
                throw new GrammarException($"{Where(from)}: '$ref' leads to '{reference}', where there is nothing");
            }

            path = $"{path}/{segment}";
            within = _nodes.TryGetValue(path, out SchemaNode? known) ? known.Base : within;
        }

        return Add(path, json, within);
    }

    /// <summary>What a dynamic reference leads to, which is what a plain one would unless several schemas have that dynamic anchor.</summary>
    /// <exception cref="GrammarException">Several have.</exception>
    public SchemaNode ResolveDynamic(SchemaNode from, string reference)
    {
        string anchor = reference[(reference.IndexOf('#', StringComparison.Ordinal) + 1)..];
        return _dynamicAnchors.Count(name => name == anchor) > 1
            ? throw new GrammarException($"{Where(from)}: '$dynamicRef' leads to '{anchor}', which several schemas have as their dynamic anchor; that is not supported")
            : Resolve(from, reference);
    }

    /// <summary>A schema's place, in words.</summary>
    public static string Where(SchemaNode node) => node.Path.Length == 0 ? "the schema" : $"the schema at '#{node.Path}'";

    private static bool TryIndex(ref JsonElement json, string name)
    {
        if (!int.TryParse(name, out int index) || index < 0 || index >= json.GetArrayLength())
        {
            return false;
        }

        json = json[index];
        return true;
    }

    private static string Escape(string name) => name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);

    private static string Combine(string start, string relative)
    {
        if (Uri.TryCreate(relative, UriKind.Absolute, out Uri? absolute))
        {
            return absolute.AbsoluteUri.TrimEnd('#');
        }

        return Uri.TryCreate(start, UriKind.Absolute, out Uri? origin) ? new Uri(origin, relative).AbsoluteUri.TrimEnd('#') : relative;
    }

    private SchemaNode Add(string path, JsonElement json, string within)
    {
        if (_nodes.TryGetValue(path, out SchemaNode? known))
        {
            return known;
        }

        if (json.ValueKind is not (JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False))
        {
            throw new GrammarException($"'#{path}' must be a schema: an object, true or false");
        }

        if (json.ValueKind == JsonValueKind.Object && json.TryGetProperty("$id", out JsonElement id) && id.ValueKind == JsonValueKind.String)
        {
            within = Combine(within, id.GetString()!);
        }

        var node = new SchemaNode(_count++, path, json, within);
        _nodes.Add(path, node);
        return node;
    }

    // Finds identifiers and anchors wherever schemas may stand.
    private void Index(SchemaNode node, int depth)
    {
        if (depth > 128)
        {
            throw new GrammarException("the schema is nested more than 128 deep");
        }

        if (node.Json.ValueKind != JsonValueKind.Object)
        {
            return;
        }

        _anchors.TryAdd(node.Base, node);
        foreach (JsonProperty property in node.Json.EnumerateObject())
        {
            JsonElement value = property.Value;
            switch (property.Name)
            {
                case "$anchor" or "$dynamicAnchor" when value.ValueKind == JsonValueKind.String:
                    _anchors.TryAdd($"{node.Base}#{value.GetString()}", node);
                    if (property.Name == "$dynamicAnchor")
                    {
                        _dynamicAnchors.Add(value.GetString()!);
                    }

                    break;
                case "properties" or "patternProperties" or "$defs" or "definitions" or "dependentSchemas" when value.ValueKind == JsonValueKind.Object:
                    foreach (JsonProperty entry in value.EnumerateObject().Where(entry => IsSchema(entry.Value)))
                    {
                        Index(Add($"{node.Path}/{property.Name}/{Escape(entry.Name)}", entry.Value, node.Base), depth + 1);
                    }

                    break;
                case "allOf" or "anyOf" or "oneOf" or "prefixItems" when value.ValueKind == JsonValueKind.Array:
                    int index = 0;
                    foreach (JsonElement entry in value.EnumerateArray())
                    {
                        if (IsSchema(entry))
                        {
                            Index(Add($"{node.Path}/{property.Name}/{index}", entry, node.Base), depth + 1);
                        }

                        index++;
                    }

                    break;
                case "items" or "additionalProperties" or "propertyNames" or "contains" or "not" or "if" or "then" or "else" when IsSchema(value):
                    Index(Add($"{node.Path}/{property.Name}", value, node.Base), depth + 1);
                    break;
                default:
                    break;
            }
        }
    }

    private static bool IsSchema(JsonElement json) => json.ValueKind is JsonValueKind.Object or JsonValueKind.True or JsonValueKind.False;
}

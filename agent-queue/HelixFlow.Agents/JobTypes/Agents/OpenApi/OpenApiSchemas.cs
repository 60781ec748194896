using System.Text.Json.Nodes;

namespace HelixFlow.Agents.JobTypes.Agents.OpenApi;

/// <summary>Schemas of an OpenAPI document as JSON Schemas that stand alone: references resolved, and the words of version 3.0 said as JSON Schema says them.</summary>
internal sealed class OpenApiSchemas(JsonObject document)
{
    private const int Deepest = 12; // schemas that contain themselves end here: anything goes below
    private const int MostNodes = 20_000; // of one document's schemas together

    private static readonly HashSet<string> _kept = new(StringComparer.Ordinal)
    {
        "type", "enum", "const", "title", "description", "default", "pattern", "minLength", "maxLength", "minimum", "maximum", "multipleOf", "minItems", "maxItems",
        "minProperties", "maxProperties",
    };

    private static readonly HashSet<string> _formats = new(StringComparer.Ordinal) { "date", "date-time", "time", "email", "hostname", "ipv4", "ipv6", "uri", "uuid" };

    private int _nodes;

    /// <summary>What a reference within the document leads to; what is none, itself.</summary>
    /// <exception cref="FormatException">It leads nowhere, in a circle, or out of the document.</exception>
    public JsonObject Resolve(JsonNode? node)
    {
        for (int hops = 0; hops < 32; hops++)
        {
            if (node is not JsonObject target)
            {
                throw new FormatException("Something in the document is no object where one must be.");
            }

            if (target["$ref"] is not JsonValue reference || !reference.TryGetValue(out string? path))
            {
                return target;
            }

            if (!path.StartsWith("#/", StringComparison.Ordinal))
            {
                throw new FormatException($"The reference '{path}' leads out of the document.");
            }

            node = document;
            foreach (string part in path[2..].Split('/'))
            {
                string name = Uri.UnescapeDataString(part).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
                node = (node as JsonObject)?[name] ?? throw new FormatException($"The reference '{path}' leads nowhere.");
            }
        }

        throw new FormatException("A reference leads in a circle.");
    }

    /// <summary>A schema that stands alone, for what is sent.</summary>
    public JsonObject Standalone(JsonNode? schema) => Standalone(schema, 0);

    private JsonObject Standalone(JsonNode? schema, int depth)
    {
        if (++_nodes > MostNodes)
        {
            throw new FormatException($"The document's schemas have more than {MostNodes} parts. Name in 'only' the operations that are needed.");
        }

        if (schema is JsonValue || schema is null || depth > Deepest)
        {
            return []; // true, or deeper than is looked
        }

        JsonObject source = Resolve(schema);
        var result = new JsonObject();
        foreach ((string name, JsonNode? value) in source)
        {
            if (_kept.Contains(name))
            {
                result[name] = value?.DeepClone();
            }
        }

        if (source["format"] is JsonValue format && format.TryGetValue(out string? word) && _formats.Contains(word))
        {
            result["format"] = word;
        }

        Bounds(source, result);
        Members(source, result, depth);
        foreach (string name in (string[])["anyOf", "oneOf"])
        {
            if (source[name] is JsonArray { Count: > 0 } alternatives)
            {
                result["anyOf"] = new JsonArray([.. alternatives.Select(alternative => Standalone(alternative, depth + 1))]);
            }
        }

        foreach (JsonNode? part in source["allOf"] as JsonArray ?? [])
        {
            Merge(result, Standalone(part, depth + 1));
        }

        if (source["nullable"] is JsonValue nullable && nullable.TryGetValue(out bool canBeNull) && canBeNull && result["type"] is JsonValue type)
        {
            result["type"] = new JsonArray(type.DeepClone(), "null");
            (result["enum"] as JsonArray)?.Add(null);
        }

        return result;
    }

    private void Members(JsonObject source, JsonObject result, int depth)
    {
        if (source["items"] is { } items)
        {
            result["items"] = Standalone(items, depth + 1);
        }

        if (source["additionalProperties"] is { } additional)
        {
            result["additionalProperties"] = additional is JsonValue ? additional.DeepClone() : Standalone(additional, depth + 1);
        }

        if (source["properties"] is not JsonObject properties)
        {
            return;
        }

        // What the server sets is not sent.
        var sent = properties.Where(member => !(member.Value is JsonObject value && value["readOnly"] is JsonValue flag && flag.TryGetValue(out bool isReadOnly) && isReadOnly)).ToList();
        result["properties"] = new JsonObject(sent.Select(member => KeyValuePair.Create(member.Key, (JsonNode?)Standalone(member.Value, depth + 1))));
        string[] required = [.. (source["required"] as JsonArray ?? []).Select(static name => name?.ToString() ?? "").Where(name => sent.Exists(member => member.Key == name))];
        if (required.Length > 0)
        {
            result["required"] = new JsonArray([.. required.Select(static name => (JsonNode)name)]);
        }
    }

    // In version 3.0 exclusive bounds are flags beside the bounds, as in older drafts of JSON Schema.
    private static void Bounds(JsonObject source, JsonObject result)
    {
        foreach ((string exclusive, string bound) in ((string, string)[])[("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")])
        {
            if (source[exclusive] is not JsonValue value)
            {
                continue;
            }

            if (!value.TryGetValue(out bool flag))
            {
                result[exclusive] = value.DeepClone();
            }
            else if (flag && result[bound] is { } limit)
            {
                result.Remove(bound);
                result[exclusive] = limit;
            }
        }
    }

    private static void Merge(JsonObject into, JsonObject part)
    {
        foreach ((string name, JsonNode? value) in part.ToList())
        {
            part.Remove(name);
            switch (name)
            {
                case "properties" when into["properties"] is JsonObject known:
                    foreach ((string member, JsonNode? schema) in value!.AsObject().ToList())
                    {
                        value.AsObject().Remove(member);
                        known.TryAdd(member, schema);
                    }

                    break;
                case "required" when into["required"] is JsonArray required:
                    foreach (JsonNode? member in value!.AsArray())
                    {
                        required.Add(member?.DeepClone());
                    }

                    break;
                default:
                    into.TryAdd(name, value);
                    break;
            }
        }
    }
}

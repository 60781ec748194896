using System.Text.Json.Nodes;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>What an answer must look like that has to call tools: a text, then JSON that satisfies a schema, then a text.</summary>
/// <param name="Family">The family whose parser reads it: a model's own, or Hermes where the family's calls are not JSON.</param>
/// <param name="Prefix">What stands before the JSON.</param>
/// <param name="Schema">The JSON's schema (draft 2020-12).</param>
/// <param name="Suffix">What stands after it.</param>
internal sealed record ForcedCalls(ToolCallFamily Family, string Prefix, string Schema, string Suffix)
{
    /// <summary>The form of an answer that calls tools of a request.</summary>
    /// <param name="family">How the model writes calls.</param>
    /// <param name="tools">The request's tools.</param>
    /// <param name="name">The tool to be called; empty for any.</param>
    /// <param name="single">Only one call is made; in families that mark each call there is one in any case.</param>
    public static ForcedCalls Of(ToolCallFamily family, ToolCatalog tools, string name, bool single) => family switch
    {
        ToolCallFamily.LlamaJson => new ForcedCalls(family, "", Call(tools, name, "parameters", "").ToJsonString(), ""),
        ToolCallFamily.Mistral => new ForcedCalls(family, ToolCallFormat.MistralOpen, Array(tools, name, single).ToJsonString(), ""),
        ToolCallFamily.Phi => new ForcedCalls(family, ToolCallFormat.PhiOpen, Array(tools, name, single).ToJsonString(), ToolCallFormat.PhiClose),
        _ => new ForcedCalls(
            ToolCallFamily.Hermes, ToolCallFormat.HermesOpen + "\n", Call(tools, name, "arguments", "").ToJsonString(), "\n" + ToolCallFormat.HermesClose),
    };

    private static JsonObject Array(ToolCatalog tools, string name, bool single)
    {
        var schema = new JsonObject { ["type"] = "array", ["items"] = Call(tools, name, "arguments", "/items"), ["minItems"] = 1 };
        if (single)
        {
            schema["maxItems"] = 1;
        }

        return schema;
    }

    private static JsonObject Call(ToolCatalog tools, string name, string arguments, string path)
    {
        string[] names = [.. tools.Names.Where(tool => name.Length == 0 || tool == name)];
        if (names.Length == 1)
        {
            return Call(tools, names[0], arguments, names[0], path);
        }

        var choices = new JsonArray();
        for (int i = 0; i < names.Length; i++)
        {
            choices.Add(Call(tools, names[i], arguments, names[i], $"{path}/anyOf/{i}"));
        }

        return new JsonObject { ["anyOf"] = choices };
    }

    private static JsonObject Call(ToolCatalog tools, string tool, string arguments, string name, string path)
    {
        JsonObject schema = tools.SchemaOf(tool) is { } declared ? (JsonObject)JsonNode.Parse(declared.GetRawText())! : [];
        Move(schema, $"{path}/properties/{arguments}");
        schema.TryAdd("type", "object");
        return new JsonObject
        {
            ["type"] = "object",
            ["properties"] = new JsonObject { ["name"] = new JsonObject { ["const"] = name }, [arguments] = schema },
            ["required"] = new JsonArray("name", arguments),
            ["additionalProperties"] = false,
        };
    }

    // References inside a schema count from its root, which is no longer the document's; those of a schema with an own $id are left alone.
    private static void Move(JsonNode? node, string path)
    {
        if (node is JsonArray items)
        {
            foreach (JsonNode? item in items)
            {
                Move(item, path);
            }
        }
        else if (node is JsonObject members && !members.ContainsKey("$id"))
        {
            foreach ((string key, JsonNode? value) in members.ToArray())
            {
                if (key is "$ref" && value is JsonValue text && text.TryGetValue(out string? target) && (target == "#" || target.StartsWith("#/", StringComparison.Ordinal)))
                {
                    members[key] = $"#{path}{target[1..]}";
                }
                else if (key is not ("const" or "enum" or "default" or "examples"))
                {
                    Move(value, path);
                }
            }
        }
    }
}

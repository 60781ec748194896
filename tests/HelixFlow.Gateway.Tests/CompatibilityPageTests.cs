using System.Text.Json.Nodes;

namespace HelixFlow.Gateway.Tests;

/// <summary>docs/openai-compatibility.md speaks of all that schemas/openapi/gateway.json describes.</summary>
public sealed class CompatibilityPageTests
{
    private const string Page = "docs/openai-compatibility.md";

    private static readonly string[] _lines = File.ReadAllLines(Path.Combine(Root(), Page));

    [Fact]
    public void Every_operation_of_the_api_has_a_section_with_its_request_fields()
    {
        var missing = new List<string>();
        JsonNode document = JsonNode.Parse(File.ReadAllText(Path.Combine(Root(), "schemas/openapi/gateway.json")))!;
        foreach ((string path, JsonNode? operations) in document["paths"]!.AsObject())
        {
            foreach ((string method, JsonNode? operation) in operations!.AsObject().Where(static entry => entry.Value is JsonObject))
            {
                string name = $"{method.ToUpperInvariant()} {path}";
                if (SectionOf(name) is not { } section)
                {
                    if (method != "get" || !_lines.Any(line => line.StartsWith($"| `{path}` |", StringComparison.Ordinal)))
                    {
                        missing.Add(name);
                    }

                    continue;
                }

                missing.AddRange(RequestFields(document, operation!)
                    .Where(field => !section.Any(line => line.StartsWith($"| `{field}` |", StringComparison.Ordinal)))
                    .Select(field => $"{name}: {field}"));
            }
        }

        Assert.True(missing.Count == 0, $"{Page} lacks {string.Join(", ", missing)}: an operation needs a heading with `METHOD /path`, a field a row of its own below it");
    }

    [Fact]
    public void What_is_served_is_not_said_to_be_missing()
    {
        JsonObject paths = JsonNode.Parse(File.ReadAllText(Path.Combine(Root(), "schemas/openapi/gateway.json")))!["paths"]!.AsObject();
        HashSet<string> served = [.. paths.Select(path => System.Text.RegularExpressions.Regex.Replace(path.Key, "\\{[^}]+\\}", "{}"))];
        foreach (string line in _lines.Where(line => line.StartsWith("| `/", StringComparison.Ordinal) && line.EndsWith("| no |", StringComparison.Ordinal)))
        {
            string path = "/v1" + System.Text.RegularExpressions.Regex.Replace(line.Split('`')[1], "\\{[^}]+\\}", "{}");
            Assert.False(served.Contains(path), $"{Page} says that {path} is not served");
        }
    }

    // The lines below the heading that names an operation, down to the next heading.
    private static string[]? SectionOf(string operation)
    {
        int heading = Array.FindIndex(_lines, line => line.StartsWith('#') && line.Contains($"`{operation}`", StringComparison.Ordinal));
        return heading < 0 ? null : [.. _lines.Skip(heading + 1).TakeWhile(line => !line.StartsWith('#'))];
    }

    private static IEnumerable<string> RequestFields(JsonNode document, JsonNode operation)
    {
        foreach ((_, JsonNode? media) in operation["requestBody"]?["content"]?.AsObject() ?? [])
        {
            foreach (string field in FieldsOf(document, media!["schema"]!))
            {
                yield return field;
            }
        }
    }

    private static IEnumerable<string> FieldsOf(JsonNode document, JsonNode schema)
    {
        if ((string?)schema["$ref"] is { } reference)
        {
            schema = document["components"]!["schemas"]![reference.Split('/')[^1]]!;
        }

        IEnumerable<string> own = schema["properties"]?.AsObject().Select(property => property.Key) ?? [];
        IEnumerable<JsonNode?> parts = ((string[])["allOf", "oneOf", "anyOf"]).SelectMany(key => schema[key]?.AsArray() ?? []);
        return own.Concat(parts.SelectMany(part => FieldsOf(document, part!)));
    }

    private static string Root()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "HelixFlow.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("HelixFlow.sln was not found above the test's folder");
    }
}

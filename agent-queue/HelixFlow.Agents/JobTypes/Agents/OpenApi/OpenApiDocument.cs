using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.JobTypes.Agents.OpenApi;

/// <summary>An operation of an API, ready to be called.</summary>
/// <param name="Name">As the document calls it.</param>
/// <param name="Description">For the model.</param>
/// <param name="Method">GET, POST…</param>
/// <param name="Path">With the names of parameters in braces.</param>
/// <param name="Parameters">What goes into path, query and headers.</param>
/// <param name="Body">The name of the argument that is sent as the body, as JSON; null for none.</param>
/// <param name="Arguments">JSON Schema of all arguments.</param>
/// <param name="Effect">What repeating a call would do.</param>
internal sealed record OpenApiOperation(
    string Name, string Description, string Method, string Path, IReadOnlyList<OpenApiParameter> Parameters, string? Body, JsonElement Arguments, EffectClass Effect);

/// <param name="Argument">The argument that has its value.</param>
/// <param name="Name">Its name on the wire.</param>
/// <param name="Place"><c>path</c>, <c>query</c> or <c>header</c>.</param>
/// <param name="IsExploded">Whether each element of a list in the query has the name of its own.</param>
internal sealed record OpenApiParameter(string Argument, string Name, string Place, bool IsExploded);

/// <summary>Reads the operations of an OpenAPI 3 document. A function of the document alone.</summary>
internal static class OpenApiDocument
{
    private const int LongestDescription = 800;

    private static readonly string[] _methods = ["get", "put", "post", "delete", "head", "options", "patch"];

    // Headers that OpenAPI leaves to other parts of the document, or that belong to the connection.
    private static readonly HashSet<string> _foreignHeaders = new(StringComparer.OrdinalIgnoreCase)
    {
        "Accept", "Content-Type", "Authorization", "Host", "Content-Length", "Transfer-Encoding", "Connection", "Cookie", "Expect", "Upgrade", "Proxy-Authorization",
    };

    /// <summary>The document as an object.</summary>
    /// <exception cref="FormatException">It is none of OpenAPI 3.</exception>
    public static JsonObject Parse(JsonElement given)
    {
        try
        {
            JsonNode? node = given.ValueKind == JsonValueKind.String ? JsonNode.Parse(given.GetString()!, null, new JsonDocumentOptions { AllowDuplicateProperties = false }) : JsonObject.Create(given);
            return node is JsonObject document && document["openapi"]?.ToString().StartsWith("3.", StringComparison.Ordinal) == true
                ? document
                : throw new FormatException("The document has no 'openapi' of version 3.");
        }
        catch (JsonException exception)
        {
            throw new FormatException($"The document is no JSON: {exception.Message}", exception);
        }
    }

    /// <summary>The address of the document's first server; null when it has none that is complete.</summary>
    public static Uri? ServerOf(JsonObject document)
    {
        if ((document["servers"] as JsonArray)?.FirstOrDefault() is not JsonObject server || server["url"]?.ToString() is not { } url)
        {
            return null;
        }

        foreach ((string name, JsonNode? variable) in server["variables"] as JsonObject ?? [])
        {
            url = url.Replace($"{{{name}}}", (variable as JsonObject)?["default"]?.ToString() ?? "", StringComparison.Ordinal);
        }

        return Uri.TryCreate(url, UriKind.Absolute, out Uri? address) && address.Scheme is "http" or "https" ? address : null;
    }

    /// <summary>The operations; of those that cannot be called only the names are given, with the reasons.</summary>
    /// <exception cref="FormatException">The document is broken.</exception>
    public static List<OpenApiOperation> Operations(JsonObject document, IReadOnlyList<string>? only, IReadOnlyList<string> idempotent, out Dictionary<string, string> unusable)
    {
        var schemas = new OpenApiSchemas(document);
        var operations = new List<OpenApiOperation>();
        unusable = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach ((string path, JsonNode? item) in document["paths"] as JsonObject ?? [])
        {
            JsonObject shared = schemas.Resolve(item);
            foreach (string method in _methods.Where(shared.ContainsKey))
            {
                JsonObject operation = schemas.Resolve(shared[method]);
                string name = operation["operationId"]?.ToString() ?? $"{method}{path}";
                if (only is not null && !only.Contains(name))
                {
                    continue;
                }

                try
                {
                    operations.Add(Read(schemas, shared, operation, name, method, path, idempotent.Contains(name)));
                }
                catch (FormatException exception)
                {
                    unusable[name] = exception.Message;
                }
            }
        }

        return operations;
    }

    private static OpenApiOperation Read(OpenApiSchemas schemas, JsonObject shared, JsonObject operation, string name, string method, string path, bool isIdempotent)
    {
        var properties = new JsonObject();
        var required = new JsonArray();
        var parameters = new List<OpenApiParameter>();
        JsonObject[] declared = [.. (shared["parameters"] as JsonArray ?? []).Concat(operation["parameters"] as JsonArray ?? []).Select(schemas.Resolve)];
        foreach (JsonObject parameter in declared.GroupBy(static parameter => (parameter["name"]?.ToString(), parameter["in"]?.ToString())).Select(static group => group.Last()))
        {
            Add(schemas, parameter, parameters, properties, required);
        }

        string? body = AddBody(schemas, operation, properties, required);
        foreach (string part in Placeholders(path))
        {
            _ = parameters.Exists(parameter => parameter.Place == "path" && parameter.Name == part) ? true : throw new FormatException($"Its path has '{part}', which it does not declare.");
        }

        var arguments = new JsonObject { ["type"] = "object", ["properties"] = properties };
        if (required.Count > 0)
        {
            arguments["required"] = required;
        }

        arguments["additionalProperties"] = false;
        string description = string.Join(' ', ((string?[])[operation["summary"]?.ToString(), operation["description"]?.ToString()]).OfType<string>());
        return new OpenApiOperation(
            name, Results.Cut(description.Length == 0 ? $"{method.ToUpperInvariant()} {path}" : description, LongestDescription), method.ToUpperInvariant(), path, parameters, body,
            JsonElement.Parse(arguments.ToJsonString()), EffectOf(method, isIdempotent || IsTrue(operation["x-idempotent"])));
    }

    private static void Add(OpenApiSchemas schemas, JsonObject parameter, List<OpenApiParameter> parameters, JsonObject properties, JsonArray required)
    {
        string name = parameter["name"]?.ToString() ?? throw new FormatException("A parameter has no name.");
        string place = parameter["in"]?.ToString() ?? "";
        string style = parameter["style"]?.ToString() ?? (place == "query" ? "form" : "simple");
        bool isRequired = IsTrue(parameter["required"]) || place == "path";
        bool isSupported = (place, style) is ("path", "simple") or ("query", "form") or ("header", "simple") && !(place == "header" && _foreignHeaders.Contains(name));
        if (!isSupported)
        {
            // What is optional need not be sent.
            _ = isRequired ? throw new FormatException($"Its parameter '{name}' ({place}, {style}) cannot be sent.") : true;
            return;
        }

        string argument = properties.ContainsKey(name) ? $"{name}_{place}" : name;
        JsonObject schema = schemas.Standalone(parameter["schema"] ?? ((parameter["content"] as JsonObject)?.FirstOrDefault().Value as JsonObject)?["schema"]);
        if (parameter["description"]?.ToString() is { } description)
        {
            schema["description"] = Results.Cut(description, LongestDescription);
        }

        properties[argument] = schema;
        if (isRequired)
        {
            required.Add(argument);
        }

        parameters.Add(new OpenApiParameter(argument, name, place, parameter["explode"] is null || IsTrue(parameter["explode"])));
    }

    private static string? AddBody(OpenApiSchemas schemas, JsonObject operation, JsonObject properties, JsonArray required)
    {
        if (operation["requestBody"] is not { } given)
        {
            return null;
        }

        JsonObject body = schemas.Resolve(given);
        KeyValuePair<string, JsonNode?> json = (body["content"] as JsonObject ?? []).FirstOrDefault(static type => IsJson(type.Key));
        if (json.Key is null)
        {
            _ = IsTrue(body["required"]) ? throw new FormatException("Its body is no JSON.") : true;
            return null;
        }

        string argument = properties.ContainsKey("body") ? "request_body" : "body";
        properties[argument] = schemas.Standalone((json.Value as JsonObject)?["schema"]);
        if (IsTrue(body["required"]))
        {
            required.Add(argument);
        }

        return argument;
    }

    /// <summary>GET and its kin ask, PUT and DELETE may be repeated by HTTP's rules (RFC 9110, section 9.2.2), everything else only when somebody has said so.</summary>
    private static EffectClass EffectOf(string method, bool isIdempotent) => method switch
    {
        "get" or "head" or "options" => EffectClass.Recorded,
        "put" or "delete" => EffectClass.Idempotent,
        _ => isIdempotent ? EffectClass.Idempotent : EffectClass.Unsafe,
    };

    /// <summary>The names in braces of a path.</summary>
    internal static IEnumerable<string> Placeholders(string path)
    {
        for (int start = path.IndexOf('{', StringComparison.Ordinal); start >= 0; start = path.IndexOf('{', start + 1))
        {
            int end = path.IndexOf('}', start);
            if (end < 0)
            {
                throw new FormatException("Its path has a brace that does not close.");
            }

            yield return path[(start + 1)..end];
        }
    }

    private static bool IsJson(string type)
    {
        string media = type.Split(';')[0].Trim();
        return media is "*/*" or "application/*" || media.EndsWith("/json", StringComparison.OrdinalIgnoreCase) || media.EndsWith("+json", StringComparison.OrdinalIgnoreCase);
    }

    private static bool IsTrue(JsonNode? node) => node is JsonValue value && value.TryGetValue(out bool flag) && flag;
}

using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Requests;

/// <summary>Where a request said what its answer must look like, for errors that are found when that is compiled.</summary>
/// <param name="Param">The body's field.</param>
/// <param name="Label">How messages begin.</param>
internal sealed record ConstraintSource(string Param, string Label)
{
    /// <summary>The inference service's refusal; the field "constraint" gets the name that the request gave it.</summary>
    public static OpenAiError Rename(ConstraintSource? source, InferenceException exception, string promptParam)
    {
        OpenAiError error = OpenAiError.Of(exception, promptParam);
        if (exception.Field?.EndsWith(".function.parameters", StringComparison.Ordinal) == true)
        {
            return error with { Code = "invalid_function_parameters" };
        }

        return source is not null && exception.Field == "constraint" && error.Status == 400
            ? OpenAiError.Invalid($"{source.Label}: {exception.Message}", source.Param)
            : error;
    }
}

/// <summary>What an answer must look like: OpenAI's <c>response_format</c>, and the fields that vLLM added (<c>guided_*</c>, <c>structured_outputs</c>).</summary>
internal static class ConstraintFields
{
    private const int LongestName = 64;

    private static readonly string[] _schemaParts = ["json", "regex", "choice", "grammar", "json_object"];

    /// <summary>Fills the request's constraint.</summary>
    /// <returns>Where it stands in the body; null when anything may be answered.</returns>
    /// <exception cref="OpenAiException">A field is wrong, or there is more than one constraint.</exception>
    public static ConstraintSource? Read(RequestFields fields, GenerateRequest request)
    {
        ConstraintSource? found = ResponseFormat(fields, request);
        foreach (string part in _schemaParts)
        {
            string name = "guided_" + part;
            found = Part(fields, name, name, part, request, found);
        }

        if (fields.TryGet("guided_whitespace_pattern", out _))
        {
            throw fields.Unsupported("guided_whitespace_pattern", "is not supported: white space between JSON tokens is limited already.");
        }

        if (fields.Object("structured_outputs") is not { } outputs)
        {
            return found;
        }

        foreach (string part in _schemaParts)
        {
            found = Part(outputs, part, "structured_outputs." + part, part, request, found);
        }

        foreach (string name in (string[])["structural_tag", "whitespace_pattern"])
        {
            if (outputs.TryGet(name, out _))
            {
                throw outputs.Unsupported(name, "is not supported by this server.");
            }
        }

        if (outputs.Bool("disable_additional_properties"))
        {
            throw outputs.Unsupported("disable_additional_properties", "is not supported by this server: say so in the schema, with 'additionalProperties'.");
        }

        request.CompactJson = outputs.Bool("disable_any_whitespace");
        outputs.Bool("disable_fallback"); // there is nothing to fall back to
        return found;
    }

    private static ConstraintSource? ResponseFormat(RequestFields fields, GenerateRequest request)
    {
        if (fields.Object("response_format") is not { } format)
        {
            return null;
        }

        switch (format.RequiredString("type"))
        {
            case "text":
                return null;
            case "json_object":
                request.JsonObject = true;
                return new ConstraintSource("response_format", "Invalid response_format");
            case "json_schema":
                break;
            case string type:
                throw RequestFields.Invalid("response_format.type", $"Invalid value: '{type}'. Supported values are: 'json_object', 'json_schema', and 'text'.", "invalid_value");
        }

        RequestFields schema = format.Object("json_schema") ?? throw format.Missing("json_schema");
        string name = schema.RequiredString("name");
        CheckName(name);
        schema.String("description");
        schema.Bool("strict"); // whether or not: what is asked for is always kept to
        if (schema.Object("schema") is null)
        {
            request.JsonObject = true;
        }
        else
        {
            schema.TryGet("schema", out JsonElement value);
            request.JsonSchema = value.GetRawText();
        }

        return new ConstraintSource("response_format", $"Invalid schema for response_format '{name}'");
    }

    private static void CheckName(string name)
    {
        const string Param = "response_format.json_schema.name";
        if (name.Length > LongestName)
        {
            throw RequestFields.Invalid(Param, $"Invalid '{Param}': string too long. Expected a string with maximum length {LongestName}, but got a string with length {name.Length} instead.", "string_above_max_length");
        }

        if (name.Length == 0)
        {
            throw RequestFields.Invalid(Param, $"Invalid '{Param}': empty string. Expected a string with minimum length 1, but got an empty string instead.", "empty_string");
        }

        if (name.Any(static c => !char.IsAsciiLetterOrDigit(c) && c is not ('_' or '-')))
        {
            throw RequestFields.Invalid(Param, $"Invalid '{Param}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", "invalid_value");
        }
    }

    /// <param name="fields">Where the field stands.</param>
    /// <param name="name">Its name there.</param>
    /// <param name="param">Its name in errors.</param>
    /// <param name="part">Which constraint it is.</param>
    /// <param name="request">To be filled.</param>
    /// <param name="before">The constraint found so far.</param>
    private static ConstraintSource? Part(RequestFields fields, string name, string param, string part, GenerateRequest request, ConstraintSource? before)
    {
        if (!fields.TryGet(name, out JsonElement value) || (part == "json_object" && !fields.Bool(name)))
        {
            return before;
        }

        if (before is not null)
        {
            throw RequestFields.Invalid(param, $"'{param}' cannot be used together with '{before.Param}': an answer can have one constraint only.", "invalid_value");
        }

        switch (part)
        {
            case "json":
                request.JsonSchema = value.ValueKind switch
                {
                    JsonValueKind.Object => value.GetRawText(),
                    JsonValueKind.String => value.GetString(),
                    _ => throw RequestFields.WrongType(param, "a JSON Schema as an object or a string", value),
                };
                break;
            case "regex":
                request.Regex = fields.RequiredString(name);
                break;
            case "grammar":
                request.Grammar = fields.RequiredString(name);
                break;
            case "choice":
                request.Choice = new ChoiceList();
                request.Choice.Texts.AddRange(Texts(fields, name, param));
                break;
            default:
                request.JsonObject = true;
                break;
        }

        return new ConstraintSource(param, $"Invalid '{param}'");
    }

    private static IReadOnlyList<string> Texts(RequestFields fields, string name, string param)
    {
        JsonElement array = fields.Array(name)!.Value;
        return array.GetArrayLength() == 0
            ? throw RequestFields.Invalid(param, $"Invalid '{param}': empty array. Expected at least one text.", "empty_array")
            : fields.Strings(name, int.MaxValue);
    }
}

using System.Text.Json;
using HelixFlow.Gateway.ChatCompletions;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Responses;

/// <summary>The field "text" of a response: what its text must look like.</summary>
/// <param name="Json">The field as the response shows it.</param>
/// <param name="Constraint">Where the constraint stands; null when anything may be answered.</param>
internal sealed record ResponseText(string Json, ConstraintSource? Constraint)
{
    private const string Plain = """{"type":"text"}""";

    private static readonly string[] Verbosities = ["low", "medium", "high"];

    /// <summary>Reads the field and fills the request's constraint.</summary>
    /// <exception cref="OpenAiException">The field is malformed.</exception>
    public static ResponseText Read(RequestFields fields, GenerateRequest request)
    {
        RequestFields? text = fields.Object("text");
        string verbosity = text?.String("verbosity") ?? "medium";
        if (!Verbosities.Contains(verbosity))
        {
            throw RequestFields.Invalid("text.verbosity", $"Invalid value: '{verbosity}'. Supported values are: 'low', 'medium', and 'high'.", "invalid_value");
        }

        string format = Plain;
        ConstraintSource? constraint = null;
        if (text?.Object("format") is { } given)
        {
            (format, constraint) = ReadFormat(given, request);
        }

        return new ResponseText(JsonText.Of((format, verbosity), static (json, state) =>
        {
            json.WriteStartObject();
            json.WritePropertyName("format"u8);
            json.WriteRawValue(state.format, skipInputValidation: true);
            json.WriteString("verbosity"u8, state.verbosity);
            json.WriteEndObject();
        }), constraint);
    }

    private static (string Json, ConstraintSource? Constraint) ReadFormat(RequestFields format, GenerateRequest request)
    {
        switch (format.RequiredString("type"))
        {
            case "text":
                return (Plain, null);
            case "json_object":
                request.JsonObject = true;
                return ("""{"type":"json_object"}""", new ConstraintSource("text.format", "Invalid text.format"));
            case "json_schema":
                break;
            case string type:
                throw RequestFields.Invalid("text.format.type", $"Invalid value: '{type}'. Supported values are: 'text', 'json_schema', and 'json_object'.", "invalid_value");
        }

        string name = format.RequiredString("name");
        ToolFields.CheckName(name, "text.format.name");
        string? description = format.String("description");
        bool strict = format.Bool("strict"); // whether or not: what is asked for is always kept to
        if (format.Object("schema") is null)
        {
            throw format.Missing("schema");
        }

        format.TryGet("schema", out JsonElement schema);
        request.JsonSchema = schema.GetRawText();
        string json = JsonText.Of((name, description, strict, schema), static (json, state) =>
        {
            json.WriteStartObject();
            json.WriteString("type"u8, "json_schema"u8);
            json.WriteString("description"u8, state.description);
            json.WriteString("name"u8, state.name);
            json.WritePropertyName("schema"u8);
            state.schema.WriteTo(json);
            json.WriteBoolean("strict"u8, state.strict);
            json.WriteEndObject();
        });
        return (json, new ConstraintSource("text.format.schema", $"Invalid schema for response_format '{name}'"));
    }
}

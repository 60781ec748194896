using System.Text.Json;
using HelixFlow.Gateway.ChatCompletions;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Realtime;

/// <summary>How a Realtime session answers, or one of its responses: immutable, made from the fields that clients have set so far.</summary>
internal sealed class RealtimeSettings
{
    // Set by clients and shown to them; the name of each, in the order in which a session shows them.
    private static readonly string[] Kept =
        ["output_modalities", "instructions", "tools", "tool_choice", "parallel_tool_calls", "max_output_tokens", "temperature", "reasoning", "truncation"];

    // What the published contract has beside those: audio, and what is OpenAI's own.
    private static readonly string[] Refused = ["audio", "prompt", "tracing", "include"];

    private readonly Dictionary<string, string> _fields;

    private RealtimeSettings(string model, Dictionary<string, string> fields)
    {
        Model = model;
        _fields = fields;
        using JsonDocument document = JsonDocument.Parse(JsonText.Of(fields, static (json, fields) => WriteFields(json, fields)));
        var values = new RequestFields(document.RootElement);
        Instructions = values.String("instructions") is { Length: > 0 } text ? text : null;
        Tools = ResponseTools.Read(values, withSearch: false);
        MaxOutputTokens = ReadMost(values);
        Temperature = values.Number("temperature", 0, 2);
        Truncate = ReadTruncation(values);
        Effort = values.Object("reasoning")?.String("effort");
        if (Effort is not null && !ReasoningFields.Efforts.Contains(Effort))
        {
            throw RequestFields.Invalid("reasoning.effort", $"Invalid value: '{Effort}'. Supported values are: {Quoted(ReasoningFields.Efforts)}.", "invalid_value");
        }

        CheckModalities(values);
    }

    public string Model { get; }

    public string? Instructions { get; }

    public ResponseTools Tools { get; }

    /// <summary>Null: as many as the model's context leaves room for.</summary>
    public uint? MaxOutputTokens { get; }

    /// <summary>Null: the model's own.</summary>
    public float? Temperature { get; }

    /// <summary>Whether the oldest items are left out when not all fit the model's context.</summary>
    public bool Truncate { get; }

    public string? Effort { get; }

    /// <summary>Those of a session whose client has set nothing.</summary>
    public static RealtimeSettings Of(string model) => new(model, new Dictionary<string, string>
    {
        ["output_modalities"] = """["text"]""",
        ["instructions"] = "\"\"",
        ["tools"] = "[]",
        ["tool_choice"] = "\"auto\"",
        ["max_output_tokens"] = "\"inf\"",
        ["truncation"] = "\"auto\"",
    });

    /// <summary>Those that <see cref="ToJson"/> has written.</summary>
    public static RealtimeSettings Parse(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        Dictionary<string, string> fields = document.RootElement.EnumerateObject().ToDictionary(static field => field.Name, static field => field.Value.GetRawText());
        fields.Remove("model");
        return new RealtimeSettings(document.RootElement.GetProperty("model").GetString()!, fields);
    }

    /// <summary>The kind of session that a client asks for must be one of text.</summary>
    /// <exception cref="OpenAiException">It is not.</exception>
    public static void CheckType(RequestFields session)
    {
        string type = session.RequiredString("type");
        if (type != "realtime")
        {
            throw type == "transcription"
                ? session.Unsupported("type", "'transcription' is not supported by this server. Supported values are: 'realtime'.")
                : session.InvalidValue("type", type, "'realtime'");
        }
    }

    /// <summary>The model and all fields that are set, as one object.</summary>
    public string ToJson() => JsonText.Of(this, static (json, settings) =>
    {
        json.WriteStartObject();
        json.WriteString("model"u8, settings.Model);
        settings.Write(json);
        json.WriteEndObject();
    });

    /// <summary>These with the fields that a client has sent.</summary>
    /// <param name="update">The object in which they are.</param>
    /// <param name="param">Its name in errors: "session", "response", or empty when it is the body itself.</param>
    /// <param name="others">The names of fields that the caller reads.</param>
    /// <exception cref="OpenAiException">A field is malformed, unknown, or cannot be honoured.</exception>
    public RealtimeSettings With(JsonElement update, string param, params ReadOnlySpan<string> others)
    {
        var fields = new Dictionary<string, string>(_fields);
        string path = param.Length == 0 ? "" : param + ".";
        foreach (JsonProperty field in update.EnumerateObject())
        {
            bool isNull = field.Value.ValueKind == JsonValueKind.Null;
            if (Kept.Contains(field.Name))
            {
                if (isNull)
                {
                    fields.Remove(field.Name);
                }
                else
                {
                    fields[field.Name] = field.Value.GetRawText();
                }
            }
            else if (Refused.Contains(field.Name))
            {
                if (!isNull && !(field.Value.ValueKind == JsonValueKind.Array && field.Value.GetArrayLength() == 0))
                {
                    throw RequestFields.Invalid(
                        path + field.Name, $"Unsupported parameter: '{path}{field.Name}' is not supported by this server, which reads and writes text only.", "unsupported_parameter");
                }
            }
            else if (!others.Contains(field.Name))
            {
                throw new OpenAiException(OpenAiError.Invalid($"Unknown parameter: '{path}{field.Name}'.", path + field.Name, "unknown_parameter"));
            }
        }

        try
        {
            return new RealtimeSettings(Model, fields);
        }
        catch (OpenAiException exception) when (exception.Error.Param is { } inner)
        {
            throw new OpenAiException(exception.Error with { Param = path + inner, Message = exception.Message.Replace($"'{inner}'", $"'{path}{inner}'", StringComparison.Ordinal) }, exception);
        }
    }

    /// <summary>The request that these make, without its prompt.</summary>
    public ResponseRequest Request(string metadataJson)
    {
        var generate = new GenerateRequest { Model = Model, N = 1, Sampling = new SamplingParameters() };
        if (Temperature is { } temperature)
        {
            generate.Sampling.Temperature = temperature;
        }

        if (MaxOutputTokens is { } most)
        {
            generate.MaxTokens = most;
        }

        return new ResponseRequest
        {
            Generate = generate,
            Constraint = null,
            Input = [],
            Tools = Tools,
            TemplateVariables = ReasoningFields.Variables(Effort, default),
            TextJson = "{}",
            MetadataJson = metadataJson,
            Instructions = Instructions,
            Truncate = Truncate,
            Store = false,
        };
    }

    /// <summary>Writes the fields that a session shows.</summary>
    public void Write(Utf8JsonWriter json)
    {
        foreach (string name in Kept)
        {
            if (_fields.TryGetValue(name, out string? value))
            {
                json.WritePropertyName(name);
                json.WriteRawValue(value, skipInputValidation: true);
            }
        }
    }

    /// <summary>Writes the fields that a response shows.</summary>
    public void WriteOfResponse(Utf8JsonWriter json)
    {
        json.WritePropertyName("output_modalities"u8);
        json.WriteRawValue("""["text"]""", skipInputValidation: true);
        json.WritePropertyName("max_output_tokens"u8);
        json.WriteRawValue(_fields.GetValueOrDefault("max_output_tokens", "\"inf\""), skipInputValidation: true);
    }

    private static void WriteFields(Utf8JsonWriter json, Dictionary<string, string> fields)
    {
        json.WriteStartObject();
        foreach ((string name, string value) in fields)
        {
            json.WritePropertyName(name);
            json.WriteRawValue(value, skipInputValidation: true);
        }

        json.WriteEndObject();
    }

    private static uint? ReadMost(RequestFields fields) =>
        fields.TryGet("max_output_tokens", out JsonElement most) && most.ValueKind == JsonValueKind.String
            ? most.ValueEquals("inf") ? null : throw RequestFields.Invalid("max_output_tokens", $"Invalid value: '{most.GetString()}'. Supported values are: an integer, and 'inf'.", "invalid_value")
            : (uint?)fields.Integer("max_output_tokens", 1, int.MaxValue);

    private static bool ReadTruncation(RequestFields fields)
    {
        if (!fields.TryGet("truncation", out JsonElement value))
        {
            return true;
        }

        return value.ValueKind switch
        {
            JsonValueKind.String when value.ValueEquals("auto") => true,
            JsonValueKind.String when value.ValueEquals("disabled") => false,
            JsonValueKind.String => throw RequestFields.Invalid("truncation", $"Invalid value: '{value.GetString()}'. Supported values are: 'auto' and 'disabled'.", "invalid_value"),
            JsonValueKind.Object => throw fields.Unsupported("truncation", "with a retention ratio is not supported by this server. Supported values are: 'auto' and 'disabled'."),
            _ => throw RequestFields.WrongType("truncation", "a string", value),
        };
    }

    private static void CheckModalities(RequestFields fields)
    {
        foreach (string modality in fields.Array("output_modalities") is null ? [] : fields.Strings("output_modalities", int.MaxValue))
        {
            if (modality != "text")
            {
                throw RequestFields.Invalid(
                    "output_modalities", $"Invalid value: '{modality}'. Supported values are: 'text'. This server writes text only.", modality == "audio" ? "unsupported_value" : "invalid_value");
            }
        }
    }

    private static string Quoted(string[] values) => string.Join(", ", values.Select(value => $"'{value}'"));
}

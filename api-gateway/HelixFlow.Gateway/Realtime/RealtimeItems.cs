using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses.Items;
using HelixFlow.Gateway.Streaming;

namespace HelixFlow.Gateway.Realtime;

/// <summary>The items that a client adds to a Realtime conversation: checked, and in the form in which they are kept and told.</summary>
/// <remarks>Their form has all that <see cref="ItemMessages"/> reads.</remarks>
internal static class RealtimeItems
{
    private const int LongestId = 64;

    private static readonly string[] Kinds = ["message", "function_call", "function_call_output"];

    private static readonly string[] Roles = ["system", "user", "assistant"];

    /// <summary>An item as a client sends it.</summary>
    /// <param name="item">The item.</param>
    /// <param name="param">Its name in errors.</param>
    /// <exception cref="OpenAiException">It is malformed, or of a kind that is not supported.</exception>
    public static StoredItem Read(JsonElement item, string param)
    {
        if (item.ValueKind != JsonValueKind.Object)
        {
            throw RequestFields.WrongType(param, "an object", item);
        }

        var fields = new RequestFields(item, param + ".");
        string type = fields.RequiredString("type");
        string id = Id(fields, "id", param) ?? ObjectId.New("item_");
        if (fields.String("object") is { } kind and not "realtime.item")
        {
            throw RequestFields.Invalid(param + ".object", $"Invalid value: '{kind}'. Supported values are: 'realtime.item'.", "invalid_value");
        }

        if (fields.String("status") is { } status and not ("completed" or "incomplete" or "in_progress"))
        {
            throw RequestFields.Invalid(param + ".status", $"Invalid value: '{status}'. Supported values are: 'completed', 'incomplete', and 'in_progress'.", "invalid_value");
        }

        return type switch
        {
            "message" => ReadMessage(id, fields, param),
            "function_call" => new StoredItem(id, Call(id, "completed", Id(fields, "call_id", param) ?? ObjectId.New("call_"), fields.RequiredString("name"), fields.RequiredString("arguments"))),
            "function_call_output" => ReadOutput(id, fields, param),
            _ => throw RequestFields.Invalid(param + ".type", $"Invalid value: '{type}'. Supported values are: {Quoted(Kinds)}.", type.StartsWith("mcp", StringComparison.Ordinal) ? "unsupported_value" : "invalid_value"),
        };
    }

    /// <summary>A message of the model's.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="status">in_progress, completed or incomplete.</param>
    /// <param name="text">Its text; null while there is none.</param>
    public static string Answer(string id, string status, string? text) => Message(id, status, "assistant", text is null ? [] : [text]);

    /// <summary>A call of one of the client's functions.</summary>
    public static string Call(string id, string status, string callId, string name, string arguments) => JsonText.Of((id, status, callId, name, arguments), static (json, item) =>
    {
        Begin(json, item.id, "function_call", item.status);
        json.WriteString("call_id"u8, item.callId);
        json.WriteString("name"u8, item.name);
        json.WriteString("arguments"u8, item.arguments);
        json.WriteEndObject();
    });

    private static StoredItem ReadMessage(string id, RequestFields fields, string param)
    {
        string role = fields.RequiredString("role");
        if (!Roles.Contains(role))
        {
            throw RequestFields.Invalid(param + ".role", $"Invalid value: '{role}'. Supported values are: {Quoted(Roles)}.", "invalid_value");
        }

        JsonElement parts = fields.Array("content") ?? throw fields.Missing("content");
        string supported = role == "assistant" ? "output_text" : "input_text";
        var texts = new List<string>();
        foreach (JsonElement part in parts.EnumerateArray())
        {
            string partParam = string.Create(CultureInfo.InvariantCulture, $"{param}.content[{texts.Count}]");
            var partFields = part.ValueKind == JsonValueKind.Object ? new RequestFields(part, partParam + ".") : throw RequestFields.WrongType(partParam, "an object", part);
            string type = partFields.RequiredString("type");
            texts.Add(type == supported || (type == "text" && role == "assistant")
                ? partFields.RequiredString("text")
                : throw RequestFields.Invalid(
                    partParam + ".type",
                    type is "input_audio" or "output_audio" or "input_image" ? $"Unsupported content part '{type}': this server reads and writes text only." : $"Invalid value: '{type}'. Supported values are: '{supported}'.",
                    type is "input_audio" or "output_audio" or "input_image" ? "unsupported_value" : "invalid_value"));
        }

        return new StoredItem(id, Message(id, "completed", role, texts));
    }

    private static StoredItem ReadOutput(string id, RequestFields fields, string param)
    {
        string callId = Id(fields, "call_id", param) ?? throw fields.Missing("call_id");
        return new StoredItem(id, JsonText.Of((id, callId, Output: fields.RequiredString("output")), static (json, item) =>
        {
            Begin(json, item.id, "function_call_output", "completed");
            json.WriteString("call_id"u8, item.callId);
            json.WriteString("output"u8, item.Output);
            json.WriteEndObject();
        }));
    }

    private static string Message(string id, string status, string role, IReadOnlyList<string> texts) => JsonText.Of((id, status, role, texts), static (json, item) =>
    {
        Begin(json, item.id, "message", item.status);
        json.WriteString("role"u8, item.role);
        json.WriteStartArray("content"u8);
        foreach (string text in item.texts)
        {
            json.WriteStartObject();
            json.WriteString("type"u8, item.role == "assistant" ? "output_text"u8 : "input_text"u8);
            json.WriteString("text"u8, text);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    });

    private static void Begin(Utf8JsonWriter json, string id, string type, string status)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, id);
        json.WriteString("object"u8, "realtime.item"u8);
        json.WriteString("type"u8, type);
        json.WriteString("status"u8, status);
    }

    private static string? Id(RequestFields fields, string name, string param) => fields.String(name) switch
    {
        null => null,
        { Length: > 0 and <= LongestId } id => id,
        { } id => throw RequestFields.Invalid(
            $"{param}.{name}",
            string.Create(CultureInfo.InvariantCulture, $"Invalid '{param}.{name}': expected a string with 1 to {LongestId} characters, but got a string with length {id.Length} instead."),
            id.Length == 0 ? "empty_string" : "string_above_max_length"),
    };

    private static string Quoted(string[] values) => string.Join(", ", values.Select(value => $"'{value}'"));
}

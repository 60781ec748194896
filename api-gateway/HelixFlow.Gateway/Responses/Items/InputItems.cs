using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Files;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;

namespace HelixFlow.Gateway.Responses.Items;

/// <summary>The items that a client sends: checked, and brought into the form in which they are stored and listed.</summary>
internal static class InputItems
{
    private const int LongestCallId = 64;

    private static readonly string[] Roles = ["assistant", "system", "developer", "user"];

    private static readonly string[] Kinds = ["message", "function_call", "function_call_output", SearchItems.Kind, "reasoning", "item_reference"];

    // What the published contract knows beside those: a client that sends one is told that the server does not run such tools.
    private static readonly string[] KnownKinds =
    [
        "computer_call", "computer_call_output", "web_search_call", "tool_search_call", "tool_search_output", "additional_tools", "compaction",
        "compaction_trigger", "image_generation_call", "code_interpreter_call", "local_shell_call", "local_shell_call_output", "shell_call", "shell_call_output",
        "apply_patch_call", "apply_patch_call_output", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "mcp_call", "custom_tool_call",
        "custom_tool_call_output", "program", "program_output",
    ];

    /// <summary>The items of a text, which is one message of the user, or of an array.</summary>
    /// <param name="input">The text or the array.</param>
    /// <param name="param">Its name in errors.</param>
    /// <param name="files">Those that it names.</param>
    /// <exception cref="OpenAiException">An item is malformed, or of a kind that is not supported.</exception>
    public static List<StoredItem> Read(JsonElement input, string param, InputFiles files)
    {
        if (input.ValueKind == JsonValueKind.String)
        {
            return [Message(null, "user", [(false, input.GetString()!)])];
        }

        if (input.ValueKind != JsonValueKind.Array)
        {
            throw RequestFields.WrongType(param, "a string or an array of input items", input);
        }

        var items = new List<StoredItem>();
        foreach (JsonElement item in input.EnumerateArray())
        {
            string itemParam = string.Create(CultureInfo.InvariantCulture, $"{param}[{items.Count}]");
            items.Add(item.ValueKind == JsonValueKind.Object ? ReadItem(new RequestFields(item, itemParam + "."), itemParam, files) : throw RequestFields.WrongType(itemParam, "an object", item));
        }

        return items;
    }

    private static StoredItem ReadItem(RequestFields fields, string param, InputFiles files)
    {
        string type = fields.String("type") ?? (fields.TryGet("role", out _) ? "message" : fields.TryGet("id", out _) ? "item_reference" : throw fields.Missing("type"));
        switch (type)
        {
            case "message":
                return ReadMessage(fields, param, files);
            case "function_call":
                return ReadCall(fields);
            case "function_call_output":
                return ReadOutput(fields, param, files);
            case SearchItems.Kind:
                return SearchItems.Read(fields);
            case "reasoning":
                return ReadReasoning(fields, param);
            case "item_reference":
                return new StoredItem(fields.RequiredString("id"), "", IsReference: true);
            default:
                throw KnownKinds.Contains(type)
                    ? fields.Unsupported("type", $"'{type}' is not supported by this server. Supported values are: {Quoted(Kinds)}.")
                    : RequestFields.Invalid(param + ".type", $"Invalid value: '{type}'. Supported values are: {Quoted(Kinds)}.", "invalid_value");
        }
    }

    private static StoredItem ReadMessage(RequestFields fields, string param, InputFiles files)
    {
        string role = fields.RequiredString("role");
        if (!Roles.Contains(role))
        {
            throw RequestFields.Invalid(param + ".role", $"Invalid value: '{role}'. Supported values are: {Quoted(Roles)}.", "invalid_value");
        }

        Status(fields);
        if (!fields.TryGet("content", out JsonElement content))
        {
            throw fields.Missing("content");
        }

        string? id = fields.String("id");
        if (content.ValueKind == JsonValueKind.String)
        {
            return Message(id, role, [(false, content.GetString()!)]);
        }

        return content.ValueKind == JsonValueKind.Array
            ? Message(id, role, [.. ReadParts(content, param + ".content", role == "assistant", files)])
            : throw RequestFields.WrongType(param + ".content", "a string or an array of content parts", content);
    }

    private static List<(bool IsRefusal, string Text)> ReadParts(JsonElement parts, string param, bool ofAssistant, InputFiles files)
    {
        var texts = new List<(bool, string)>();
        foreach (JsonElement part in parts.EnumerateArray())
        {
            string partParam = string.Create(CultureInfo.InvariantCulture, $"{param}[{texts.Count}]");
            if (part.ValueKind != JsonValueKind.Object)
            {
                throw RequestFields.WrongType(partParam, "an object", part);
            }

            var fields = new RequestFields(part, partParam + ".");
            string type = fields.RequiredString("type");
            texts.Add((type, ofAssistant) switch
            {
                ("input_text", false) or ("output_text", true) => (false, fields.RequiredString("text")),
                ("refusal", true) => (true, fields.RequiredString("refusal")),
                ("input_image", false) => throw RequestFields.Invalid(partParam + ".type", "Unsupported content part 'input_image': this model reads text only.", "unsupported_value"),
                ("input_file", false) => (false, files.Read(fields)),
                _ => throw RequestFields.Invalid(
                    partParam + ".type",
                    $"Invalid value: '{type}'. Supported values are: {(ofAssistant ? "'output_text' and 'refusal'" : "'input_text', 'input_image', and 'input_file'")}.",
                    "invalid_value"),
            });
        }

        return texts;
    }

    private static StoredItem ReadCall(RequestFields fields)
    {
        string callId = CallId(fields);
        string name = fields.RequiredString("name");
        string arguments = fields.RequiredString("arguments");
        string id = fields.String("id") ?? ObjectId.New("fc_");
        string status = Status(fields);
        return new StoredItem(id, JsonText.Of((id, status, callId, name, arguments), static (json, state) =>
        {
            json.WriteStartObject();
            json.WriteString("id"u8, state.id);
            json.WriteString("type"u8, "function_call"u8);
            json.WriteString("status"u8, state.status);
            json.WriteString("arguments"u8, state.arguments);
            json.WriteString("call_id"u8, state.callId);
            json.WriteString("name"u8, state.name);
            json.WriteEndObject();
        }));
    }

    private static StoredItem ReadOutput(RequestFields fields, string param, InputFiles files)
    {
        string callId = CallId(fields);
        if (!fields.TryGet("output", out JsonElement output))
        {
            throw fields.Missing("output");
        }

        List<(bool, string Text)>? parts = output.ValueKind switch
        {
            JsonValueKind.String => null,
            JsonValueKind.Array => ReadParts(output, param + ".output", ofAssistant: false, files),
            _ => throw RequestFields.WrongType(param + ".output", "a string or an array of content parts", output),
        };
        string id = fields.String("id") ?? ObjectId.New("fco_");
        string status = Status(fields);
        return new StoredItem(id, JsonText.Of((id, status, callId, output, parts), static (json, state) =>
        {
            json.WriteStartObject();
            json.WriteString("id"u8, state.id);
            json.WriteString("type"u8, "function_call_output"u8);
            json.WriteString("status"u8, state.status);
            json.WriteString("call_id"u8, state.callId);
            json.WritePropertyName("output"u8);
            if (state.parts is null)
            {
                state.output.WriteTo(json);
            }
            else
            {
                WriteParts(json, state.parts, ofAssistant: false);
            }

            json.WriteEndObject();
        }));
    }

    private static StoredItem ReadReasoning(RequestFields fields, string param)
    {
        string id = fields.String("id") ?? ObjectId.New("rs_");
        List<string> summary = Texts(fields, "summary", "summary_text", param);
        List<string> content = Texts(fields, "content", "reasoning_text", param);
        fields.String("encrypted_content"); // what this server writes is its text; another server's cannot be read
        return new StoredItem(id, JsonText.Of((id, summary, content), static (json, state) =>
        {
            json.WriteStartObject();
            json.WriteString("id"u8, state.id);
            json.WriteString("type"u8, "reasoning"u8);
            json.WriteString("status"u8, "completed"u8);
            foreach ((string field, string type, List<string> texts) in ((string, string, List<string>)[])[("summary", "summary_text", state.summary), ("content", "reasoning_text", state.content)])
            {
                json.WriteStartArray(field);
                foreach (string text in texts)
                {
                    json.WriteStartObject();
                    json.WriteString("type"u8, type);
                    json.WriteString("text"u8, text);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
            }

            json.WriteEndObject();
        }));
    }

    private static List<string> Texts(RequestFields fields, string name, string type, string param)
    {
        var texts = new List<string>();
        if (fields.Array(name) is not { } array)
        {
            return texts;
        }

        foreach (JsonElement part in array.EnumerateArray())
        {
            string partParam = string.Create(CultureInfo.InvariantCulture, $"{param}.{name}[{texts.Count}]");
            var part0 = part.ValueKind == JsonValueKind.Object ? new RequestFields(part, partParam + ".") : throw RequestFields.WrongType(partParam, "an object", part);
            string given = part0.RequiredString("type");
            texts.Add(given == type ? part0.RequiredString("text") : throw RequestFields.Invalid(partParam + ".type", $"Invalid value: '{given}'. Supported values are: '{type}'.", "invalid_value"));
        }

        return texts;
    }

    private static StoredItem Message(string? given, string role, List<(bool IsRefusal, string Text)> parts)
    {
        string id = given ?? ObjectId.New("msg_");
        return new StoredItem(id, JsonText.Of((id, role, parts), static (json, state) =>
        {
            json.WriteStartObject();
            json.WriteString("id"u8, state.id);
            json.WriteString("type"u8, "message"u8);
            json.WriteString("status"u8, "completed"u8);
            json.WritePropertyName("content"u8);
            WriteParts(json, state.parts, state.role == "assistant");
            json.WriteString("role"u8, state.role);
            json.WriteEndObject();
        }));
    }

    private static void WriteParts(Utf8JsonWriter json, List<(bool IsRefusal, string Text)> parts, bool ofAssistant)
    {
        json.WriteStartArray();
        foreach ((bool isRefusal, string text) in parts)
        {
            json.WriteStartObject();
            if (isRefusal)
            {
                json.WriteString("type"u8, "refusal"u8);
                json.WriteString("refusal"u8, text);
            }
            else if (ofAssistant)
            {
                json.WriteString("type"u8, "output_text"u8);
                json.WriteStartArray("annotations"u8);
                json.WriteEndArray();
                json.WriteStartArray("logprobs"u8);
                json.WriteEndArray();
                json.WriteString("text"u8, text);
            }
            else
            {
                json.WriteString("type"u8, "input_text"u8);
                json.WriteString("text"u8, text);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static string Status(RequestFields fields)
    {
        string status = fields.String("status") ?? "completed";
        return status is "in_progress" or "completed" or "incomplete"
            ? status
            : throw RequestFields.Invalid("status", $"Invalid value: '{status}'. Supported values are: 'in_progress', 'completed', and 'incomplete'.", "invalid_value");
    }

    private static string CallId(RequestFields fields)
    {
        string id = fields.RequiredString("call_id");
        return id.Length is > 0 and <= LongestCallId ? id : throw fields.Unsupported("call_id", $"must have 1 to {LongestCallId} characters.");
    }

    private static string Quoted(string[] values) => string.Join(", ", values.Select(value => $"'{value}'"));
}

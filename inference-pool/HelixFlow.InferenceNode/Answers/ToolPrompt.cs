using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>Puts messages into the form that chat templates are written for, and tells models of tools whose templates do not.</summary>
internal static class ToolPrompt
{
    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>
    /// The messages with the arguments of calls as objects instead of JSON texts, an empty text for content that is not there, and the reasoning under
    /// the name that templates know.
    /// </summary>
    /// <param name="messages">The messages in the OpenAI format.</param>
    /// <param name="shortIds">Whether ids of calls have to be nine letters or digits.</param>
    public static JsonElement ForTemplate(JsonElement messages, bool shortIds)
    {
        if (messages.ValueKind != JsonValueKind.Array || !messages.EnumerateArray().Any(NeedsChange))
        {
            return messages;
        }

        JsonArray changed = JsonArray.Create(messages)!;
        foreach (JsonObject message in changed.OfType<JsonObject>())
        {
            if (message["content"] is null)
            {
                message["content"] = "";
            }

            if (message["reasoning"] is { } reasoning && message["reasoning_content"] is null)
            {
                message["reasoning_content"] = reasoning.DeepClone();
            }

            if (shortIds && message["tool_call_id"] is JsonValue answered && answered.TryGetValue(out string? id))
            {
                message["tool_call_id"] = ShortId(id);
            }

            if (message["tool_calls"] is not JsonArray { Count: > 0 } calls)
            {
                message.Remove("tool_calls");
                continue;
            }

            foreach (JsonObject call in calls.OfType<JsonObject>())
            {
                if (shortIds && call["id"] is JsonValue value && value.TryGetValue(out string? own))
                {
                    call["id"] = ShortId(own);
                }

                if (call["function"] is JsonObject function && function["arguments"] is JsonValue text && text.TryGetValue(out string? arguments))
                {
                    function["arguments"] = ObjectOf(arguments) ?? text.DeepClone();
                }
            }
        }

        return JsonElement.Parse(changed.ToJsonString());
    }

    /// <summary>
    /// The messages for a template that knows no tools: a system message tells of them and of how to call them, as the Hermes models have it; calls
    /// and results become text.
    /// </summary>
    /// <param name="messages">What <see cref="ForTemplate"/> gives.</param>
    /// <param name="tools">The definitions; null for none.</param>
    /// <param name="intoUser">Whether the first user message tells of the tools, for a template that refuses system messages.</param>
    public static JsonElement WithTools(JsonElement messages, JsonElement? tools, bool intoUser)
    {
        if (tools is null && !messages.EnumerateArray().Any(IsOfTools))
        {
            return messages;
        }

        var told = new JsonArray();
        foreach (JsonElement message in messages.EnumerateArray())
        {
            if (message.ValueKind != JsonValueKind.Object || !IsOfTools(message))
            {
                told.Add(JsonNode.Parse(message.GetRawText()));
                continue;
            }

            if (IsResult(message))
            {
                AddResult(told, TextOf(message, "content"));
                continue;
            }

            var text = new StringBuilder(TextOf(message, "content"));
            foreach (JsonElement call in message.GetProperty("tool_calls").EnumerateArray())
            {
                text.Append(text.Length == 0 ? "" : "\n").Append(ToolCallFormat.HermesOpen).Append('\n')
                    .Append(call.ValueKind == JsonValueKind.Object && call.TryGetProperty("function", out JsonElement function) ? function.GetRawText() : "{}")
                    .Append('\n').Append(ToolCallFormat.HermesClose);
            }

            told.Add(Message("assistant", text.ToString()));
        }

        if (tools is { } definitions)
        {
            Tell(told, Explain(definitions), intoUser ? "user" : "system");
        }

        return JsonElement.Parse(told.ToJsonString());
    }

    /// <summary>
    /// The messages for a template that takes the functions, as a JSON text, out of the system message's "tools" (Phi-4-mini's); calls become text, as
    /// such a template shows contents alone.
    /// </summary>
    /// <param name="messages">What <see cref="ForTemplate"/> gives.</param>
    /// <param name="tools">The definitions; null for none.</param>
    public static JsonElement WithToolsInMessage(JsonElement messages, JsonElement? tools)
    {
        JsonArray told = JsonArray.Create(messages)!;
        foreach (JsonObject message in told.OfType<JsonObject>())
        {
            if (message["tool_calls"] is JsonArray calls)
            {
                var functions = new JsonArray([.. calls.OfType<JsonObject>().Select(call => call["function"]?.DeepClone())]);
                message["content"] = $"{TextOf(message, "content")}{ToolCallFormat.PhiOpen}{functions.ToJsonString(Readable)}{ToolCallFormat.PhiClose}";
            }
        }

        if (tools is { } definitions)
        {
            if (told.FirstOrDefault() is not JsonObject first || TextOf(first, "role") != "system")
            {
                told.Insert(0, first = Message("system", "You are a helpful assistant with some tools."));
            }

            var functions = new JsonArray([.. definitions.EnumerateArray().Where(tool => tool.ValueKind == JsonValueKind.Object).Select(tool => JsonNode.Parse((tool.TryGetProperty("function", out JsonElement function) ? function : tool).GetRawText()))]);
            first["tools"] = functions.ToJsonString(Readable);
        }

        return JsonElement.Parse(told.ToJsonString());
    }

    private static void Tell(JsonArray messages, string text, string role)
    {
        JsonObject? first = messages.OfType<JsonObject>().FirstOrDefault(message => TextOf(message, "role") == role);
        if (first is null || (role == "system" && first != messages[0]))
        {
            messages.Insert(0, Message(role, text));
        }
        else
        {
            first["content"] = role == "system" ? $"{TextOf(first, "content")}\n\n{text}" : $"{text}\n\n{TextOf(first, "content")}";
        }
    }

    private static string Explain(JsonElement tools)
    {
        var text = new StringBuilder("# Tools\n\nYou may call one or more functions to help with the user's request. These are their signatures as JSON, one a line:\n<tools>");
        foreach (JsonElement tool in tools.EnumerateArray())
        {
            text.Append('\n').Append(tool.GetRawText());
        }

        return text.Append(
            "\n</tools>\n\nTo call a function, write a JSON object with its name and its arguments between these tags, one pair of tags for each call:\n" +
            "<tool_call>\n{\"name\": <function-name>, \"arguments\": <arguments-object>}\n</tool_call>").ToString();
    }

    // Results of calls that were made together are one message, as most templates want users and assistants to take turns.
    private static void AddResult(JsonArray messages, string content)
    {
        string text = $"<tool_response>\n{content}\n</tool_response>";
        if (messages.LastOrDefault() is JsonObject last && TextOf(last, "role") == "user" && TextOf(last, "content").EndsWith("</tool_response>", StringComparison.Ordinal))
        {
            last["content"] = $"{TextOf(last, "content")}\n{text}";
        }
        else
        {
            messages.Add(Message("user", text));
        }
    }

    private static JsonObject Message(string role, string content) => new JsonObject { ["role"] = role, ["content"] = content };

    private static bool NeedsChange(JsonElement message) =>
        message.ValueKind == JsonValueKind.Object
        && (message.TryGetProperty("tool_calls", out _) || message.TryGetProperty("tool_call_id", out _) || message.TryGetProperty("reasoning", out _)
            || !message.TryGetProperty("content", out JsonElement content) || content.ValueKind == JsonValueKind.Null);

    private static bool IsOfTools(JsonElement message) =>
        message.ValueKind == JsonValueKind.Object
        && (IsResult(message) || (message.TryGetProperty("tool_calls", out JsonElement calls) && calls.ValueKind == JsonValueKind.Array));

    private static bool IsResult(JsonElement message) => TextOf(message, "role") == "tool";

    private static string TextOf(JsonElement message, string name) =>
        message.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";

    private static string TextOf(JsonObject message, string name) =>
        message[name] is JsonValue value && value.TryGetValue(out string? text) ? text : "";

    private static JsonObject? ObjectOf(string json)
    {
        try
        {
            return JsonNode.Parse(json.Length == 0 ? "{}" : json, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false }) as JsonObject;
        }
        catch (JsonException)
        {
            return null; // what a model wrote may be broken; the template shows it as it is
        }
    }

    // The last nine letters or digits: our own ids differ in them.
    private static string ShortId(string id)
    {
        string plain = new([.. id.Where(char.IsAsciiLetterOrDigit)]);
        return plain.Length >= 9 ? plain[^9..] : plain.PadLeft(9, '0');
    }
}

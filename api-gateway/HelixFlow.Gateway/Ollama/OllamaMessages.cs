using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;

namespace HelixFlow.Gateway.Ollama;

/// <summary>Puts the messages of <c>/api/chat</c> into the form that chat templates are written for.</summary>
/// <remarks>
/// There, calls may go without ids, and results name the tool or nothing: a result without an id belongs to the first call of its tool that has
/// none yet, or to the first of any.
/// </remarks>
internal static class OllamaMessages
{
    private static readonly string[] _roles = ["system", "user", "assistant", "tool"];

    /// <summary>The messages as a JSON array in the OpenAI chat format.</summary>
    /// <exception cref="OpenAiException">A message is malformed, or has images.</exception>
    public static string ToChat(JsonElement messages) => JsonText.Of(messages, static (json, messages) =>
    {
        var calls = new List<OpenCall>();
        int index = 0;
        json.WriteStartArray();
        foreach (JsonElement message in messages.EnumerateArray())
        {
            string param = string.Create(CultureInfo.InvariantCulture, $"messages[{index++}]");
            if (message.ValueKind != JsonValueKind.Object)
            {
                throw RequestFields.WrongType(param, "an object", message);
            }

            Write(json, new RequestFields(message, param + "."), param, calls);
        }

        json.WriteEndArray();
    });

    /// <summary>Refuses images: no model that is served sees.</summary>
    /// <exception cref="OpenAiException">There are some.</exception>
    public static void RefuseImages(RequestFields fields, string param)
    {
        if (fields.Array("images") is { } images && images.GetArrayLength() > 0)
        {
            throw RequestFields.Invalid(param, $"'{param}' is not supported: this model reads text only", "unsupported_value");
        }
    }

    private static void Write(Utf8JsonWriter json, RequestFields message, string param, List<OpenCall> calls)
    {
        string role = message.RequiredString("role");
        if (!_roles.Contains(role))
        {
            throw RequestFields.Invalid(param + ".role", $"invalid role: '{role}', must be one of 'system', 'user', 'assistant', or 'tool'", "invalid_value");
        }

        RefuseImages(message, param + ".images");
        message.String("tool_call_id"); // right or wrong whoever speaks
        message.String("tool_name");
        json.WriteStartObject();
        json.WriteString("role"u8, role);
        json.WriteString("content"u8, message.String("content") ?? "");
        if (message.String("thinking") is { Length: > 0 } thinking)
        {
            json.WriteString("reasoning_content"u8, thinking);
        }

        if (role == "tool")
        {
            WriteResult(json, message, calls);
        }
        else if (message.Array("tool_calls") is { } called && called.GetArrayLength() > 0)
        {
            calls.Clear();
            WriteCalls(json, called, param + ".tool_calls", calls);
        }

        json.WriteEndObject();
    }

    private static void WriteResult(Utf8JsonWriter json, RequestFields message, List<OpenCall> calls)
    {
        string? id = message.String("tool_call_id");
        string? tool = message.String("tool_name") ?? message.String("name");
        int found = calls.FindIndex(call => id is not null ? call.Id == id : tool is null || call.Name == tool);
        if (found >= 0)
        {
            (id, tool) = (calls[found].Id, calls[found].Name);
            calls.RemoveAt(found);
        }

        if (id is not null)
        {
            json.WriteString("tool_call_id"u8, id);
        }

        if (tool is not null)
        {
            json.WriteString("name"u8, tool);
        }
    }

    private static void WriteCalls(Utf8JsonWriter json, JsonElement called, string param, List<OpenCall> calls)
    {
        json.WriteStartArray("tool_calls"u8);
        foreach (JsonElement call in called.EnumerateArray())
        {
            string place = string.Create(CultureInfo.InvariantCulture, $"{param}[{calls.Count}]");
            if (call.ValueKind != JsonValueKind.Object)
            {
                throw RequestFields.WrongType(place, "an object", call);
            }

            var fields = new RequestFields(call, place + ".");
            RequestFields function = fields.Object("function") ?? throw fields.Missing("function");
            string id = fields.String("id") is { Length: > 0 } given ? given : string.Create(CultureInfo.InvariantCulture, $"call_{calls.Count}");
            calls.Add(new OpenCall(id, function.RequiredString("name")));
            json.WriteStartObject();
            json.WriteString("id"u8, id);
            json.WriteString("type"u8, "function"u8);
            json.WriteStartObject("function"u8);
            json.WriteString("name"u8, calls[^1].Name);
            json.WriteString("arguments"u8, function.Object("arguments") is not null && function.TryGet("arguments", out JsonElement arguments) ? arguments.GetRawText() : "{}");
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private sealed record OpenCall(string Id, string Name);
}

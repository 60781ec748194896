using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;

namespace HelixFlow.Gateway.ChatCompletions;

/// <summary>Checks that the calls in a conversation and their results belong together, message by message.</summary>
internal sealed class MessageCalls
{
    /// <summary>The id of a call in the older form, which has none of its own.</summary>
    public const string LegacyId = "call_function";

    private readonly List<string> _unanswered = [];
    private readonly HashSet<string> _answered = new(StringComparer.Ordinal);

    /// <exception cref="OpenAiException">The message's calls are malformed, or it is a result that no call before it asks for.</exception>
    public void Check(RequestFields message, string role, string param, int index)
    {
        if (role == "tool")
        {
            Answer(message, index);
            return;
        }

        End();
        if (role == "function")
        {
            ToolFields.CheckName(message.RequiredString("name"), param + ".name");
        }
        else if (role == "assistant")
        {
            _answered.Clear();
            Begin(message, param);
        }
        else
        {
            _answered.Clear();
        }
    }

    /// <summary>Checks that all calls so far have results.</summary>
    public void End()
    {
        if (_unanswered.Count > 0)
        {
            throw new OpenAiException(OpenAiError.Invalid(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. " +
                $"The following tool_call_ids did not have response messages: {string.Join(", ", _unanswered)}",
                "messages"));
        }
    }

    /// <summary>Writes the older <c>function_call</c> of a message as <c>tool_calls</c>.</summary>
    public static void WriteLegacy(Utf8JsonWriter json, JsonElement call)
    {
        if (call.ValueKind != JsonValueKind.Object)
        {
            return;
        }

        json.WriteStartArray("tool_calls"u8);
        json.WriteStartObject();
        json.WriteString("id"u8, LegacyId);
        json.WriteString("type"u8, "function"u8);
        json.WritePropertyName("function"u8);
        call.WriteTo(json);
        json.WriteEndObject();
        json.WriteEndArray();
    }

    private void Answer(RequestFields message, int index)
    {
        string id = message.RequiredString("tool_call_id");
        if (_unanswered.Remove(id))
        {
            _answered.Add(id);
        }
        else if (_unanswered.Count == 0 && _answered.Count == 0)
        {
            throw new OpenAiException(OpenAiError.Invalid(
                "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
                string.Create(CultureInfo.InvariantCulture, $"messages.[{index}].role")));
        }
        else if (!_answered.Contains(id))
        {
            throw new OpenAiException(OpenAiError.Invalid(
                $"Invalid parameter: 'tool_call_id' of '{id}' not found in 'tool_calls' of previous message.",
                string.Create(CultureInfo.InvariantCulture, $"messages.[{index}].tool_call_id")));
        }
    }

    private void Begin(RequestFields message, string param)
    {
        if (message.Object("function_call") is { } legacy)
        {
            legacy.RequiredString("name");
            legacy.RequiredString("arguments");
        }

        if (message.Array("tool_calls") is not { } calls)
        {
            return;
        }

        if (calls.GetArrayLength() == 0)
        {
            throw RequestFields.Invalid(
                param + ".tool_calls", $"Invalid '{param}.tool_calls': empty array. Expected an array with minimum length 1, but got an empty array instead.", "empty_array");
        }

        int index = 0;
        foreach (JsonElement call in calls.EnumerateArray())
        {
            string callParam = string.Create(CultureInfo.InvariantCulture, $"{param}.tool_calls[{index++}]");
            if (call.ValueKind != JsonValueKind.Object)
            {
                throw RequestFields.WrongType(callParam, "an object", call);
            }

            var fields = new RequestFields(call, callParam + ".");
            _unanswered.Add(fields.RequiredString("id"));
            string type = fields.RequiredString("type");
            if (type != "function")
            {
                throw fields.Unsupported("type", $"'{type}' is not supported by this server. Supported values are: 'function'.");
            }

            RequestFields function = fields.Object("function") ?? throw fields.Missing("function");
            function.RequiredString("name");
            function.RequiredString("arguments");
        }
    }
}

using System.Text;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Responses.Search;
using HelixFlow.Gateway.Streaming;

namespace HelixFlow.Gateway.Responses.Items;

/// <summary>Puts items into the messages that chat templates are written for.</summary>
/// <remarks>
/// What the model produced in one go – reasoning, a message, calls – is one message of the assistant there. Every call must have its result and
/// every result its call, as templates pair them. A search is a call with its result.
/// </remarks>
internal static class ItemMessages
{
    /// <summary>The messages as a JSON array.</summary>
    /// <param name="instructions">Goes before all as the system's message; null for none.</param>
    /// <param name="items">In the order of the conversation.</param>
    /// <exception cref="OpenAiException">There is nothing to answer, or calls and results do not match.</exception>
    public static string Build(string? instructions, IEnumerable<StoredItem> items) => JsonText.Of((instructions, items), static (json, state) =>
    {
        var unanswered = new List<string>();
        var called = new HashSet<string>(StringComparer.Ordinal);
        var turn = new Turn(json);
        int count = 0;
        int result = 1;
        json.WriteStartArray();
        if (state.instructions is { } text)
        {
            WriteMessage(json, "system", text);
            count++;
        }

        foreach (StoredItem item in state.items)
        {
            count++;
            using JsonDocument document = JsonDocument.Parse(item.Json);
            JsonElement value = document.RootElement;
            switch (value.GetProperty("type").GetString())
            {
                case "message" when value.GetProperty("role").ValueEquals("assistant"):
                    turn.AddText(TextOf(value.GetProperty("content")));
                    break;
                case "message":
                    turn.End();
                    string role = value.GetProperty("role").GetString()!;
                    WriteMessage(json, role == "developer" ? "system" : role, TextOf(value.GetProperty("content")));
                    break;
                case "reasoning":
                    turn.AddReasoning(TextOf(value.GetProperty(value.GetProperty("content").GetArrayLength() > 0 ? "content" : "summary")));
                    break;
                case "function_call":
                    string callId = value.GetProperty("call_id").GetString()!;
                    turn.AddCall(callId, value.GetProperty("name").GetString()!, value.GetProperty("arguments").GetString()!);
                    called.Add(callId);
                    unanswered.Add(callId);
                    break;
                case SearchItems.Kind:
                    string searchId = value.GetProperty("id").GetString()!;
                    turn.AddCall(searchId, FileSearchTool.Name, SearchItems.ArgumentsOf(value));
                    turn.End();
                    WriteResult(json, searchId, SearchItems.TellResults(value, ref result));
                    break;
                default:
                    turn.End();
                    WriteResult(json, value, called, unanswered);
                    break;
            }
        }

        turn.End();
        json.WriteEndArray();
        if (unanswered.Count > 0)
        {
            throw new OpenAiException(OpenAiError.Invalid($"No tool output found for function call {unanswered[0]}.", "input"));
        }

        if (count == 0)
        {
            throw new OpenAiException(OpenAiError.Invalid("Invalid 'input': there is nothing to answer. Give an input, instructions, or a conversation that has items.", "input", "empty_array"));
        }
    });

    private static void WriteResult(Utf8JsonWriter json, JsonElement item, HashSet<string> called, List<string> unanswered)
    {
        string callId = item.GetProperty("call_id").GetString()!;
        if (!called.Contains(callId))
        {
            throw new OpenAiException(OpenAiError.Invalid($"No tool call found for function call output with call_id {callId}.", "input"));
        }

        unanswered.Remove(callId);
        JsonElement output = item.GetProperty("output");
        WriteResult(json, callId, output.ValueKind == JsonValueKind.String ? output.GetString()! : TextOf(output));
    }

    private static void WriteResult(Utf8JsonWriter json, string callId, string text)
    {
        json.WriteStartObject();
        json.WriteString("role"u8, "tool"u8);
        json.WriteString("tool_call_id"u8, callId);
        json.WriteString("content"u8, text);
        json.WriteEndObject();
    }

    private static void WriteMessage(Utf8JsonWriter json, string role, string text)
    {
        json.WriteStartObject();
        json.WriteString("role"u8, role);
        json.WriteString("content"u8, text);
        json.WriteEndObject();
    }

    private static string TextOf(JsonElement parts) => string.Concat(parts.EnumerateArray().Select(static part =>
        part.GetProperty(part.TryGetProperty("refusal", out _) ? "refusal" : "text").GetString()));

    /// <summary>Collects the items that become one message of the assistant.</summary>
    private sealed class Turn(Utf8JsonWriter json)
    {
        private readonly StringBuilder _reasoning = new();
        private readonly List<(string Id, string Name, string Arguments)> _calls = [];
        private string? _text;

        public void AddReasoning(string text)
        {
            if (_text is not null || _calls.Count > 0)
            {
                End();
            }

            _reasoning.Append(text);
        }

        public void AddText(string text)
        {
            if (_text is not null || _calls.Count > 0)
            {
                End();
            }

            _text = text;
        }

        public void AddCall(string id, string name, string arguments) => _calls.Add((id, name, arguments));

        public void End()
        {
            // Reasoning that led to nothing is of no use to the model.
            if (_text is not null || _calls.Count > 0)
            {
                json.WriteStartObject();
                json.WriteString("role"u8, "assistant"u8);
                json.WriteString("content"u8, _text ?? "");
                if (_reasoning.Length > 0)
                {
                    json.WriteString("reasoning_content"u8, _reasoning.ToString());
                }

                WriteCalls();
                json.WriteEndObject();
            }

            _reasoning.Clear();
            _calls.Clear();
            _text = null;
        }

        private void WriteCalls()
        {
            if (_calls.Count == 0)
            {
                return;
            }

            json.WriteStartArray("tool_calls"u8);
            foreach ((string id, string name, string arguments) in _calls)
            {
                json.WriteStartObject();
                json.WriteString("id"u8, id);
                json.WriteString("type"u8, "function"u8);
                json.WriteStartObject("function"u8);
                json.WriteString("name"u8, name);
                json.WriteString("arguments"u8, arguments);
                json.WriteEndObject();
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }
    }
}

using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;

namespace HelixFlow.Gateway.Anthropic;

/// <summary>Puts a conversation of Anthropic's API into the form that chat templates are written for.</summary>
internal static class Conversation
{
    // Claude Code puts this before its system prompt, with a number that changes with every request: no two prompts would begin alike.
    private const string BillingHeader = "x-anthropic-billing-header:";

    /// <summary>The messages as a JSON array in the OpenAI chat format.</summary>
    /// <exception cref="OpenAiException">They are malformed, calls and results do not belong together, or the assistant has the last word.</exception>
    public static string ToChat(RequestFields fields)
    {
        JsonElement messages = fields.Array("messages") ?? throw fields.Missing("messages");
        string system = MessageBlocks.Text(fields, "system", "system", static text => text.StartsWith(BillingHeader, StringComparison.Ordinal));
        List<Turn> turns = MessageBlocks.Read(messages);
        CheckCalls(turns);
        if (turns[^1].Role == "assistant")
        {
            throw RequestFields.Invalid(
                "messages", "This model does not support assistant message prefill. The conversation must end with a user message.", "invalid_value");
        }

        return JsonText.Of((system, turns), static (json, state) => Write(json, state.system, state.turns));
    }

    private static void CheckCalls(List<Turn> turns)
    {
        Turn? before = null;
        foreach (Turn turn in turns)
        {
            CheckAnswered(before, turn);
            foreach (TurnResult result in turn.Results)
            {
                if (before?.Calls.Exists(call => call.Id == result.CallId) != true)
                {
                    throw RequestFields.Invalid(
                        result.Param,
                        $"{result.Param}: unexpected `tool_use_id` found in `tool_result` blocks: {result.CallId}. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.",
                        "invalid_value");
                }
            }

            before = turn;
        }

        CheckAnswered(before, null);
    }

    private static void CheckAnswered(Turn? asked, Turn? answer)
    {
        string[] missing = [.. asked?.Calls.Where(call => answer?.Results.Exists(result => result.CallId == call.Id) != true).Select(static call => call.Id) ?? []];
        if (missing.Length > 0)
        {
            string param = string.Create(CultureInfo.InvariantCulture, $"messages.{asked!.LastMessage}");
            throw RequestFields.Invalid(
                param,
                $"{param}: `tool_use` ids were found without `tool_result` blocks immediately after: {string.Join(", ", missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
                "invalid_value");
        }
    }

    private static void Write(Utf8JsonWriter json, string system, List<Turn> turns)
    {
        json.WriteStartArray();
        if (system.Length > 0)
        {
            WriteMessage(json, "system", system);
        }

        Turn? before = null;
        foreach (Turn turn in turns)
        {
            if (turn.Role == "assistant")
            {
                WriteAssistant(json, turn);
            }
            else
            {
                WriteUser(json, turn, before);
            }

            before = turn;
        }

        json.WriteEndArray();
    }

    private static void WriteUser(Utf8JsonWriter json, Turn turn, Turn? before)
    {
        foreach (TurnResult result in turn.Results)
        {
            json.WriteStartObject();
            json.WriteString("role"u8, "tool"u8);
            json.WriteString("tool_call_id"u8, result.CallId);
            json.WriteString("name"u8, before!.Calls.Find(call => call.Id == result.CallId)!.Name); // for templates that name results by their tool
            json.WriteString("content"u8, result.Text);
            json.WriteEndObject();
        }

        if (turn.Results.Count == 0 || turn.Text.Length > 0)
        {
            WriteMessage(json, turn.Role, turn.Text.ToString());
        }
    }

    private static void WriteAssistant(Utf8JsonWriter json, Turn turn)
    {
        json.WriteStartObject();
        json.WriteString("role"u8, "assistant"u8);
        json.WriteString("content"u8, turn.Text.ToString());
        if (turn.Reasoning.Length > 0)
        {
            json.WriteString("reasoning_content"u8, turn.Reasoning.ToString());
        }

        if (turn.Calls.Count > 0)
        {
            json.WriteStartArray("tool_calls"u8);
            foreach (TurnCall call in turn.Calls)
            {
                json.WriteStartObject();
                json.WriteString("id"u8, call.Id);
                json.WriteString("type"u8, "function"u8);
                json.WriteStartObject("function"u8);
                json.WriteString("name"u8, call.Name);
                json.WriteString("arguments"u8, call.Arguments);
                json.WriteEndObject();
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static void WriteMessage(Utf8JsonWriter json, string role, string text)
    {
        json.WriteStartObject();
        json.WriteString("role"u8, role);
        json.WriteString("content"u8, text);
        json.WriteEndObject();
    }
}

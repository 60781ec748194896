using System.Text;
using System.Text.Json;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Agents.JobTypes;

/// <summary>A question in the form that inference nodes read: the messages and tools of OpenAI's chat format.</summary>
internal static class ModelPrompt
{
    // Models that reason would spend the answer's tokens on it; templates that know no such switch leave it alone.
    private const string Variables = """{"enable_thinking":false}""";

    public static ChatPrompt Of(ModelCall question)
    {
        var prompt = new ChatPrompt { MessagesJson = Write(question.Messages, WriteMessage), TemplateVariablesJson = Variables };
        if (question.Tools is { Count: > 0 } tools)
        {
            prompt.ToolsJson = Write(tools, WriteTool);
            if (question.ForcedTool is { } forced)
            {
                prompt.ForcedTool = forced;
            }
        }

        return prompt;
    }

    private static string Write<T>(IReadOnlyList<T> items, Action<Utf8JsonWriter, T> write)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartArray();
            foreach (T item in items)
            {
                json.WriteStartObject();
                write(json, item);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    private static void WriteMessage(Utf8JsonWriter json, ModelMessage message)
    {
        json.WriteString("role", message.Role);
        json.WriteString("content", message.Content);
        if (message.CallId is { } id)
        {
            json.WriteString("tool_call_id", id);
        }

        if (message.Calls is not { Count: > 0 } calls)
        {
            return;
        }

        json.WriteStartArray("tool_calls");
        foreach (ModelToolCall call in calls)
        {
            json.WriteStartObject();
            json.WriteString("id", call.Id);
            json.WriteString("type", "function");
            json.WriteStartObject("function");
            json.WriteString("name", call.Name);
            json.WriteString("arguments", call.Arguments);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteTool(Utf8JsonWriter json, ModelTool tool)
    {
        json.WriteString("type", "function");
        json.WriteStartObject("function");
        json.WriteString("name", tool.Name);
        json.WriteString("description", tool.Description);
        json.WritePropertyName("parameters");
        tool.Parameters.WriteTo(json);
        json.WriteEndObject();
    }
}

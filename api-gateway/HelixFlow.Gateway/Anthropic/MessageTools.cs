using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Anthropic;

/// <summary>The fields <c>tools</c> and <c>tool_choice</c> of Anthropic's API.</summary>
internal static class MessageTools
{
    private const int LongestName = 128;

    /// <summary>Fills the prompt's fields about tools.</summary>
    /// <exception cref="OpenAiException">A field is malformed, names a tool that is not there, or asks for a tool that runs on the server.</exception>
    public static void Read(RequestFields fields, ChatPrompt prompt)
    {
        JsonElement? tools = fields.Array("tools");
        List<string> names = tools is { } given ? Check(given) : [];
        string choice = "auto";
        if (fields.Object("tool_choice") is { } asked)
        {
            choice = asked.RequiredString("type");
            prompt.SingleToolCall = asked.Bool("disable_parallel_tool_use");
            ReadChoice(asked, choice, names, prompt);
        }

        if (names.Count > 0 && choice != "none")
        {
            prompt.ToolsJson = JsonText.Of(tools!.Value, Write);
        }
    }

    private static void ReadChoice(RequestFields choice, string type, List<string> names, ChatPrompt prompt)
    {
        if (type is not ("auto" or "any" or "tool" or "none"))
        {
            throw RequestFields.Invalid("tool_choice.type", $"tool_choice.type: Invalid value: '{type}'. Supported values are: 'auto', 'any', 'tool' and 'none'.", "invalid_value");
        }

        if (type is "auto" or "none")
        {
            return;
        }

        if (names.Count == 0)
        {
            throw RequestFields.Invalid("tool_choice", "tool_choice: may only be specified while providing tools.", "invalid_value");
        }

        prompt.ForcedTool = type == "any" ? "" : choice.RequiredString("name");
        if (type == "tool" && !names.Contains(prompt.ForcedTool))
        {
            throw RequestFields.Invalid("tool_choice.name", $"tool_choice.name: Tool '{prompt.ForcedTool}' not found in provided tools.", "invalid_value");
        }
    }

    private static List<string> Check(JsonElement tools)
    {
        var names = new List<string>();
        foreach (JsonElement tool in tools.EnumerateArray())
        {
            string param = string.Create(CultureInfo.InvariantCulture, $"tools.{names.Count}");
            if (tool.ValueKind != JsonValueKind.Object)
            {
                throw RequestFields.WrongType(param, "an object", tool);
            }

            var fields = new RequestFields(tool, param + ".");
            if (fields.String("type") is { } type and not "custom")
            {
                throw RequestFields.Invalid(
                    param + ".type", $"{param}.type: '{type}' is a tool of Anthropic's own, which this server does not have. Give tools with a name and an input_schema.", "unsupported_value");
            }

            string name = fields.RequiredString("name");
            if (name.Length is 0 or > LongestName || !name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-'))
            {
                throw RequestFields.Invalid(param + ".name", $"{param}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'", "invalid_value");
            }

            if (names.Contains(name))
            {
                throw RequestFields.Invalid("tools", "tools: Tool names must be unique.", "invalid_value");
            }

            names.Add(name);
            fields.String("description");
            fields.Bool("strict");
            RequestFields schema = fields.Object("input_schema") ?? throw fields.Missing("input_schema");
            if (schema.TryGet("type", out JsonElement kind) && !(kind.ValueKind == JsonValueKind.String && kind.ValueEquals("object")))
            {
                throw RequestFields.Invalid(param + ".input_schema.type", $"{param}.input_schema.type: Input should be 'object'", "invalid_value");
            }
        }

        return names;
    }

    // [{"name", "description", "input_schema"}, …] as [{"type": "function", "function": {"name", "description", "parameters"}}, …].
    private static void Write(Utf8JsonWriter json, JsonElement tools)
    {
        json.WriteStartArray();
        foreach (JsonElement tool in tools.EnumerateArray())
        {
            var fields = new RequestFields(tool);
            json.WriteStartObject();
            json.WriteString("type"u8, "function"u8);
            json.WriteStartObject("function"u8);
            json.WriteString("name"u8, fields.String("name"));
            if (fields.String("description") is { } description)
            {
                json.WriteString("description"u8, description);
            }

            json.WritePropertyName("parameters"u8);
            tool.GetProperty("input_schema").WriteTo(json);
            if (fields.Bool("strict"))
            {
                json.WriteBoolean("strict"u8, true);
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}

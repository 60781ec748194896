using System.Globalization;
using System.Text;
using System.Text.Json;
using HelixFlow.Gateway.Requests;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.ChatCompletions;

/// <summary>The tools of a chat request and which of them may or must be called, in today's fields or the older <c>functions</c> and <c>function_call</c>.</summary>
internal static class ToolFields
{
    private const int MostTools = 128;
    private const int LongestName = 64;

    /// <summary>Fills the prompt's fields about tools; the result is whether the request uses the older fields.</summary>
    /// <exception cref="Errors.OpenAiException">A field is malformed or names a tool that is not there.</exception>
    public static bool Read(RequestFields fields, ChatPrompt prompt)
    {
        bool isLegacy = !fields.TryGet("tools", out _) && fields.TryGet("functions", out _);
        string list = isLegacy ? "functions" : "tools";
        string choiceName = isLegacy ? "function_call" : "tool_choice";
        RefuseOtherForm(fields, isLegacy);
        List<string> names = [];
        JsonElement? tools = fields.Array(list);
        if (tools is { } given)
        {
            names = Check(given, list, isLegacy);
        }

        bool parallel = !fields.TryGet("parallel_tool_calls", out _) || fields.Bool("parallel_tool_calls");
        prompt.SingleToolCall = isLegacy || !parallel;
        if (names.Count == 0)
        {
            return fields.TryGet(choiceName, out JsonElement useless) && !(useless.ValueKind == JsonValueKind.String && useless.ValueEquals("none"))
                ? throw RequestFields.Invalid(choiceName, $"Invalid value for '{choiceName}': '{choiceName}' is only allowed when '{list}' are specified.", "invalid_value")
                : isLegacy;
        }

        string? forced = Forced(fields, choiceName, isLegacy, names, prompt, out bool isNone);
        if (isNone)
        {
            return isLegacy;
        }

        prompt.ToolsJson = isLegacy ? Wrap(tools!.Value) : tools!.Value.GetRawText();
        if (forced is not null)
        {
            prompt.ForcedTool = forced;
        }

        return isLegacy;
    }

    /// <summary>The rule for names of functions: 1 to 64 letters, digits, underscores and dashes.</summary>
    public static void CheckName(string name, string param)
    {
        if (name.Length > LongestName)
        {
            throw RequestFields.Invalid(
                param,
                string.Create(CultureInfo.InvariantCulture, $"Invalid '{param}': string too long. Expected a string with maximum length {LongestName}, but got a string with length {name.Length} instead."),
                "string_above_max_length");
        }

        if (name.Length == 0)
        {
            throw RequestFields.Invalid(
                param, $"Invalid '{param}': empty string. Expected a string with minimum length 1, but got an empty string instead.", "empty_string");
        }

        if (!name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-'))
        {
            throw RequestFields.Invalid(
                param, $"Invalid '{param}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", "invalid_value");
        }
    }

    // What would have no effect in the form that the request uses.
    private static void RefuseOtherForm(RequestFields fields, bool isLegacy)
    {
        if (!isLegacy && fields.TryGet("functions", out _))
        {
            throw RequestFields.Invalid("functions", "Invalid value for 'functions': 'functions' is not allowed together with 'tools'.", "invalid_value");
        }

        (string choice, string list) = isLegacy ? ("tool_choice", "tools") : ("function_call", "functions");
        if (fields.TryGet(choice, out JsonElement useless) && !(useless.ValueKind == JsonValueKind.String && useless.ValueEquals("none")))
        {
            throw RequestFields.Invalid(choice, $"Invalid value for '{choice}': '{choice}' is only allowed when '{list}' are specified.", "invalid_value");
        }
    }

    private static List<string> Check(JsonElement tools, string list, bool isLegacy)
    {
        int count = tools.GetArrayLength();
        if (count > MostTools)
        {
            throw RequestFields.Invalid(
                list,
                string.Create(CultureInfo.InvariantCulture, $"Invalid '{list}': array too long. Expected an array with maximum length {MostTools}, but got an array with length {count} instead."),
                "array_above_max_length");
        }

        if (count == 0)
        {
            throw RequestFields.Invalid(list, $"Invalid '{list}': empty array. Expected an array with minimum length 1, but got an empty array instead.", "empty_array");
        }

        var names = new List<string>();
        foreach (JsonElement tool in tools.EnumerateArray())
        {
            string param = string.Create(CultureInfo.InvariantCulture, $"{list}[{names.Count}]");
            names.Add(isLegacy ? CheckFunction(tool, param) : CheckTool(tool, param));
        }

        return names;
    }

    private static string CheckTool(JsonElement tool, string param)
    {
        if (tool.ValueKind != JsonValueKind.Object)
        {
            throw RequestFields.WrongType(param, "an object", tool);
        }

        var fields = new RequestFields(tool, param + ".");
        string type = fields.RequiredString("type");
        if (type == "custom")
        {
            throw fields.Unsupported("type", "'custom' is not supported by this server. Supported values are: 'function'.");
        }

        if (type != "function")
        {
            throw RequestFields.Invalid(param + ".type", $"Invalid value: '{type}'. Supported values are: 'function' and 'custom'.", "invalid_value");
        }

        return fields.TryGet("function", out JsonElement function) ? CheckFunction(function, param + ".function") : throw fields.Missing("function");
    }

    private static string CheckFunction(JsonElement function, string param)
    {
        if (function.ValueKind != JsonValueKind.Object)
        {
            throw RequestFields.WrongType(param, "an object", function);
        }

        var fields = new RequestFields(function, param + ".");
        string name = fields.RequiredString("name");
        CheckName(name, param + ".name");
        fields.String("description");
        fields.Bool("strict");
        if (fields.Object("parameters") is { } schema && schema.TryGet("type", out JsonElement type) && !(type.ValueKind == JsonValueKind.String && type.ValueEquals("object")))
        {
            throw RequestFields.Invalid(
                param + ".parameters", $"Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"', got 'type: {type.GetRawText()}'.", "invalid_function_parameters");
        }

        return name;
    }

    // The tool that must be called, "" for any, null for none in particular.
    private static string? Forced(RequestFields fields, string param, bool isLegacy, List<string> names, ChatPrompt prompt, out bool isNone)
    {
        isNone = false;
        if (!fields.TryGet(param, out JsonElement choice))
        {
            return null;
        }

        if (choice.ValueKind == JsonValueKind.String)
        {
            string mode = choice.GetString()!;
            isNone = mode == "none";
            return mode is "auto" or "none" ? null
                : mode == "required" && !isLegacy ? ""
                : throw RequestFields.Invalid(
                    param, $"Invalid value: '{mode}'. Supported values are: 'none', 'auto'{(isLegacy ? "" : ", and 'required'")}.", "invalid_value");
        }

        if (choice.ValueKind != JsonValueKind.Object)
        {
            throw RequestFields.WrongType(param, "a string or an object", choice);
        }

        if (!isLegacy && choice.TryGetProperty("type"u8, out JsonElement type) && type.ValueKind == JsonValueKind.String && type.ValueEquals("allowed_tools"u8))
        {
            return Allowed(new RequestFields(choice, param + "."), param, names, prompt);
        }

        return Known(isLegacy ? new RequestFields(choice, param + ".").RequiredString("name") : NamedFunction(choice, param), param, isLegacy ? "functions" : "tools", names);
    }

    // Some of the tools: the model may or must call these alone.
    private static string? Allowed(RequestFields choice, string param, List<string> names, ChatPrompt prompt)
    {
        RequestFields allowed = choice.Object("allowed_tools") ?? throw choice.Missing("allowed_tools");
        param += ".allowed_tools";
        string mode = allowed.RequiredString("mode");
        if (mode is not ("auto" or "required"))
        {
            throw RequestFields.Invalid(param + ".mode", $"Invalid value: '{mode}'. Supported values are: 'auto' and 'required'.", "invalid_value");
        }

        JsonElement tools = allowed.Array("tools") ?? throw allowed.Missing("tools");
        if (tools.GetArrayLength() == 0)
        {
            throw RequestFields.Invalid(param + ".tools", $"Invalid '{param}.tools': empty array. Expected an array with minimum length 1, but got an empty array instead.", "empty_array");
        }

        int index = 0;
        foreach (JsonElement tool in tools.EnumerateArray())
        {
            string place = string.Create(CultureInfo.InvariantCulture, $"{param}.tools[{index++}]");
            string name = tool.ValueKind == JsonValueKind.Object ? NamedFunction(tool, place) : throw RequestFields.WrongType(place, "an object", tool);
            prompt.AllowedTools.Add(Known(name, place, "tools", names));
        }

        return mode == "required" ? "" : null;
    }

    private static string Known(string name, string param, string list, List<string> names) => names.Contains(name)
        ? name
        : throw RequestFields.Invalid(param, $"Invalid value for '{param}': no function named '{name}' was specified in the '{list}' parameter.", "invalid_value");

    private static string NamedFunction(JsonElement choice, string param)
    {
        var named = new RequestFields(choice, param + ".");
        string type = named.RequiredString("type");
        if (type != "function")
        {
            throw named.Unsupported("type", $"'{type}' is not supported by this server. Supported values are: 'function'.");
        }

        return named.Object("function") is { } function ? function.RequiredString("name") : throw named.Missing("function");
    }

    // [f, …] as [{"type": "function", "function": f}, …].
    private static string Wrap(JsonElement functions)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartArray();
            foreach (JsonElement function in functions.EnumerateArray())
            {
                json.WriteStartObject();
                json.WriteString("type"u8, "function"u8);
                json.WritePropertyName("function"u8);
                function.WriteTo(json);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }
}

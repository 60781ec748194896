using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.ChatCompletions;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses.Search;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Responses;

/// <summary>The tools of a response and which of them may or must be called.</summary>
/// <param name="Json">The tools as the response shows them.</param>
/// <param name="ChoiceJson">The choice as the response shows it.</param>
/// <param name="ChatJson">The tools in the form that chat templates know; empty when none may be called.</param>
/// <param name="Forced">The tool that must be called, "" for any; null when none must be.</param>
/// <param name="IsSingle">Whether at most one may be called at once.</param>
/// <param name="Search">The tool that the server itself answers; null when it is not there or may not be called.</param>
internal sealed record ResponseTools(string Json, string ChoiceJson, string ChatJson, string? Forced, bool IsSingle, FileSearchTool? Search)
{
    private const int MostTools = 128;

    // Tools that OpenAI runs itself, by the beginning of their names: some carry a date.
    private static readonly string[] HostedKinds =
    [
        "web_search", "code_interpreter", "computer", "image_generation", "mcp", "local_shell", "shell", "apply_patch", "custom", "namespace", "tool_search",
        "programmatic_tool_calling",
    ];

    // The tools that are left when no more searches may be made.
    private string ClientChatJson { get; init; } = "";

    /// <param name="fields">The request.</param>
    /// <param name="withSearch">Whether "file_search" may be among the tools.</param>
    /// <exception cref="OpenAiException">A field is malformed, a tool is of a kind that is not supported, or the choice names one that is not there.</exception>
    public static ResponseTools Read(RequestFields fields, bool withSearch = true)
    {
        var tools = new List<Tool>();
        if (fields.Array("tools") is { } array)
        {
            if (array.GetArrayLength() > MostTools)
            {
                throw RequestFields.Invalid(
                    "tools",
                    string.Create(CultureInfo.InvariantCulture, $"Invalid 'tools': array too long. Expected an array with maximum length {MostTools}, but got an array with length {array.GetArrayLength()} instead."),
                    "array_above_max_length");
            }

            foreach (JsonElement tool in array.EnumerateArray())
            {
                string param = string.Create(CultureInfo.InvariantCulture, $"tools[{tools.Count}]");
                tools.Add(tool.ValueKind == JsonValueKind.Object ? ReadTool(new RequestFields(tool, param + "."), tool, param, withSearch) : throw RequestFields.WrongType(param, "an object", tool));
            }
        }

        if (tools.FindAll(static tool => tool.Name == FileSearchTool.Name) is { Count: > 1 } searches && searches.Exists(static tool => tool.Search is not null))
        {
            throw RequestFields.Invalid("tools", $"Invalid 'tools': there may be one tool '{FileSearchTool.Name}', and no function of that name beside it.", "invalid_value");
        }

        bool isSingle = fields.TryGet("parallel_tool_calls", out _) && !fields.Bool("parallel_tool_calls");
        string json = JsonText.Of(tools, static (writer, tools) => Write(writer, tools, asChat: false));
        if (!fields.TryGet("tool_choice", out JsonElement choice))
        {
            return Of(json, "\"auto\"", null, isSingle, tools);
        }

        (string? forced, List<Tool> allowed) = Choose(choice, tools);
        return Of(json, choice.GetRawText(), forced, isSingle, allowed);
    }

    /// <summary>The tools when a search has been answered: what had to be called has been.</summary>
    /// <param name="maySearch">Whether more searches may be made.</param>
    public ResponseTools AfterSearch(bool maySearch) => maySearch ? this with { Forced = null } : this with { Forced = null, ChatJson = ClientChatJson };

    /// <summary>Tells the model of them.</summary>
    public void Apply(ChatPrompt prompt)
    {
        prompt.ToolsJson = ChatJson;
        prompt.SingleToolCall = IsSingle;
        if (Forced is not null)
        {
            prompt.ForcedTool = Forced;
        }
    }

    private static ResponseTools Of(string json, string choice, string? forced, bool isSingle, List<Tool> offered) =>
        new(json, choice, ChatOf(offered), forced, isSingle, offered.Find(static tool => tool.Search is not null)?.Search) { ClientChatJson = ChatOf(offered.FindAll(static tool => tool.Search is null)) };

    private static Tool ReadTool(RequestFields fields, JsonElement value, string param, bool withSearch)
    {
        string type = fields.RequiredString("type");
        if (type == FileSearchTool.Name && withSearch)
        {
            return new Tool(FileSearchTool.Name, FileSearchTool.Description, FileSearchTool.Parameters, true, FileSearchTool.Read(fields));
        }

        if (type != "function")
        {
            string supported = withSearch ? $"'function' and '{FileSearchTool.Name}'" : "'function'";
            throw HostedKinds.Any(kind => type.StartsWith(kind, StringComparison.Ordinal)) || type == FileSearchTool.Name
                ? fields.Unsupported("type", $"'{type}' is not supported by this server. Supported values are: {supported}.")
                : fields.InvalidValue("type", type, supported);
        }

        string name = fields.RequiredString("name");
        ToolFields.CheckName(name, param + ".name");
        if (fields.Object("parameters") is { } schema && schema.TryGet("type", out JsonElement kind) && !(kind.ValueKind == JsonValueKind.String && kind.ValueEquals("object")))
        {
            throw RequestFields.Invalid(
                param + ".parameters", $"Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"', got 'type: {kind.GetRawText()}'.", "invalid_function_parameters");
        }

        return new Tool(name, fields.String("description"), value.TryGetProperty("parameters", out JsonElement parameters) ? parameters.GetRawText() : "null", fields.Bool("strict"));
    }

    private static (string? Forced, List<Tool> Allowed) Choose(JsonElement choice, List<Tool> tools)
    {
        if (choice.ValueKind == JsonValueKind.String)
        {
            return choice.GetString() switch
            {
                "auto" => (null, tools),
                "none" => (null, []),
                "required" => ("", tools.Count > 0 ? tools : throw NoTools()),
                string mode => throw RequestFields.Invalid("tool_choice", $"Invalid value: '{mode}'. Supported values are: 'none', 'auto', and 'required'.", "invalid_value"),
                null => throw RequestFields.WrongType("tool_choice", "a string or an object", choice),
            };
        }

        if (choice.ValueKind != JsonValueKind.Object)
        {
            throw RequestFields.WrongType("tool_choice", "a string or an object", choice);
        }

        var fields = new RequestFields(choice, "tool_choice.");
        switch (fields.RequiredString("type"))
        {
            case "function":
                string name = fields.RequiredString("name");
                return (Find(name, tools).Name, tools);
            case FileSearchTool.Name:
                return (Find(FileSearchTool.Name, tools, isSearch: true).Name, tools);
            case "allowed_tools":
                string mode = fields.RequiredString("mode");
                if (mode is not ("auto" or "required"))
                {
                    throw RequestFields.Invalid("tool_choice.mode", $"Invalid value: '{mode}'. Supported values are: 'auto' and 'required'.", "invalid_value");
                }

                List<Tool> allowed = Allowed(fields, tools);
                return (mode == "required" ? "" : null, allowed);
            default:
                throw fields.Unsupported("type", $"{choice.GetProperty("type").GetRawText()} is not supported by this server. Supported values are: 'function', 'file_search' and 'allowed_tools'.");
        }
    }

    private static List<Tool> Allowed(RequestFields choice, List<Tool> tools)
    {
        JsonElement array = choice.Array("tools") ?? throw choice.Missing("tools");
        var allowed = new List<Tool>();
        foreach (JsonElement item in array.EnumerateArray())
        {
            string param = string.Create(CultureInfo.InvariantCulture, $"tool_choice.tools[{allowed.Count}]");
            var fields = item.ValueKind == JsonValueKind.Object ? new RequestFields(item, param + ".") : throw RequestFields.WrongType(param, "an object", item);
            string type = fields.RequiredString("type");
            allowed.Add(type switch
            {
                "function" => Find(fields.RequiredString("name"), tools),
                FileSearchTool.Name => Find(FileSearchTool.Name, tools, isSearch: true),
                _ => throw fields.Unsupported("type", $"'{type}' is not supported by this server. Supported values are: 'function' and 'file_search'."),
            });
        }

        return allowed.Count > 0 ? allowed : throw RequestFields.Invalid(
            "tool_choice.tools", "Invalid 'tool_choice.tools': empty array. Expected an array with minimum length 1, but got an empty array instead.", "empty_array");
    }

    private static Tool Find(string name, List<Tool> tools, bool isSearch = false) => tools.Find(tool => tool.Name == name && tool.Search is not null == isSearch)
        ?? throw RequestFields.Invalid("tool_choice", $"Tool choice '{name}' not found in 'tools' parameter.", "invalid_value");

    private static OpenAiException NoTools() =>
        RequestFields.Invalid("tool_choice", "Tool choice 'required' must be specified with 'tools' parameter.", "invalid_value");

    private static string ChatOf(List<Tool> tools) => tools.Count == 0 ? "" : JsonText.Of(tools, static (writer, tools) => Write(writer, tools, asChat: true));

    private static void Write(Utf8JsonWriter json, List<Tool> tools, bool asChat)
    {
        json.WriteStartArray();
        foreach (Tool tool in tools)
        {
            if (tool.Search is { } search && !asChat)
            {
                json.WriteRawValue(search.Json, skipInputValidation: true);
                continue;
            }

            json.WriteStartObject();
            json.WriteString("type"u8, "function"u8);
            if (asChat)
            {
                json.WriteStartObject("function"u8);
            }

            json.WriteString("name"u8, tool.Name);
            if (tool.Description is not null || !asChat)
            {
                json.WriteString("description"u8, tool.Description);
            }

            if (tool.Parameters != "null" || !asChat)
            {
                json.WritePropertyName("parameters"u8);
                json.WriteRawValue(tool.Parameters, skipInputValidation: true);
            }

            if (tool.IsStrict || !asChat)
            {
                json.WriteBoolean("strict"u8, tool.IsStrict);
            }

            if (asChat)
            {
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private sealed record Tool(string Name, string? Description, string Parameters, bool IsStrict, FileSearchTool? Search = null);
}

using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;

namespace HelixFlow.Gateway.Anthropic;

/// <summary>Reads messages and their content blocks into turns.</summary>
/// <remarks>Blocks of text are joined by line breaks. Reasoning that comes back is checked against its signature if that is this server's.</remarks>
internal static class MessageBlocks
{
    /// <summary>The turns of a request's messages.</summary>
    /// <exception cref="OpenAiException">A message is malformed, or has what this server does not read.</exception>
    public static List<Turn> Read(JsonElement messages)
    {
        if (messages.GetArrayLength() == 0)
        {
            throw RequestFields.Invalid("messages", "messages: at least one message is required", "empty_array");
        }

        var turns = new List<Turn>();
        int index = 0;
        foreach (JsonElement message in messages.EnumerateArray())
        {
            string param = string.Create(CultureInfo.InvariantCulture, $"messages.{index}");
            if (message.ValueKind != JsonValueKind.Object)
            {
                throw RequestFields.WrongType(param, "an object", message);
            }

            var fields = new RequestFields(message, param + ".");
            string role = fields.RequiredString("role");
            if (role is not ("user" or "assistant" or "system"))
            {
                throw RequestFields.Invalid(param + ".role", $"{param}.role: Invalid value: '{role}'. Supported values are: 'user', 'assistant' and 'system'.", "invalid_value");
            }

            if (turns.Count == 0 || turns[^1].Role != role)
            {
                turns.Add(new Turn(role));
            }

            turns[^1].LastMessage = index++;
            ReadContent(fields, param + ".content", turns[^1]);
        }

        return turns;
    }

    /// <summary>A text, or an array of blocks of text joined by line breaks.</summary>
    public static string Text(RequestFields fields, string name, string param, Func<string, bool>? isDropped = null)
    {
        if (!fields.TryGet(name, out JsonElement content))
        {
            return "";
        }

        var turn = new Turn("");
        foreach ((JsonElement block, string place) in Blocks(content, param))
        {
            string text = block.ValueKind == JsonValueKind.String ? block.GetString()! : TextOf(block, place);
            if (isDropped?.Invoke(text) != true)
            {
                turn.Add(text);
            }
        }

        return turn.Text.ToString();
    }

    private static void ReadContent(RequestFields message, string param, Turn turn)
    {
        if (!message.TryGet("content", out JsonElement content))
        {
            throw message.Missing("content");
        }

        foreach ((JsonElement block, string place) in Blocks(content, param))
        {
            if (block.ValueKind == JsonValueKind.String)
            {
                turn.Add(block.GetString()!);
            }
            else
            {
                ReadBlock(new RequestFields(block, place + "."), place, turn);
            }
        }
    }

    private static void ReadBlock(RequestFields block, string param, Turn turn)
    {
        switch (block.RequiredString("type"), turn.Role)
        {
            case ("text", _):
                turn.Add(block.RequiredString("text"));
                break;
            case ("tool_result", "user"):
                turn.Results.Add(Result(block, param));
                break;
            case ("tool_use", "assistant"):
                turn.Calls.Add(Call(block, param, turn));
                break;
            case ("thinking", "assistant"):
                string thinking = block.RequiredString("thinking");
                if (!ThinkingSignature.Fits(thinking, block.String("signature") ?? ""))
                {
                    throw RequestFields.Invalid(param + ".signature", $"{param}: Invalid `signature` in `thinking` block: the block was changed.", "invalid_value");
                }

                turn.AddReasoning(thinking);
                break;
            case ("redacted_thinking", "assistant"):
                break; // nothing that another model could read
            case ("image" or "document", _):
                throw RequestFields.Invalid(param, $"{param}: this model reads text only: image and document blocks are not supported.", "unsupported_value");
            case (string type, _):
                throw RequestFields.Invalid(param, $"{param}: blocks of the type '{type}' are not supported by this server in messages of the role '{turn.Role}'.", "unsupported_value");
        }
    }

    private static TurnCall Call(RequestFields block, string param, Turn turn)
    {
        string id = block.RequiredString("id");
        if (turn.Calls.Exists(call => call.Id == id))
        {
            throw RequestFields.Invalid(param + ".id", $"{param}: `tool_use` ids must be unique", "invalid_value");
        }

        string name = block.RequiredString("name");
        _ = block.Object("input") ?? throw block.Missing("input");
        block.TryGet("input", out JsonElement input);
        return new TurnCall(id, name, input.GetRawText());
    }

    private static TurnResult Result(RequestFields block, string param)
    {
        string id = block.RequiredString("tool_use_id");
        string text = Text(block, "content", param + ".content");
        return new TurnResult(id, block.Bool("is_error") ? "Error: " + text : text, param);
    }

    // A content that is a text counts as its only block.
    private static IEnumerable<(JsonElement Block, string Param)> Blocks(JsonElement content, string param)
    {
        if (content.ValueKind == JsonValueKind.String)
        {
            yield return (content, param);
            yield break;
        }

        if (content.ValueKind != JsonValueKind.Array)
        {
            throw RequestFields.WrongType(param, "a string or an array of content blocks", content);
        }

        int index = 0;
        foreach (JsonElement block in content.EnumerateArray())
        {
            string place = string.Create(CultureInfo.InvariantCulture, $"{param}.{index++}");
            yield return block.ValueKind == JsonValueKind.Object ? (block, place) : throw RequestFields.WrongType(place, "an object", block);
        }
    }

    private static string TextOf(JsonElement block, string param)
    {
        var fields = new RequestFields(block, param + ".");
        string type = fields.RequiredString("type");
        return type == "text"
            ? fields.RequiredString("text")
            : throw RequestFields.Invalid(param, $"{param}: blocks of the type '{type}' are not supported here: this model reads text only.", "unsupported_value");
    }
}

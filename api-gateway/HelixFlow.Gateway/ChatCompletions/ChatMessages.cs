using System.Globalization;
using System.Text;
using System.Text.Json;
using HelixFlow.Gateway.Files;
using HelixFlow.Gateway.Requests;

namespace HelixFlow.Gateway.ChatCompletions;

/// <summary>The messages of a chat request: checked, then put into the form that chat templates are written for.</summary>
internal static class ChatMessages
{
    private static readonly string[] Roles = ["system", "developer", "user", "assistant", "tool", "function"];

    /// <exception cref="Errors.OpenAiException">A message is malformed, or has parts that are not text.</exception>
    public static void Check(JsonElement messages, InputFiles files)
    {
        if (messages.GetArrayLength() == 0)
        {
            throw RequestFields.Invalid("messages", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.", "empty_array");
        }

        int index = 0;
        var calls = new MessageCalls();
        foreach (JsonElement message in messages.EnumerateArray())
        {
            string param = string.Create(CultureInfo.InvariantCulture, $"messages[{index}]");
            if (message.ValueKind != JsonValueKind.Object)
            {
                throw RequestFields.WrongType(param, "an object", message);
            }

            var fields = new RequestFields(message, param + ".");
            string role = fields.RequiredString("role");
            if (!Roles.Contains(role))
            {
                throw RequestFields.Invalid(
                    param + ".role", $"Invalid value: '{role}'. Supported values are: {string.Join(", ", Roles.Select(known => $"'{known}'"))}.", "invalid_value");
            }

            fields.String("name");
            fields.String("reasoning_content");
            fields.String("refusal");
            fields.String("tool_call_id");
            if (fields.TryGet("audio", out _))
            {
                throw fields.Unsupported("audio", "is not supported: this model reads text only.");
            }

            CheckContent(fields, param + ".content", role, files);
            calls.Check(fields, role, param, index++);
        }

        calls.End();
    }

    private static void CheckContent(RequestFields message, string param, string role, InputFiles files)
    {
        bool isAssistant = role == "assistant";
        if (!message.TryGet("content", out JsonElement content))
        {
            if (!isAssistant)
            {
                throw message.Missing("content");
            }

            return;
        }

        if (content.ValueKind == JsonValueKind.String)
        {
            return;
        }

        if (content.ValueKind != JsonValueKind.Array)
        {
            throw RequestFields.WrongType(param, "a string or an array of content parts", content);
        }

        if (content.GetArrayLength() == 0)
        {
            throw RequestFields.Invalid(param, $"Invalid '{param}': empty array. Expected an array with minimum length 1, but got an empty array instead.", "empty_array");
        }

        int index = 0;
        foreach (JsonElement part in content.EnumerateArray())
        {
            string partParam = string.Create(CultureInfo.InvariantCulture, $"{param}[{index++}]");
            if (part.ValueKind != JsonValueKind.Object)
            {
                throw RequestFields.WrongType(partParam, "an object", part);
            }

            var fields = new RequestFields(part, partParam + ".");
            string type = fields.RequiredString("type");
            if (type == "refusal" && isAssistant)
            {
                fields.RequiredString("refusal");
                continue;
            }

            if (type == "file" && role == "user")
            {
                files.Read(fields.Object("file") ?? throw fields.Missing("file"));
                continue;
            }

            if (type != "text")
            {
                throw RequestFields.Invalid(
                    partParam + ".type", $"Unsupported content part '{type}': this model reads text only.", "unsupported_value");
            }

            fields.RequiredString("text");
        }
    }

    /// <summary>
    /// The messages as JSON, with texts, files and refusals joined, "developer", which templates do not know, as "system", and calls of the older form in today's.
    /// </summary>
    public static string Normalise(JsonElement messages, InputFiles files)
    {
        if (!messages.EnumerateArray().Any(NeedsChange))
        {
            return messages.GetRawText();
        }

        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartArray();
            foreach (JsonElement message in messages.EnumerateArray())
            {
                json.WriteStartObject();
                foreach (JsonProperty property in message.EnumerateObject())
                {
                    if (property.NameEquals("role") && property.Value.ValueEquals("developer"))
                    {
                        json.WriteString("role"u8, "system"u8);
                    }
                    else if (property.NameEquals("role") && property.Value.ValueEquals("function"))
                    {
                        json.WriteString("role"u8, "tool"u8);
                        json.WriteString("tool_call_id"u8, MessageCalls.LegacyId);
                    }
                    else if (property.NameEquals("function_call"))
                    {
                        MessageCalls.WriteLegacy(json, property.Value);
                    }
                    else if (property.NameEquals("content") && property.Value.ValueKind == JsonValueKind.Array)
                    {
                        json.WriteString("content"u8, string.Concat(property.Value.EnumerateArray().Select(part => TextOf(part, files))));
                    }
                    else
                    {
                        property.WriteTo(json);
                    }
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }

    private static string? TextOf(JsonElement part, InputFiles files)
    {
        string type = part.GetProperty("type").GetString()!;
        return type == "file" ? files.Read(new RequestFields(part.GetProperty("file"))) : part.GetProperty(type).GetString();
    }

    private static bool NeedsChange(JsonElement message) =>
        message.GetProperty("role").ValueEquals("developer") || message.GetProperty("role").ValueEquals("function")
        || message.TryGetProperty("function_call", out _)
        || (message.TryGetProperty("content", out JsonElement content) && content.ValueKind == JsonValueKind.Array);
}

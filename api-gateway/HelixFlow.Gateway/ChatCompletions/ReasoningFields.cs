using System.Text;
using System.Text.Json;
using HelixFlow.Gateway.Requests;

namespace HelixFlow.Gateway.ChatCompletions;

/// <summary>What a chat request tells the model's template beside messages and tools: <c>chat_template_kwargs</c> and <c>reasoning_effort</c>.</summary>
internal static class ReasoningFields
{
    /// <summary>What may be asked for.</summary>
    public static string[] Efforts { get; } = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

    /// <summary>The template's variables as a JSON object; empty for none.</summary>
    /// <remarks>
    /// Templates that know <c>reasoning_effort</c> get it; the effort "none" also sets <c>enable_thinking</c> to false, the name that others
    /// know. What the request sets itself in <c>chat_template_kwargs</c> goes before.
    /// </remarks>
    /// <exception cref="Errors.OpenAiException">A field is of the wrong type or has an unknown value.</exception>
    public static string Variables(RequestFields fields, JsonElement body)
    {
        string? effort = fields.String("reasoning_effort");
        if (effort is not null && !Efforts.Contains(effort))
        {
            throw RequestFields.Invalid(
                "reasoning_effort", $"Invalid value: '{effort}'. Supported values are: {string.Join(", ", Efforts.Select(known => $"'{known}'"))}.", "invalid_value");
        }

        return Variables(effort, fields.Object("chat_template_kwargs") is null ? default : body.GetProperty("chat_template_kwargs"));
    }

    /// <summary>The same from an effort that was checked and from the request's own variables, an object or undefined.</summary>
    public static string Variables(string? effort, JsonElement own)
    {
        bool hasOwn = own.ValueKind == JsonValueKind.Object;
        if (effort is null)
        {
            return hasOwn ? own.GetRawText() : "";
        }

        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            if (!Has(own, "reasoning_effort"))
            {
                json.WriteString("reasoning_effort"u8, effort);
            }

            if (effort == "none" && !Has(own, "enable_thinking"))
            {
                json.WriteBoolean("enable_thinking"u8, false);
            }

            if (hasOwn)
            {
                foreach (JsonProperty property in own.EnumerateObject())
                {
                    property.WriteTo(json);
                }
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }

    private static bool Has(JsonElement value, string name) => value.ValueKind == JsonValueKind.Object && value.TryGetProperty(name, out _);
}

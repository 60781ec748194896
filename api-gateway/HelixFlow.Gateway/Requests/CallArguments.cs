using System.Text.Json;

namespace HelixFlow.Gateway.Requests;

/// <summary>Arguments of a call for APIs that tell them as an object.</summary>
internal static class CallArguments
{
    // Anthropic's documentation has this key for arguments that are no JSON, so that nothing is run with arguments that the model did not write.
    private const string Invalid = "INVALID_JSON";

    /// <summary>Writes what the model wrote; text that is no JSON object, as a call that was cut off leaves, under one key of an object.</summary>
    public static void WriteObject(Utf8JsonWriter json, string arguments)
    {
        if (string.IsNullOrWhiteSpace(arguments))
        {
            json.WriteStartObject();
            json.WriteEndObject();
            return;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(arguments);
            if (document.RootElement.ValueKind == JsonValueKind.Object)
            {
                document.RootElement.WriteTo(json);
                return;
            }
        }
        catch (JsonException)
        {
            // Told as it is.
        }

        json.WriteStartObject();
        json.WriteString(Invalid, arguments);
        json.WriteEndObject();
    }
}

using System.Text.Encodings.Web;
using System.Text.Json;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>Small questions about JSON text.</summary>
internal static class JsonText
{
    /// <summary>Whether a text is one JSON value.</summary>
    public static bool IsValue(string text)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>A text as a JSON string, with no more escapes than JSON demands.</summary>
    public static string Quote(string text) => $"\"{JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping)}\"";
}

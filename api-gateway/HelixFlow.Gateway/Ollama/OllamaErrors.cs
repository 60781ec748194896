using System.Text.Json;
using HelixFlow.Gateway.Errors;

namespace HelixFlow.Gateway.Ollama;

/// <summary>Errors in the form of Ollama's API: {"error": "…"}, as an answer or as a line of a stream.</summary>
internal static class OllamaErrors
{
    /// <summary>Writes an error.</summary>
    public static void Write(Utf8JsonWriter json, OpenAiError error)
    {
        json.WriteStartObject();
        json.WriteString("error"u8, error.Message);
        json.WriteEndObject();
    }
}

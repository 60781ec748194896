using System.Text.Json;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Streaming;

/// <summary>Log probabilities of tokens as OpenAI writes them; Ollama and the Responses API have taken the same form.</summary>
internal static class LogprobJson
{
    /// <summary>Writes an array of tokens, each with its alternatives.</summary>
    /// <param name="json">Where.</param>
    /// <param name="name">The array's key.</param>
    /// <param name="tokens">The tokens.</param>
    /// <param name="omitsNone">Whether a token without alternatives is written without their key.</param>
    public static void Write(Utf8JsonWriter json, ReadOnlySpan<byte> name, IEnumerable<TokenLogprob> tokens, bool omitsNone = false)
    {
        json.WriteStartArray(name);
        foreach (TokenLogprob token in tokens)
        {
            json.WriteStartObject();
            WriteToken(json, token);
            if (token.Top.Count > 0 || !omitsNone)
            {
                json.WriteStartArray("top_logprobs"u8);
                foreach (TokenLogprob alternative in token.Top)
                {
                    json.WriteStartObject();
                    WriteToken(json, alternative);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteToken(Utf8JsonWriter json, TokenLogprob token)
    {
        json.WriteString("token"u8, token.Text);
        json.WriteNumber("logprob"u8, UsageJson.Finite(token.Logprob));
        json.WriteStartArray("bytes"u8);
        foreach (byte value in token.Bytes.Span)
        {
            json.WriteNumberValue(value);
        }

        json.WriteEndArray();
    }
}

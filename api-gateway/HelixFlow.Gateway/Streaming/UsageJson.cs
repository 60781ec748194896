using System.Text.Json;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Streaming;

/// <summary>What chat completions and completions write alike.</summary>
internal static class UsageJson
{
    /// <summary>Identifies the serving configuration: with the same one, a seed gives the same answer.</summary>
    public static string SystemFingerprint { get; } = "fp_helixflow_" + typeof(UsageJson).Assembly.GetName().Version!.ToString(3).Replace('.', '_');

    public static void Write(Utf8JsonWriter json, Usage usage)
    {
        json.WriteStartObject("usage"u8);
        json.WriteNumber("prompt_tokens"u8, usage.PromptTokens);
        json.WriteNumber("completion_tokens"u8, usage.CompletionTokens);
        json.WriteNumber("total_tokens"u8, usage.PromptTokens + usage.CompletionTokens);
        json.WriteStartObject("prompt_tokens_details"u8);
        json.WriteNumber("cached_tokens"u8, usage.CachedTokens);
        json.WriteNumber("audio_tokens"u8, 0);
        json.WriteEndObject();
        json.WriteStartObject("completion_tokens_details"u8);
        json.WriteNumber("reasoning_tokens"u8, usage.ReasoningTokens);
        json.WriteNumber("audio_tokens"u8, 0);
        json.WriteNumber("accepted_prediction_tokens"u8, 0);
        json.WriteNumber("rejected_prediction_tokens"u8, 0);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>The usage of what generates nothing.</summary>
    public static void WritePromptOnly(Utf8JsonWriter json, long tokens)
    {
        json.WriteStartObject("usage"u8);
        json.WriteNumber("prompt_tokens"u8, tokens);
        json.WriteNumber("total_tokens"u8, tokens);
        json.WriteEndObject();
    }

    public static string FinishReasonOf(FinishReason reason) => reason == FinishReason.Length ? "length" : "stop";

    /// <summary>JSON has no infinities; OpenAI sends -9999 for what cannot happen.</summary>
    public static float Finite(float logprob) => float.IsFinite(logprob) ? logprob : -9999;
}

using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Anthropic;
using HelixFlow.Gateway.Ollama;
using HelixFlow.Gateway.Streaming;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace HelixFlow.Gateway.Errors;

/// <summary>
/// Writes <see cref="OpenAiError"/>s: as a response in the form of the request's API, or into a stream of OpenAI's that has begun.
/// </summary>
internal static class OpenAiErrorWriter
{
    // For a refusal that names no time itself.
    private static readonly TimeSpan UsualWait = TimeSpan.FromSeconds(1);

    public static async Task WriteAsync(HttpContext context, OpenAiError error)
    {
        HttpResponse response = context.Response;
        ErrorForm form = ErrorForms.Of(context.Request);
        response.StatusCode = form == ErrorForm.Anthropic ? AnthropicErrors.StatusOf(error) : error.Status;
        response.Headers["x-should-retry"] = error.MayRetry ? "true" : "false";
        if (error.Status == StatusCodes.Status401Unauthorized)
        {
            response.Headers.WWWAuthenticate = "Bearer realm=\"HelixFlow\"";
        }

        TimeSpan? retryAfter = error.RetryAfter ?? (error.MayRetry && error.Status is StatusCodes.Status429TooManyRequests or StatusCodes.Status503ServiceUnavailable ? UsualWait : null);
        if (retryAfter is { } wait)
        {
            response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
            response.Headers["retry-after-ms"] = Math.Ceiling(wait.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);
        }

        await (form switch
        {
            ErrorForm.OpenAi => JsonResponse.WriteAsync(context, error, Write),
            ErrorForm.Anthropic => JsonResponse.WriteAsync(
                context, (error, context.TraceIdentifier), static (json, state) => AnthropicErrors.Write(json, state.error, state.TraceIdentifier)),
            ErrorForm.Ollama => JsonResponse.WriteAsync(context, error, OllamaErrors.Write),
            _ => JsonResponse.WriteAsync(context, error, WriteProblem, "application/problem+json"),
        });
    }

    /// <summary>{"error": {"message": …, "type": …, "param": …, "code": …}}: always all four keys, as OpenAI sends them.</summary>
    public static void Write(Utf8JsonWriter json, OpenAiError error)
    {
        json.WriteStartObject();
        json.WriteStartObject("error"u8);
        json.WriteString("message"u8, error.Message);
        json.WriteString("type"u8, error.Type);
        json.WriteString("param"u8, error.Param);
        json.WriteString("code"u8, error.Code);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteProblem(Utf8JsonWriter json, OpenAiError error)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "about:blank"u8);
        json.WriteString("title"u8, ReasonPhrases.GetReasonPhrase(error.Status));
        json.WriteNumber("status"u8, error.Status);
        json.WriteString("detail"u8, error.Message);
        json.WriteEndObject();
    }
}

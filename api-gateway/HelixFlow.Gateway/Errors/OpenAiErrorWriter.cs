using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Errors;

/// <summary>Writes <see cref="OpenAiError"/>s: as a response, or into a stream that has begun.</summary>
internal static class OpenAiErrorWriter
{
    public static async Task WriteAsync(HttpContext context, OpenAiError error)
    {
        HttpResponse response = context.Response;
        response.StatusCode = error.Status;
        response.ContentType = "application/json";
        response.Headers["x-should-retry"] = error.Status is 429 or >= 500 ? "true" : "false";
        if (error.Status == StatusCodes.Status401Unauthorized)
        {
            response.Headers.WWWAuthenticate = "Bearer realm=\"HelixFlow\"";
        }

        if (error.RetryAfter is { } wait)
        {
            response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
            response.Headers["retry-after-ms"] = Math.Ceiling(wait.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);
        }

        await using (var json = new Utf8JsonWriter(response.BodyWriter))
        {
            Write(json, error);
        }

        await response.BodyWriter.FlushAsync(context.RequestAborted);
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
}

using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Streaming;

/// <summary>Writes a JSON answer straight into the response's buffer.</summary>
internal static class JsonResponse
{
    /// <summary>Text goes out as UTF-8, not as escapes: what a JSON or event stream reader needs escaped is all that is escaped.</summary>
    public static JsonWriterOptions Options { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    public static async Task WriteAsync<T>(HttpContext context, T state, Action<Utf8JsonWriter, T> write, string contentType = "application/json")
    {
        context.Response.ContentType = contentType;
        await using (var json = new Utf8JsonWriter(context.Response.BodyWriter, Options))
        {
            write(json, state);
        }

        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
    }
}

using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Streaming;

/// <summary>Writes a JSON answer straight into the response's buffer.</summary>
internal static class JsonResponse
{
    public static async Task WriteAsync<T>(HttpContext context, T state, Action<Utf8JsonWriter, T> write)
    {
        context.Response.ContentType = "application/json";
        await using (var json = new Utf8JsonWriter(context.Response.BodyWriter))
        {
            write(json, state);
        }

        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
    }
}

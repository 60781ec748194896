using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Streaming;

/// <summary>Says that an object has been deleted.</summary>
internal static class DeletedJson
{
    public static Task WriteAsync(HttpContext context, string id, string kind) => JsonResponse.WriteAsync(context, (id, kind), static (json, state) =>
    {
        json.WriteStartObject();
        json.WriteString("id"u8, state.id);
        json.WriteString("object"u8, state.kind);
        json.WriteBoolean("deleted"u8, true);
        json.WriteEndObject();
    });
}

using System.Text.Json;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses.Items;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Streaming;

/// <summary>Writes a page of stored objects as OpenAI's list object.</summary>
internal static class ListJson
{
    public static Task WriteAsync(HttpContext context, Page<StoredItem> page) => JsonResponse.WriteAsync(context, page, Write);

    public static void Write(Utf8JsonWriter json, Page<StoredItem> page)
    {
        json.WriteStartObject();
        json.WriteString("object"u8, "list"u8);
        json.WriteStartArray("data"u8);
        foreach (StoredItem item in page.Items)
        {
            json.WriteRawValue(item.Json, skipInputValidation: true);
        }

        json.WriteEndArray();
        // Clients of a typed language read both as texts: an empty page has empty ones.
        json.WriteString("first_id"u8, page.Items.Count > 0 ? page.Items[0].Id : "");
        json.WriteString("last_id"u8, page.Items.Count > 0 ? page.Items[^1].Id : "");
        json.WriteBoolean("has_more"u8, page.HasMore);
        json.WriteEndObject();
    }
}

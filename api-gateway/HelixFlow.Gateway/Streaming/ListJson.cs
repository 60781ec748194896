using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses.Items;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Streaming;

/// <summary>Writes a page of stored objects as OpenAI's list object.</summary>
internal static class ListJson
{
    public static Task WriteAsync(HttpContext context, Page<StoredItem> page) =>
        page.WriteAsync(context, static item => item.Id, static (json, item) => json.WriteRawValue(item.Json, skipInputValidation: true));
}

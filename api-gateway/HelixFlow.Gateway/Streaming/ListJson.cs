using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses.Items;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Streaming;

/// <summary>Writes a page of stored objects as OpenAI's list object; results of searches only when the request includes them.</summary>
internal static class ListJson
{
    public static Task WriteAsync(HttpContext context, Page<StoredItem> page)
    {
        bool withResults = SearchItems.AreAskedFor(context.Request);
        return page.WriteAsync(context, static item => item.Id, (json, item) => json.WriteRawValue(SearchItems.Shown(item, withResults).Json, skipInputValidation: true));
    }
}

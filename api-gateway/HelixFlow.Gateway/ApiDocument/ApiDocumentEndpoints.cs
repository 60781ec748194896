using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace HelixFlow.Gateway.ApiDocument;

/// <summary>The API's description: <c>GET /openapi.json</c>, and a page to browse it at <c>GET /docs</c>.</summary>
internal static class ApiDocumentEndpoints
{
    public static void MapApiDocument(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/openapi.json", static () => Results.Bytes(Resource("openapi.json"), "application/json"));
        routes.MapGet("/docs", static () => Results.Bytes(Resource("docs.html"), "text/html; charset=utf-8"));
        routes.MapGet("/", static () => Results.Redirect("/docs"));
    }

    private static byte[] Resource(string name)
    {
        using Stream stream = typeof(ApiDocumentEndpoints).Assembly.GetManifestResourceStream($"HelixFlow.Gateway.ApiDocument.{name}")
            ?? throw new InvalidOperationException($"the resource {name} is missing from the assembly");
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}

using Google.Protobuf;
using HelixFlow.Gateway.Routing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace HelixFlow.Gateway.Nodes;

/// <summary><c>GET /api/v1/nodes</c>: the inference nodes as they reported last, for operators.</summary>
internal sealed class NodeEndpoints(IServiceProvider services)
{
    private static readonly JsonFormatter Json = new(JsonFormatter.Settings.Default.WithFormatDefaultValues(true));

    public async Task ListAsync(HttpContext context)
    {
        IEnumerable<string> nodes = services.GetService<Router>()?.NodeStates.Select(static state => Json.Format(state)) ?? [];
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync($"{{\"nodes\":[{string.Join(',', nodes)}]}}", context.RequestAborted);
    }
}

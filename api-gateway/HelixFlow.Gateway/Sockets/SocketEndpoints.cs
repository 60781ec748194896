using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.ChatCompletions;
using HelixFlow.Gateway.Realtime;
using HelixFlow.Gateway.Responses;
using HelixFlow.Gateway.StoredCompletions;
using HelixFlow.Observability;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Sockets;

/// <summary>Where sockets are opened.</summary>
internal sealed class SocketEndpoints(
    SocketLoop sockets,
    MeasuredPool pool,
    ResponseRuns runs,
    ResponseReader responses,
    CompletionStore completions,
    ChatRequestReader chats,
    GatewayOptions options,
    IServiceProvider services)
{
    // HTTP/2 opens a socket with CONNECT.
    private static readonly string[] _methods = [HttpMethods.Get, HttpMethods.Connect];

    private readonly TimeProvider _time = services.GetRequiredService<TimeProvider>();
    private readonly ILogger _logger = services.GetRequiredService<ILogger<SocketEndpoints>>();

    public static void Add(IServiceCollection services)
    {
        services.TryAddSingleton<SocketLoop>();
        services.TryAddSingleton<SocketEndpoints>();
        services.TryAddSingleton<RealtimeEndpoint>();
        services.TryAddSingleton<ClientSecrets>();
        services.TryAddSingleton<ClientSecretEndpoints>();
    }

    public static void Map(RouteGroupBuilder api)
    {
        api.MapMethods("/realtime", _methods, static (HttpContext context, RealtimeEndpoint endpoint) => endpoint.OpenAsync(context));
        api.MapPost("/realtime/client_secrets", static (HttpContext context, ClientSecretEndpoints endpoints) => endpoints.CreateAsync(context));
        api.MapPost("/realtime/sessions", static (HttpContext context, ClientSecretEndpoints endpoints) => endpoints.CreateOlderAsync(context));
        api.MapMethods("/responses", _methods, static (HttpContext context, SocketEndpoints endpoints) => endpoints.OpenResponsesAsync(context));
        api.MapMethods("/chat/completions", [HttpMethods.Connect], static (HttpContext context, SocketEndpoints endpoints) => endpoints.OpenChatAsync(context));
    }

    /// <summary><c>GET /v1/chat/completions</c> that asks for a socket; without, it lists what is stored.</summary>
    public Task OpenChatAsync(HttpContext context)
    {
        SocketLoop.Require(context);
        return sockets.RunAsync(context, "chat-completions", (connection, limits) =>
            new ChatSocket(connection, limits, BearerKey.ProjectOf(context), pool, completions, chats, _time, _logger));
    }

    private Task OpenResponsesAsync(HttpContext context)
    {
        SocketLoop.Require(context);
        return sockets.RunAsync(context, "responses", (connection, limits) =>
            new ResponseSocket(connection, limits, BearerKey.ProjectOf(context), runs, responses, options, _logger));
    }
}

using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Sockets;
using HelixFlow.Observability;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Realtime;

/// <summary><c>GET /v1/realtime</c>: opens the sockets of the Realtime API.</summary>
internal sealed class RealtimeEndpoint(SocketLoop sockets, MeasuredPool pool, GatewayOptions options, TimeProvider time, ILogger<RealtimeEndpoint> logger)
{
    // What clients name; a browser that names subprotocols takes only a server that speaks one of them.
    public const string Subprotocol = "realtime";

    public async Task OpenAsync(HttpContext context)
    {
        SocketLoop.Require(context);
        RealtimeSettings settings = await SettingsAsync(context.Request.Query, context.RequestAborted);
        string project = BearerKey.ProjectOf(context);
        string? subprotocol = context.WebSockets.WebSocketRequestedProtocols.Contains(Subprotocol) ? Subprotocol : null;
        await sockets.RunAsync(context, subprotocol, (connection, limits) =>
            new RealtimeSession(connection, limits, settings, project, pool, options.Sockets, time, logger));
    }

    /// <exception cref="OpenAiException">The query names no model that is served, or something that is not.</exception>
    private async Task<RealtimeSettings> SettingsAsync(IQueryCollection query, CancellationToken cancellationToken)
    {
        if (query["intent"].ToString() is { Length: > 0 } intent)
        {
            throw RequestFields.Invalid("intent", $"Unsupported value: 'intent' '{intent}' is not supported by this server, which reads and writes text only.", "unsupported_value");
        }

        if (query.ContainsKey("call_id"))
        {
            throw RequestFields.Invalid("call_id", "Unsupported parameter: 'call_id' is not supported by this server: it takes no calls.", "unsupported_parameter");
        }

        if (query["model"].ToString() is not { Length: > 0 } model)
        {
            throw RequestFields.Invalid("model", "You must provide a model parameter.", "missing_required_parameter");
        }

        ListModelsResponse models = await pool.ListModelsAsync(new ListModelsRequest(), cancellationToken);
        return models.Models.Any(served => served.Name == model) ? RealtimeSettings.Of(model) : throw new OpenAiException(OpenAiError.ModelNotFound(model));
    }
}

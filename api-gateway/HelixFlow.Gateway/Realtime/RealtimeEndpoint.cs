using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Sockets;
using HelixFlow.Observability;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Realtime;

/// <summary><c>GET /v1/realtime</c>: opens the sockets of the Realtime API.</summary>
internal sealed class RealtimeEndpoint(SocketLoop sockets, MeasuredPool pool, GatewayOptions options, TimeProvider time, ILogger<RealtimeEndpoint> logger)
{
    public async Task OpenAsync(HttpContext context)
    {
        SocketLoop.Require(context);
        RealtimeSettings settings = BearerKey.SecretOf(context) is { } secret
            ? SettingsOf(secret, context.Request.Query)
            : await SettingsAsync(context.Request.Query, context.RequestAborted);
        string project = BearerKey.ProjectOf(context);
        await sockets.RunAsync(context, "realtime", (connection, limits) =>
            new RealtimeSession(connection, limits, settings, project, pool, options.Sockets, time, logger));
    }

    /// <exception cref="OpenAiException">The query names another model, or something that is not there.</exception>
    private static RealtimeSettings SettingsOf(ClientSecret secret, IQueryCollection query)
    {
        CheckQuery(query);
        RealtimeSettings settings = RealtimeSettings.Parse(secret.SessionJson);
        return query["model"].ToString() is { Length: > 0 } model && model != settings.Model
            ? throw RequestFields.Invalid("model", $"This client secret is for the model '{settings.Model}'.", "invalid_value")
            : settings;
    }

    /// <exception cref="OpenAiException">The query names no model that is served, or something that is not there.</exception>
    private async Task<RealtimeSettings> SettingsAsync(IQueryCollection query, CancellationToken cancellationToken)
    {
        CheckQuery(query);
        if (query["model"].ToString() is not { Length: > 0 } model)
        {
            throw RequestFields.Invalid("model", "You must provide a model parameter.", "missing_required_parameter");
        }

        await ModelField.CheckServedAsync(pool, model, cancellationToken);
        return RealtimeSettings.Of(model);
    }

    private static void CheckQuery(IQueryCollection query)
    {
        if (query["intent"].ToString() is { Length: > 0 } intent)
        {
            throw RequestFields.Invalid("intent", $"Unsupported value: 'intent' '{intent}' is not supported by this server, which reads and writes text only.", "unsupported_value");
        }

        if (query.ContainsKey("call_id"))
        {
            throw RequestFields.Invalid("call_id", "Unsupported parameter: 'call_id' is not supported by this server: it takes no calls.", "unsupported_parameter");
        }
    }
}

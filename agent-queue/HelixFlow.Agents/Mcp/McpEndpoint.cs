using System.Net;
using System.Reflection;
using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Microsoft.Net.Http.Headers;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace HelixFlow.Agents.Mcp;

/// <summary>The Model Context Protocol over streamable HTTP, without sessions: each request stands for itself and may go to another server.</summary>
internal sealed class McpEndpoint(TaskTools tools, AgentOptions options, ILoggerFactory loggers, IServiceProvider services)
{
    private const string Version = "MCP-Protocol-Version";
    private const string FirstWithHeaders = "2026-07-28"; // from this revision on headers say what the body says, for those in between

    private static readonly string[] _versions = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", FirstWithHeaders];

    private readonly McpServerOptions _server = new()
    {
        ServerInfo = new Implementation { Name = "helixflow", Title = "HelixFlow agent queue", Version = typeof(McpEndpoint).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0" },
        ServerInstructions = "Tasks are done in the background. Queue one, ask get_task_status with its task_id and wait_seconds until it has succeeded, then read get_task_result.",
        ScopeRequests = false,
        Handlers = new McpServerHandlers
        {
            ListToolsHandler = (_, _) => ValueTask.FromResult(new ListToolsResult { Tools = tools.Tools }),
            CallToolHandler = (request, token) => tools.CallAsync(request.User!, request.Params!.Name, request.Params.Arguments, token),
        },
    };

    /// <summary>Answers one message of a client whom <see cref="AgentBoundary.Guard"/> has let in.</summary>
    public async Task PostAsync(HttpContext context)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = options.MaxBodyBytes;
        }

        if (!Accepts(context, "application/json") || !Accepts(context, "text/event-stream"))
        {
            await RefuseAsync(context, StatusCodes.Status406NotAcceptable, McpErrorCode.InvalidRequest, "The client must accept application/json and text/event-stream.");
            return;
        }

        string version = context.Request.Headers[Version].ToString();
        if (version.Length > 0 && !_versions.Contains(version))
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest, McpErrorCode.InvalidRequest, $"The protocol version '{AgentProblem.Shortened(version)}' is not supported.");
            return;
        }

        if (await ReadAsync(context) is not { } message)
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest, McpErrorCode.ParseError, "The body is no JSON-RPC message.");
            return;
        }

        if (version == FirstWithHeaders && Mismatch(context, message) is { } mismatch)
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest, McpErrorCode.HeaderMismatch, mismatch);
            return;
        }

        message.Context = new JsonRpcMessageContext { User = context.User };
        await AnswerAsync(context, message);
    }

    /// <summary>Refuses what a web page of another site sends: a name that an attacker points here must not make a browser on this machine a way in.</summary>
    public RequestDelegate GuardOrigin(RequestDelegate next) => async context =>
    {
        string origin = context.Request.Headers.Origin.ToString();
        bool isLocal = context.Connection.LocalIpAddress is { } local && IPAddress.IsLoopback(local);
        bool isAllowed = origin.Length == 0 || options.AllowedOrigins.Contains(origin, StringComparer.OrdinalIgnoreCase) || options.AllowedOrigins.Contains("*")
            || (Uri.TryCreate(origin, UriKind.Absolute, out Uri? page) && (page.IsLoopback || (!isLocal && page.Authority == context.Request.Host.Value)));
        if (!isAllowed)
        {
            await RefuseAsync(context, StatusCodes.Status403Forbidden, McpErrorCode.InvalidRequest, "Pages of this origin may not use the server; allow it with --cors-origin.");
            return;
        }

        await next(context);
    };

    private async Task AnswerAsync(HttpContext context, JsonRpcMessage message)
    {
        await using var transport = new StreamableHttpServerTransport(loggers) { Stateless = true };
        await using McpServer server = McpServer.Create(transport, _server, loggers, services);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        Task running = server.RunAsync(ended.Token);
        try
        {
            context.Response.ContentType = "text/event-stream";
            context.Response.Headers.CacheControl = "no-cache, no-store";
            context.Response.Headers["x-accel-buffering"] = "no";
            if (!await transport.HandlePostRequestAsync(message, context.Response.Body, context.RequestAborted))
            {
                context.Response.ContentType = null; // a notification
                context.Response.StatusCode = StatusCodes.Status202Accepted;
            }
        }
        finally
        {
            await ended.CancelAsync();
            await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static async Task<JsonRpcMessage?> ReadAsync(HttpContext context)
    {
        try
        {
            return (JsonRpcMessage?)await JsonSerializer.DeserializeAsync(context.Request.Body, McpJsonUtilities.DefaultOptions.GetTypeInfo(typeof(JsonRpcMessage)), context.RequestAborted);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>What a header says otherwise than the body; null when they agree.</summary>
    private static string? Mismatch(HttpContext context, JsonRpcMessage message)
    {
        (string method, string? name) = message switch
        {
            JsonRpcRequest request => (request.Method, request.Params?["name"]?.GetValue<string>() ?? request.Params?["uri"]?.GetValue<string>()),
            JsonRpcNotification notification => (notification.Method, null),
            _ => ("", null),
        };
        return method.Length == 0 ? null
            : Decoded(context.Request.Headers["Mcp-Method"].ToString()) != method ? "The header Mcp-Method is not the method of the body."
            : name is not null && Decoded(context.Request.Headers["Mcp-Name"].ToString()) != name ? "The header Mcp-Name is not the name in the body."
            : null;
    }

    /// <summary>A header's text: as it is, or base64 between marks.</summary>
    private static string Decoded(string header)
    {
        if (!header.StartsWith("=?base64?", StringComparison.Ordinal) || !header.EndsWith("?=", StringComparison.Ordinal) || header.Length < 11)
        {
            return header;
        }

        byte[] bytes = new byte[header.Length];
        return Convert.TryFromBase64String(header[9..^2], bytes, out int length) ? Encoding.UTF8.GetString(bytes, 0, length) : "";
    }

    private static bool Accepts(HttpContext context, string type) =>
        context.Request.GetTypedHeaders().Accept.Any(accepted => new MediaTypeHeaderValue(type).IsSubsetOf(accepted));

    private static async Task RefuseAsync(HttpContext context, int status, McpErrorCode code, string message)
    {
        var error = new JsonRpcError { Error = new JsonRpcErrorDetail { Code = (int)code, Message = message } };
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        await JsonSerializer.SerializeAsync(context.Response.Body, error, McpJsonUtilities.DefaultOptions.GetTypeInfo(typeof(JsonRpcError)), context.RequestAborted);
    }
}

using System.Security.Claims;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Auth.V1;
using HelixFlow.Storage;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Agents.Http;

/// <summary>What surrounds every request to the agent queue: who asks, how much may be sent, and errors as problems.</summary>
internal sealed partial class AgentBoundary(IKeyAuthority authority, AgentOptions options, ILogger<AgentBoundary> logger)
{
    private const string Scheme = "Bearer ";
    private const string Scope = "inference";
    private const string AdminScope = "admin";

    private static readonly object Key = new();

    private const string ProjectClaim = "project";

    /// <summary>Whose jobs the request may see.</summary>
    public static string ProjectOf(HttpContext context) => ((Principal)context.Items[Key]!).Project;

    /// <summary>Whose jobs a connection may see that <see cref="Guard"/> has let in.</summary>
    public static string ProjectOf(ClaimsPrincipal user) => user.FindFirst(ProjectClaim)!.Value;

    /// <inheritdoc cref="CallerOf(HttpContext)" />
    public static string CallerOf(ClaimsPrincipal user) => user.FindFirst(ClaimTypes.NameIdentifier)!.Value;

    /// <summary>Who asks, for the journal.</summary>
    public static string CallerOf(HttpContext context) => ((Principal)context.Items[Key]!).Id;

    /// <summary>Refuses a key that may not do what concerns all projects.</summary>
    public static void RequireAdmin(HttpContext context)
    {
        if (!((Principal)context.Items[Key]!).Scopes.Contains(AdminScope))
        {
            throw new AgentProblem(StatusCodes.Status403Forbidden, "forbidden", $"The key lacks the scope '{AdminScope}'.").AsException();
        }
    }

    /// <summary>Lets a request in that has a valid key, and tells what went wrong with it.</summary>
    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next)
    {
        HttpContext context = invocation.HttpContext;
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = options.MaxBodyBytes;
        }

        try
        {
            await CheckAsync(context);
            return await next(invocation);
        }
        catch (AgentProblemException exception) when (!context.Response.HasStarted)
        {
            await exception.Problem.WriteAsync(context);
        }
        catch (BadHttpRequestException exception) when (!context.Response.HasStarted)
        {
            AgentProblem problem = exception.StatusCode == StatusCodes.Status413PayloadTooLarge
                ? new AgentProblem(exception.StatusCode, "body_too_large", $"The body may have {options.MaxBodyBytes} bytes at most.")
                : new AgentProblem(exception.StatusCode, "invalid_request", exception.Message);
            await problem.WriteAsync(context);
        }
        catch (StorageException exception) when (!context.Response.HasStarted)
        {
            Log.StorageFailed(logger, exception);
            await new AgentProblem(StatusCodes.Status503ServiceUnavailable, "storage_unavailable", "The journal cannot be reached or written; nothing was changed.").WriteAsync(context);
        }

        return Results.Empty; // null would be written as JSON after what has been written
    }

    /// <summary>Lets requests in to what is no endpoint of the API's own.</summary>
    /// <param name="next">What is asked.</param>
    /// <param name="allowsParameter">Whether the key may be a parameter too: browsers can send no headers with a WebSocket.</param>
    public RequestDelegate Guard(RequestDelegate next, bool allowsParameter) => async context =>
    {
        try
        {
            await CheckAsync(context, allowsParameter ? context.Request.Query["access_token"].ToString() : "");
        }
        catch (AgentProblemException exception)
        {
            await exception.Problem.WriteAsync(context);
            return;
        }

        var principal = (Principal)context.Items[Key]!;
        context.User = new ClaimsPrincipal(new ClaimsIdentity([new Claim(ProjectClaim, principal.Project), new Claim(ClaimTypes.NameIdentifier, principal.Id)], "key"));
        await next(context);
    };

    private async ValueTask CheckAsync(HttpContext context, string parameter = "")
    {
        string bearer = context.Request.Headers.Authorization.ToString();
        string key = bearer.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? bearer[Scheme.Length..].Trim() : context.Request.Headers["x-api-key"].ToString().Trim();
        key = key.Length == 0 ? parameter : key;
        if (key.Length == 0)
        {
            throw new AgentProblem(StatusCodes.Status401Unauthorized, "missing_key", "Send a key: 'Authorization: Bearer KEY'.").AsException();
        }

        VerifyKeyResponse response = await authority.VerifyKeyAsync(new VerifyKeyRequest { Key = key }, context.RequestAborted);
        Principal principal = response.Principal ?? throw new AgentProblem(StatusCodes.Status401Unauthorized, "invalid_key", "The key is not valid.").AsException();
        context.Items[Key] = principal.Scopes.Contains(Scope)
            ? principal
            : throw new AgentProblem(StatusCodes.Status403Forbidden, "forbidden", $"The key lacks the scope '{Scope}'.").AsException();
    }

    private static partial class Log
    {
        [LoggerMessage(5101, LogLevel.Error, "The journal of the agent queue failed")]
        public static partial void StorageFailed(ILogger logger, Exception exception);
    }
}

using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Realtime;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Auth.V1;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Authentication;

/// <summary>Lets only requests with a valid key through, and remembers whose it is.</summary>
/// <remarks>The key is the Authorization header's bearer token or, as Anthropic's clients send it, the header x-api-key. Scripts in browsers can set no
/// header when they open a WebSocket: theirs is in one of the subprotocols that they name, as OpenAI has it. A client secret opens Realtime sockets and
/// does nothing else.</remarks>
internal sealed class BearerKey(IKeyAuthority authority, ClientSecrets secrets) : IEndpointFilter
{
    private const string Scheme = "Bearer ";
    private const string ProtocolPrefix = "openai-insecure-api-key.";
    private const string Scope = "inference";

    // An installation serves one organization; projects divide it.
    private const string Organization = "default";

    private const string RealtimePath = "/v1/realtime";

    private static readonly object Key = new();
    private static readonly object Secret = new();

    /// <summary>The project of the request's principal.</summary>
    public static string ProjectOf(HttpContext context) => ((Principal)context.Items[Key]!).Project;

    /// <summary>The client secret that was given as the key; null for a key.</summary>
    public static ClientSecret? SecretOf(HttpContext context) => (ClientSecret?)context.Items[Secret];

    /// <summary>Lets a request of the gateway itself through, on behalf of a project: it carries no key, and is not checked again.</summary>
    public static void Admit(HttpContext context, string project) => context.Items[Key] = new Principal { Project = project, Scopes = { Scope } };

    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next)
    {
        if (!invocation.HttpContext.Items.ContainsKey(Key))
        {
            await CheckAsync(invocation.HttpContext);
        }

        return await next(invocation);
    }

    /// <exception cref="OpenAiException">There is no key, it is not valid, or it may not do this.</exception>
    private async ValueTask CheckAsync(HttpContext context)
    {
        string key = KeyOf(context) ?? throw new OpenAiException(OpenAiError.MissingKey);
        if (key.StartsWith(ClientSecrets.Prefix, StringComparison.Ordinal) && await secrets.FindAsync(key, context.RequestAborted) is { } secret)
        {
            context.Items[Secret] = secret;
            Admit(context, context.Request.Path == RealtimePath ? secret.Project : throw new OpenAiException(OpenAiError.Forbidden));
            return;
        }

        VerifyKeyResponse response = await authority.VerifyKeyAsync(new VerifyKeyRequest { Key = key }, context.RequestAborted);
        Principal principal = response.Principal ?? throw new OpenAiException(OpenAiError.WrongKey(key));
        context.Response.Headers["openai-organization"] = Organization;
        context.Response.Headers["openai-project"] = principal.Project;
        context.Items[Key] = principal.Scopes.Contains(Scope) ? principal : throw new OpenAiException(OpenAiError.Forbidden);
    }

    private static string? KeyOf(HttpContext context)
    {
        IHeaderDictionary headers = context.Request.Headers;
        string bearer = headers.Authorization.ToString();
        string key = bearer.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? bearer[Scheme.Length..].Trim() : headers["x-api-key"].ToString().Trim();
        return key.Length > 0 ? key : context.WebSockets.IsWebSocketRequest
            ? context.WebSockets.WebSocketRequestedProtocols.FirstOrDefault(static name => name.StartsWith(ProtocolPrefix, StringComparison.Ordinal))?[ProtocolPrefix.Length..]
            : null;
    }
}

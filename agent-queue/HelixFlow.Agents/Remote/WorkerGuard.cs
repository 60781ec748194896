using Grpc.Core;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Auth.V1;

namespace HelixFlow.Agents.Remote;

/// <summary>Lets calls of workers in. A worker sees the jobs of all projects, so that its key needs a scope of its own.</summary>
public sealed class WorkerGuard(IKeyAuthority authority)
{
    /// <summary>What the key must be good for.</summary>
    public const string Scope = "worker";

    private const string Header = "authorization";
    private const string Scheme = "Bearer ";

    /// <summary>Who calls.</summary>
    /// <exception cref="RpcException">Nobody who may.</exception>
    public async ValueTask<Principal> CheckAsync(ServerCallContext context)
    {
        string? bearer = context.RequestHeaders.GetValue(Header);
        if (bearer is null || !bearer.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            throw WorkerStatus.Refuse(StatusCode.Unauthenticated, "KEY_MISSING", "Send a key as metadata: 'authorization: Bearer KEY'.");
        }

        VerifyKeyResponse response = await authority.VerifyKeyAsync(new VerifyKeyRequest { Key = bearer[Scheme.Length..].Trim() }, context.CancellationToken).ConfigureAwait(false);
        Principal principal = response.Principal ?? throw WorkerStatus.Refuse(StatusCode.Unauthenticated, "KEY_INVALID", "The key is not valid.");
        return principal.Scopes.Contains(Scope) ? principal
            : throw WorkerStatus.Refuse(StatusCode.PermissionDenied, "SCOPE_MISSING", $"The key lacks the scope '{Scope}'.");
    }
}

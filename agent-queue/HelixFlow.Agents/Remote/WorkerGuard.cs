using Grpc.Core;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Auth.V1;

namespace HelixFlow.Agents.Remote;

/// <summary>Lets calls of workers in, and says which runs they reach.</summary>
public sealed class WorkerGuard(IKeyAuthority authority)
{
    /// <summary>What the key of a worker that does the jobs of the key's own project must be good for.</summary>
    public const string Scope = "worker";

    /// <summary>What the key of a worker that does the jobs of all projects must be good for; <c>admin</c> will do too.</summary>
    public const string AllProjectsScope = "workers";

    private const string AdminScope = "admin";

    private const string Header = "authorization";
    private const string Scheme = "Bearer ";

    /// <summary>Who calls.</summary>
    /// <exception cref="RpcException">Nobody who may.</exception>
    public async ValueTask<WorkerAccess> CheckAsync(ServerCallContext context)
    {
        string? bearer = context.RequestHeaders.GetValue(Header);
        if (bearer is null || !bearer.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            throw WorkerStatus.Refuse(StatusCode.Unauthenticated, "KEY_MISSING", "Send a key as metadata: 'authorization: Bearer KEY'.");
        }

        VerifyKeyResponse response = await authority.VerifyKeyAsync(new VerifyKeyRequest { Key = bearer[Scheme.Length..].Trim() }, context.CancellationToken).ConfigureAwait(false);
        Principal principal = response.Principal ?? throw WorkerStatus.Refuse(StatusCode.Unauthenticated, "KEY_INVALID", "The key is not valid.");
        return principal.Scopes.Contains(AllProjectsScope) || principal.Scopes.Contains(AdminScope) ? new WorkerAccess((string?)null)
            : principal.Scopes.Contains(Scope) ? new WorkerAccess(principal.Project)
            : throw WorkerStatus.Refuse(StatusCode.PermissionDenied, "SCOPE_MISSING", $"The key lacks the scope '{Scope}'.");
    }
}

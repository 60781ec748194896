using HelixFlow.Schemas.Auth.V1;

namespace HelixFlow.Schemas;

/// <summary>The auth service as its callers see it: the messages of <c>helixflow/auth/v1/auth.proto</c> over any transport.</summary>
/// <remarks>Thread-safe.</remarks>
public interface IKeyAuthority
{
    /// <summary>Resolves a bearer key to its principal; the response has none when the key is not valid.</summary>
    ValueTask<VerifyKeyResponse> VerifyKeyAsync(VerifyKeyRequest request, CancellationToken cancellationToken);
}

using System.Security.Cryptography;
using System.Text;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Auth.V1;

namespace HelixFlow.Auth;

/// <summary>Knows one key, the admin's. The auth service of a single process.</summary>
/// <remarks>Thread-safe. Only the key's hash is kept in memory; comparison takes the same time whatever was sent.</remarks>
public sealed class AdminKeyAuthority(AdminKey key) : IKeyAuthority
{
    private readonly byte[] _hash = Hash(key.Value);

    /// <inheritdoc/>
    public ValueTask<VerifyKeyResponse> VerifyKeyAsync(VerifyKeyRequest request, CancellationToken cancellationToken)
    {
        var response = new VerifyKeyResponse();
        if (CryptographicOperations.FixedTimeEquals(Hash(request.Key), _hash))
        {
            response.Principal = new Principal { Id = "admin", Project = "default", Scopes = { "inference", "admin", "worker" } };
        }

        return ValueTask.FromResult(response);
    }

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}

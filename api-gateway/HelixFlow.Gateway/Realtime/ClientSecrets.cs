using System.Security.Cryptography;
using System.Text;
using HelixFlow.Storage;

namespace HelixFlow.Gateway.Realtime;

/// <summary>What a client secret lets its holder do: open Realtime sockets of one project, which answer so.</summary>
/// <param name="Project">Whose it is.</param>
/// <param name="SessionJson">The session's fields, its model among them.</param>
internal sealed record ClientSecret(string Project, string SessionJson);

/// <summary>The short-lived keys of the Realtime API, in the gateway's database: they outlive the process, and only their hashes are kept. Thread-safe.</summary>
internal sealed class ClientSecrets(IDatabase database, TimeProvider time)
{
    /// <summary>What all of them begin with.</summary>
    public const string Prefix = "ek_";

    private const int RandomBytes = 24;

    /// <summary>Seconds since 1970.</summary>
    public long Now => time.GetUtcNow().ToUnixTimeSeconds();

    /// <summary>Makes a key; it is shown this once. Those that have expired are forgotten.</summary>
    public async Task<string> CreateAsync(ClientSecret secret, long expiresAt, CancellationToken cancellationToken)
    {
        string key = Prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(RandomBytes));
        long now = Now;
        await database.WriteAsync(
            session =>
            {
                session.Execute("delete from client_secrets where expires_at <= $1", now);
                session.Execute(
                    "insert into client_secrets (hash, project, expires_at, session) values ($1, $2, $3, $4)", HashOf(key), secret.Project, expiresAt, secret.SessionJson);
            },
            cancellationToken);
        return key;
    }

    /// <summary>What a key is for; null when it is none, or has expired.</summary>
    public Task<ClientSecret?> FindAsync(string key, CancellationToken cancellationToken)
    {
        long now = Now;
        return database.ReadAsync(
            session => session.First(
                "select project, session from client_secrets where hash = $1 and expires_at > $2", static row => new ClientSecret(row.GetString(0), row.GetString(1)), HashOf(key), now),
            cancellationToken);
    }

    // Keys are random: a hash without salt or cost says nothing of them.
    private static string HashOf(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
}

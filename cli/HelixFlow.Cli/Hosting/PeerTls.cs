using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Cli.Hosting;

/// <summary>How gateway and nodes prove to each other who they are: each has a certificate, and both trust one authority.</summary>
/// <remarks>Immutable. Names are checked against the certificate by the side that connects, as usual in TLS.</remarks>
internal sealed partial class PeerTls
{
    private readonly X509Certificate2 _own;
    private readonly X509Certificate2Collection _authority;

    private PeerTls(X509Certificate2 own, X509Certificate2Collection authority)
    {
        _own = own;
        _authority = authority;
    }

    /// <summary>Reads PEM files.</summary>
    /// <exception cref="IOException">A file is missing, cannot be read, or is no certificate or key.</exception>
    public static PeerTls Load(string certificatePath, string keyPath, string authorityPath)
    {
        try
        {
            var authority = new X509Certificate2Collection();
            authority.ImportFromPemFile(authorityPath);
            return new PeerTls(X509Certificate2.CreateFromPemFile(certificatePath, keyPath), authority);
        }
        catch (CryptographicException exception)
        {
            throw new IOException($"{certificatePath}, {keyPath} or {authorityPath} is not a PEM certificate or key: {exception.Message}", exception);
        }
    }

    /// <summary>Serves TLS and takes only clients with a certificate of the authority; who is refused is logged.</summary>
    public void Configure(HttpsConnectionAdapterOptions https, ILogger logger)
    {
        https.ServerCertificate = _own;
        https.OnAuthenticate = (connection, ssl) =>
        {
            // Not through Kestrel's ClientCertificateMode: it would refuse without a word, and its callback and this one exclude each other.
            ssl.ClientCertificateRequired = true;
            ssl.RemoteCertificateValidationCallback = (_, certificate, _, errors) => Admits(connection.RemoteEndPoint, certificate, errors, logger);
        };
    }

    /// <summary>Connects with the own certificate to servers with one of the authority.</summary>
    public SslClientAuthenticationOptions ClientOptions() => new()
    {
        ClientCertificates = [_own],
        RemoteCertificateValidationCallback = (_, certificate, _, errors) => certificate is X509Certificate2 peer && IsTrusted(peer, errors),
    };

    private bool Admits(EndPoint? client, X509Certificate? certificate, SslPolicyErrors errors, ILogger logger)
    {
        if (certificate is not X509Certificate2 peer)
        {
            Log.NoCertificate(logger, client);
            return false;
        }

        if (!IsTrusted(peer, errors & ~SslPolicyErrors.RemoteCertificateNameMismatch))
        {
            Log.Untrusted(logger, client, peer.Subject);
            return false;
        }

        return true;
    }

    // The system's own judgement of the chain is replaced, since it does not know the authority; its judgement of the name stands.
    private bool IsTrusted(X509Certificate2 certificate, SslPolicyErrors errors)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(_authority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        return (errors & ~SslPolicyErrors.RemoteCertificateChainErrors) == SslPolicyErrors.None && chain.Build(certificate);
    }

    private static partial class Log
    {
        [LoggerMessage(6011, LogLevel.Warning, "TLS: {Peer} was refused: it has shown no certificate")]
        public static partial void NoCertificate(ILogger logger, EndPoint? peer);

        [LoggerMessage(6012, LogLevel.Warning, "TLS: {Peer} was refused: its certificate ({Subject}) is not from the authority, or not valid at this time")]
        public static partial void Untrusted(ILogger logger, EndPoint? peer, string subject);
    }
}

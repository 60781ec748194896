using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace HelixFlow.Grpc.Tests.Interop;

/// <summary>An authority of the tests' own and what it has signed for a server on the loopback device and for a client; as files too.</summary>
internal sealed class Certificates : IDisposable
{
    public const string ClientName = "interop-client";

    private readonly X509Certificate2 _authority;

    public Certificates()
    {
        _authority = SignAuthority();
        Server = Sign("127.0.0.1", "1.3.6.1.5.5.7.3.1");
        Client = Sign(ClientName, "1.3.6.1.5.5.7.3.2");
        File.WriteAllText(Path.Combine(Folder, "ca.pem"), _authority.ExportCertificatePem());
        Write("server", Server);
        Write("client", Client);
    }

    public string Folder { get; } = Directory.CreateTempSubdirectory("helixflow-grpc-tls-").FullName;

    public X509Certificate2 Server { get; }

    public X509Certificate2 Client { get; }

    public bool IsTrusted(X509Certificate certificate)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(_authority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        return chain.Build((X509Certificate2)certificate);
    }

    /// <summary>A handler that trusts the authority alone, and shows the client's certificate if it shall.</summary>
    public SocketsHttpHandler CreateHandler(bool mutual) => new()
    {
        SslOptions = new SslClientAuthenticationOptions
        {
            RemoteCertificateValidationCallback = (_, certificate, _, errors) =>
                (errors & ~SslPolicyErrors.RemoteCertificateChainErrors) == SslPolicyErrors.None && IsTrusted(certificate!),
            ClientCertificates = mutual ? [Client] : [],
        },
    };

    public void Dispose()
    {
        Directory.Delete(Folder, recursive: true);
        _authority.Dispose();
        Server.Dispose();
        Client.Dispose();
    }

    private static X509Certificate2 SignAuthority()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=HelixFlow test authority", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
    }

    private X509Certificate2 Sign(string name, string purpose)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(purpose)], false));
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        using X509Certificate2 signed = request.Create(_authority, now.AddHours(-12), now.AddHours(12), RandomNumberGenerator.GetBytes(8));
        return signed.CopyWithPrivateKey(key);
    }

    private void Write(string name, X509Certificate2 certificate)
    {
        File.WriteAllText(Path.Combine(Folder, name + ".pem"), certificate.ExportCertificatePem());
        using ECDsa key = certificate.GetECDsaPrivateKey()!;
        File.WriteAllText(Path.Combine(Folder, name + ".key"), key.ExportPkcs8PrivateKeyPem());
    }
}

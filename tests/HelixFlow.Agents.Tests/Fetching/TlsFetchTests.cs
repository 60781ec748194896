using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using HelixFlow.Agents.Fetching;

namespace HelixFlow.Agents.Tests.Fetching;

public sealed class TlsFetchTests
{
    [Fact]
    public async Task A_certificate_is_checked_and_one_that_will_not_do_is_a_failure()
    {
        using X509Certificate2 own = NewCertificate("good.site.test");
        await using TestWeb web = await TestWeb.StartAsync(own);
        web.Page("good.site.test", "/", "<p>safe");
        web.Page("other.site.test", "/", "<p>not");
        var trust = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        trust.CustomTrustStore.Add(own);
        using var trusting = new WebFetcher(web.Options(), TimeProvider.System, trust);
        using var strict = new WebFetcher(web.Options(), TimeProvider.System);
        CancellationToken token = TestContext.Current.CancellationToken;

        Assert.Equal("safe", (await trusting.FetchAsync($"https://good.site.test:{web.Port}/", token)).Page?.Text);
        Assert.Equal(FetchFailure.Tls, (await trusting.FetchAsync($"https://other.site.test:{web.Port}/", token)).Failure); // another name
        Assert.Equal(FetchFailure.Tls, (await strict.FetchAsync($"https://good.site.test:{web.Port}/", token)).Failure); // unknown authority
        Assert.DoesNotContain("other.site.test/", web.Asked);
    }

    private static X509Certificate2 NewCertificate(string host)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={host}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(host);
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        using X509Certificate2 made = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }
}

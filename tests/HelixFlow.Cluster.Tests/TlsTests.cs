using HelixFlow.Cluster.Tests.Processes;
using HelixFlow.Grpc.Tests.Interop;

namespace HelixFlow.Cluster.Tests;

/// <summary>Gateway and node prove to each other who they are.</summary>
public sealed class TlsTests
{
    [Fact]
    public async Task With_certificates_of_one_authority_they_work_together_and_others_are_refused()
    {
        using var certificates = new Certificates();
        using var strangers = new Certificates();
        await using Processes.Cluster cluster = Processes.Cluster.Empty();
        PoolNode node = cluster.AddNode("a", ["--tls", .. Files(certificates, "server")]);
        await node.StartAsync();
        Assert.Equal(Uri.UriSchemeHttps, node.Grpc.Scheme);
        string place = $"static:{node.Grpc.GetLeftPart(UriPartial.Authority)}";
        cluster.SetGateway(["--nodes", place, "--tls", .. Files(certificates, "client")]);
        await cluster.Gateway.StartAsync();
        await cluster.Gateway.UntilNodesAsync(1);

        ChatStream stream = cluster.Stream(new ChatBody { MaxTokens = 16 });
        await cluster.UntilEndedAsync([stream]);
        Assert.True(stream.Done, $"{stream}\n{cluster.Output}");

        await RefusedAsync(cluster, "certificate", place);
        await RefusedAsync(cluster, "certificate", place, ["--tls", .. Files(strangers, "client")]);
        await RefusedAsync(cluster, "HTTP/2", place.Replace("https:", "http:", StringComparison.Ordinal));

        // It trusts the node, but the node does not trust it.
        string[] mixed = Files(strangers, "client");
        mixed[2] = Path.Combine(certificates.Folder, "ca.pem");
        await RefusedAsync(cluster, "", place, ["--tls", .. mixed]);
        await Eventually.TrueAsync(
            () => node.Process.CountLines("is not from the authority") > 0, "the node says that it refused a gateway", () => cluster.Output);

        // It trusts the node and shows nothing.
        using var nameless = new HttpClient(certificates.CreateHandler(mutual: false));
        await Assert.ThrowsAsync<HttpRequestException>(() => nameless.GetAsync(node.Grpc));
        await Eventually.TrueAsync(() => node.Process.CountLines("it has shown no certificate") > 0, "the node says that it refused a client", () => cluster.Output);
    }

    private static string[] Files(Certificates certificates, string name) =>
        [.. ((string[])[$"{name}.pem", $"{name}.key", "ca.pem"]).Select(file => Path.Combine(certificates.Folder, file))];

    /// <summary>Such a gateway never gets the node, and says so.</summary>
    private static async Task RefusedAsync(Processes.Cluster cluster, string reason, string place, params string[] arguments)
    {
        await using var data = new TemporaryFolder();
        await using var gateway = new Gateway(data.Path, cluster.Client, ["--nodes", place, .. arguments]);
        await gateway.StartAsync();
        await Eventually.TrueAsync(() => gateway.Process.CountLines("cannot be reached") > 0, "the gateway says that it cannot reach the node", () => gateway.Output);
        string line = gateway.Output.Split('\n').First(line => line.Contains("cannot be reached", StringComparison.Ordinal));
        Assert.Contains(reason, line, StringComparison.Ordinal);
        Assert.Equal(System.Net.HttpStatusCode.ServiceUnavailable, await gateway.HealthAsync("/readyz"));
    }
}

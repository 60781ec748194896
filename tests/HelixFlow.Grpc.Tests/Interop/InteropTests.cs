using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Grpc.Testing;
using HelixFlow.Grpc.Tests.Wire;

namespace HelixFlow.Grpc.Tests.Interop;

/// <summary>gRPC's interoperability cases with foreign implementations in both directions. The cases of a server run one after the other.</summary>
public sealed class InteropTests(InteropRun run) : IClassFixture<InteropRun>
{
    private static readonly TimeSpan Guard = TimeSpan.FromMinutes(10);

    public static TheoryData<string, string, Security> Calls => [.. Of(Direction.Calling)];

    public static TheoryData<string, string, Security> Services => [.. Of(Direction.Serving)];

    [Theory]
    [MemberData(nameof(Calls))]
    public async Task The_client_understands_the_peers_server(string peer, string name, Security security)
    {
        var cell = new Cell(Direction.Calling, peer, name, security);
        await HoldAsync(cell, async () =>
        {
            PeerServer server = await run.PeerAsync(Peer.Named(peer), security);
            var tap = new Tap();
            using SocketsHttpHandler handler = security == Security.Plain ? tap.CreateHandler()
                : run.Certificates.CreateHandler(mutual: security == Security.Mutual && name != "refused_without_certificate");
            using GrpcChannel channel = GrpcChannel.ForAddress(
                (security == Security.Plain ? "http://" : "https://") + server.Address, new GrpcChannelOptions { HttpHandler = handler });
            await (name switch
            {
                "health" => CheckHealthAsync(channel),
                "refused_without_certificate" => CheckRefusedAsync(channel),
                _ => new ClientCases(channel.CreateCallInvoker(), tap, probe: InteropTable.ExtentOf(cell) != Extent.InPart).RunAsync(name),
            });
        });
    }

    [Theory]
    [MemberData(nameof(Services))]
    public async Task The_server_serves_the_peers_client(string peer, string name, Security security)
    {
        await HoldAsync(new Cell(Direction.Serving, peer, name, security), async () =>
        {
            InteropServer server = await run.OwnAsync(security);
            server.TakeTaps();
            string[] arguments = run.Arguments(name == "refused_without_certificate" ? Security.Tls : security);
            await Peer.Named(peer).RunClientAsync(server.Address, name, arguments);
            bool[] sent = [.. server.TakeTaps().SelectMany(tap => tap.FromServer.All)];
            if (name.StartsWith("server_compressed", StringComparison.Ordinal))
            {
                Assert.Equal([true, false], sent);
            }
        });
    }

    [Fact]
    public void The_committed_document_tells_what_the_cases_are_held_to()
    {
        string committed = Path.Combine(Peer.Root, "docs/grpc-interop.md");
        string expected = InteropTable.Render("", cell => InteropTable.NameOf(InteropTable.ExtentOf(cell)));

        Assert.Equal(InteropTable.WithoutVersions(expected), InteropTable.WithoutVersions(File.Exists(committed) ? File.ReadAllText(committed) : ""));
    }

    private static IEnumerable<TheoryDataRow<string, string, Security>> Of(Direction direction) =>
        InteropTable.Cells.Where(cell => cell.Direction == direction).Select(cell => new TheoryDataRow<string, string, Security>(cell.Peer, cell.Case, cell.Security));

    /// <summary>Holds a cell to what the document says of it: also what a peer cannot do is tried, so that the document does not outlive the reason.</summary>
    private async Task HoldAsync(Cell cell, Func<Task> runCase)
    {
        Peer.Named(cell.Peer).SkipIfMissing();
        Extent extent = InteropTable.ExtentOf(cell);
        run.Record(cell, "failed");
        if (extent == Extent.NotPossible)
        {
            await Assert.ThrowsAnyAsync<Exception>(runCase);
        }
        else
        {
            await runCase().WaitAsync(Guard);
        }

        run.Record(cell, InteropTable.NameOf(extent));
    }

    private static async Task CheckHealthAsync(GrpcChannel channel)
    {
        var client = new Health.HealthClient(channel);
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, (await client.CheckAsync(new HealthCheckRequest())).Status);
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.NotServing, (await client.CheckAsync(new HealthCheckRequest { Service = "grpc.testing.Asleep" })).Status);
        RpcException unknown = await Assert.ThrowsAsync<RpcException>(() => client.CheckAsync(new HealthCheckRequest { Service = "nobody" }).ResponseAsync);
        Assert.Equal(StatusCode.NotFound, unknown.StatusCode);
    }

    private static async Task CheckRefusedAsync(GrpcChannel channel)
    {
        RpcException refused = await Assert.ThrowsAsync<RpcException>(() => new TestService.TestServiceClient(channel).EmptyCallAsync(new Empty()).ResponseAsync);
        Assert.Equal(StatusCode.Unavailable, refused.StatusCode);
    }
}

using System.Net.Http.Headers;

namespace HelixFlow.Cluster.Tests.Processes;

/// <summary>A gateway and its nodes, each a process of its own on the loopback device; all are killed at the end.</summary>
internal sealed class Cluster : IAsyncDisposable
{
    public const string Model = "helix-tiny";

    private readonly string _data = Directory.CreateTempSubdirectory("helixflow-cluster-").FullName;

    private Cluster()
    {
    }

    public List<PoolNode> Nodes { get; } = [];

    public Gateway Gateway { get; private set; } = null!;

    public HttpClient Client { get; } = CreateClient();

    /// <summary>What all processes have written.</summary>
    public string Output => string.Concat(Nodes.Select(node => node.Output).Prepend(Gateway?.Output));

    /// <summary>Starts nodes named a, b, c … and a gateway that has them all in its rotation.</summary>
    /// <param name="nodes">How many.</param>
    /// <param name="node">Further arguments of the nodes.</param>
    /// <param name="gateway">Further arguments of the gateway.</param>
    /// <param name="silenceSeconds">How long a node may be silent before it is lost.</param>
    public static async Task<Cluster> StartAsync(int nodes, string[]? node = null, string[]? gateway = null, int silenceSeconds = 300)
    {
        var cluster = new Cluster();
        try
        {
            for (int i = 0; i < nodes; i++)
            {
                cluster.AddNode($"{(char)('a' + i)}", node ?? []);
            }

            await Task.WhenAll(cluster.Nodes.Select(added => added.StartAsync()));
            string place = "static:" + string.Join(',', cluster.Nodes.Select(added => added.Grpc.GetLeftPart(UriPartial.Authority)));
            cluster.Gateway = new Gateway(cluster._data, cluster.Client, ["--nodes", place, .. gateway ?? []]) { SilenceSeconds = silenceSeconds };
            await cluster.Gateway.StartAsync();
            await cluster.Gateway.UntilNodesAsync(nodes);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>A cluster whose parts are still to be added and started.</summary>
    public static Cluster Empty() => new();

    public static HttpClient CreateClient()
    {
        // By default a response that is disposed early is read on for up to two seconds; here leaving has to close the connection.
        var client = new HttpClient(new SocketsHttpHandler { MaxResponseDrainSize = 0 }) { Timeout = Timeout.InfiniteTimeSpan };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", HelixProcess.Key);
        return client;
    }

    public PoolNode AddNode(string name, params string[] arguments)
    {
        var node = new PoolNode(name, _data, Client, arguments);
        Nodes.Add(node);
        return node;
    }

    public void SetGateway(params string[] arguments) => Gateway = new Gateway(_data, Client, arguments);

    public ChatStream Stream(ChatBody body) => ChatStream.Start(Client, Gateway.Address, body);

    public ChatStream[] Streams(IEnumerable<ChatBody> bodies) => [.. bodies.Select(Stream)];

    /// <summary>Waits until every stream has got so many pieces of text, or has ended.</summary>
    public Task UntilPiecesAsync(IReadOnlyCollection<ChatStream> streams, int pieces) => Eventually.TrueAsync(
        () => streams.All(stream => stream.Pieces >= pieces || stream.HasEnded), $"{streams.Count} streams have {pieces} pieces", () => Output);

    public async Task UntilEndedAsync(IReadOnlyCollection<ChatStream> streams)
    {
        await Eventually.TrueAsync(() => streams.All(stream => stream.HasEnded), $"{streams.Count} streams end", () => Output);
    }

    public async ValueTask DisposeAsync()
    {
        if (Gateway is { } gateway)
        {
            await gateway.DisposeAsync();
        }

        foreach (PoolNode node in Nodes)
        {
            await node.DisposeAsync();
        }

        Client.Dispose();
        Directory.Delete(_data, recursive: true);
    }
}

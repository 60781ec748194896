using System.Globalization;
using HelixFlow.Cli.Hosting;
using HelixFlow.Discovery;
using HelixFlow.Gateway.Routing;
using HelixFlow.InferenceNode;
using HelixFlow.Schemas;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.Benchmarks.Cluster;

/// <summary>One way from a client to a pool, and the processes on it.</summary>
/// <param name="Name">For the tables.</param>
/// <param name="Target">Takes the requests.</param>
/// <param name="Processes">Whose processor time counts besides the client's own.</param>
internal sealed record OverheadSetup(string Name, Target Target, params IReadOnlyList<ChildProcess> Processes)
{
    private static readonly HttpClient Client = new();

    /// <summary>A server on the way that tells what it has allocated.</summary>
    public Uri? Allocating { get; init; }

    /// <summary>Bytes that <see cref="Allocating"/>, or without one this process, has allocated.</summary>
    public async Task<double> AllocatedAsync(CancellationToken cancellationToken) => Allocating is null
        ? GC.GetTotalAllocatedBytes()
        : double.Parse(await Client.GetStringAsync(new Uri(Allocating, PacedHost.AllocatedPath), cancellationToken), CultureInfo.InvariantCulture);

    /// <summary>Processor time of the client and all processes on the way.</summary>
    public TimeSpan ProcessorTime => Processes.Aggregate(Environment.CpuUsage.TotalTime, static (sum, process) => sum + process.ProcessorTime);
}

/// <summary>The set-ups that are compared; the first is the baseline.</summary>
internal sealed class OverheadSetups : IAsyncDisposable
{
    private readonly Stack<IAsyncDisposable> _owned = [];
    private readonly List<OverheadSetup> _all = [];

    public IReadOnlyList<OverheadSetup> All => _all;

    /// <summary>Over a pool that emits tokens by script.</summary>
    public static Task<OverheadSetups> PacedAsync(TimeSpan interval, CancellationToken cancellationToken) => StartAsync(
        setups => ValueTask.FromResult<IInferencePool>(setups.Own(new PacedPool(interval))),
        () => Servers.PacedPoolAsync(interval, cancellationToken),
        () => Servers.PacedAllInOneAsync(interval, cancellationToken),
        tellsAllocations: true,
        cancellationToken);

    /// <summary>Over nodes with a real engine on one thread.</summary>
    /// <param name="model">A folder or GGUF file.</param>
    /// <param name="cancellationToken">Stops what has started.</param>
    public static Task<OverheadSetups> EngineAsync(string model, CancellationToken cancellationToken) => StartAsync(
        async setups =>
        {
            Node node = setups.Own(new Node(
                new NodeOptions { Models = [new ModelSource(ModelSource.NameOf(model), model)], Threads = 1 }, TimeProvider.System, NullLoggerFactory.Instance));
            await node.LoadAsync(cancellationToken);
            return node;
        },
        () => Servers.PoolAsync(model, threads: 1, kvMib: 0, cancellationToken),
        () => Servers.AllInOneAsync(model, threads: 1, cancellationToken),
        tellsAllocations: false,
        cancellationToken);

    public async ValueTask DisposeAsync()
    {
        while (_owned.TryPop(out IAsyncDisposable? owned))
        {
            await owned.DisposeAsync();
        }
    }

    private static async Task<OverheadSetups> StartAsync(
        Func<OverheadSetups, ValueTask<IInferencePool>> inProcess,
        Func<Task<RunningServer>> pool,
        Func<Task<RunningServer>> allInOne,
        bool tellsAllocations,
        CancellationToken cancellationToken)
    {
        var setups = new OverheadSetups();
        try
        {
            IInferencePool direct = await inProcess(setups);
            setups._all.Add(new OverheadSetup("in process", new PoolTarget(direct)));
            Router router = setups.Own(PacedHost.Route(direct));
            await router.WaitUntilReadyAsync(cancellationToken);
            setups._all.Add(new OverheadSetup("router", new PoolTarget(router)));

            RunningServer node = setups.Own(await pool());
            NodeTransport transport = NodeTransports.Connect(new NodeAddress("node", node.Grpc!), null, TimeSpan.FromSeconds(10));
            setups._all.Add(new OverheadSetup("gRPC", new PoolTarget(transport.Pool), node.Process) { Allocating = tellsAllocations ? node.Http : null });
            Router remote = setups.Own(new Router(
                new RouterOptions(), new StaticDiscovery([node.Grpc!]), address => NodeTransports.Connect(address, null, TimeSpan.FromSeconds(10)), new Random(1), TimeProvider.System, NullLoggerFactory.Instance));
            await remote.WaitUntilReadyAsync(cancellationToken);
            setups._all.Add(new OverheadSetup("router + gRPC", new PoolTarget(remote), node.Process));

            RunningServer one = setups.Own(await allInOne());
            setups._all.Add(new OverheadSetup("all in one, HTTP", new HttpTarget(one.Http), one.Process) { Allocating = tellsAllocations ? one.Http : null });
            RunningServer gateway = setups.Own(await Servers.GatewayAsync([node.Grpc!], "prefix", cancellationToken));
            setups._all.Add(new OverheadSetup("gateway and pool, HTTP", new HttpTarget(gateway.Http), gateway.Process, node.Process));
            return setups;
        }
        catch
        {
            await setups.DisposeAsync();
            throw;
        }
    }

    private T Own<T>(T disposable)
        where T : IAsyncDisposable
    {
        _owned.Push(disposable);
        return disposable;
    }
}

using HelixFlow.Cli.Store;
using HelixFlow.Gateway.Routing;

namespace HelixFlow.Cli.Hosting;

/// <summary>Which services a process runs.</summary>
internal enum ServerRole
{
    /// <summary>Gateway and node, joined in memory.</summary>
    All,

    /// <summary>The OpenAI API over nodes elsewhere.</summary>
    Gateway,

    /// <summary>An inference node for gateways elsewhere.</summary>
    Pool,
}

/// <summary>What <c>helixflow serve</c> was asked for; the command has validated it.</summary>
internal sealed record ServerOptions
{
    public ServerRole Role { get; init; }

    public required string Host { get; init; }

    /// <summary>Where HTTP is served: the API, or in a pool process health and metrics. 0 takes a free port.</summary>
    public required int Port { get; init; }

    public required string DataFolder { get; init; }

    public IReadOnlyList<ModelLocation> Models { get; init; } = [];

    public int Threads { get; init; }

    public int MaxSequences { get; init; }

    public int MaxWaiting { get; init; }

    /// <summary>How long an engine's step should take at most while anything decodes; null for no limit.</summary>
    public TimeSpan? StepTimeBudget { get; init; }

    /// <summary>Whether equal requests get equal answers, requests without a seed included.</summary>
    public bool Deterministic { get; init; }

    public long KvBytes { get; init; }

    /// <summary>What models may take of the machine's memory together, in bytes; 0 for the default.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>Names of models that are never evicted.</summary>
    public IReadOnlyList<string> Pinned { get; init; } = [];

    /// <summary>Where a pool process serves gRPC; 0 takes a free port.</summary>
    public int GrpcPort { get; init; }

    /// <summary>The node's name in the pool; null for one made of host and port.</summary>
    public string? NodeId { get; init; }

    /// <summary>Where a gateway finds its nodes, as <c>static:…</c>, <c>dns:…</c> or <c>consul:…</c>.</summary>
    public string? Nodes { get; init; }

    /// <summary>Where a pool process announces itself, as <c>consul:…</c>; null for nowhere.</summary>
    public string? Register { get; init; }

    /// <summary>The address that is announced; null for the address that is listened on.</summary>
    public string? Advertise { get; init; }

    /// <summary>By project: its share against the others of the same priority where requests queue. Others have 1.</summary>
    public IReadOnlyDictionary<string, double> ProjectWeights { get; init; } = new Dictionary<string, double>(StringComparer.Ordinal);

    public NodeLossPolicy OnNodeLoss { get; init; }

    public RoutingPolicy Routing { get; init; }

    /// <summary>How long running requests may take to end after SIGTERM.</summary>
    public TimeSpan DrainLimit { get; init; } = TimeSpan.FromSeconds(30);

    public PeerTls? Tls { get; init; }
}

using System.Security.Cryptography.X509Certificates;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Gateway;
using HelixFlow.Gateway.Routing;
using HelixFlow.InferenceNode;

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

    /// <summary>Npgsql's connection string of the database that gateways share; null for SQLite files in the data folder.</summary>
    public string? Database { get; init; }

    /// <summary>The RabbitMQ broker that carries the hints of the gateways that share a database; null for the database itself.</summary>
    public Uri? Broker { get; init; }

    /// <summary>A folder that gateways share, for their clients' files; null for the data folder.</summary>
    public string? SharedFolder { get; init; }

    /// <summary>The node of this process; of a process that is a gateway only, what the gateway shares with its nodes.</summary>
    public required NodeOptions Node { get; init; }

    /// <summary>Where a pool process serves gRPC; 0 takes a free port.</summary>
    public int GrpcPort { get; init; }

    /// <summary>Where a gateway finds its nodes, as <c>static:…</c>, <c>dns:…</c> or <c>consul:…</c>.</summary>
    public string? Nodes { get; init; }

    /// <summary>Where a pool process announces itself, as <c>consul:…</c>; null for nowhere.</summary>
    public string? Register { get; init; }

    /// <summary>The address that is announced; null for the address that is listened on.</summary>
    public string? Advertise { get; init; }

    public NodeLossPolicy OnNodeLoss { get; init; }

    public RoutingPolicy Routing { get; init; }

    /// <summary>How long running requests may take to end after SIGTERM.</summary>
    public TimeSpan DrainLimit { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a node may say nothing to a gateway before it is lost.</summary>
    public TimeSpan SilenceLimit { get; init; } = TimeSpan.FromSeconds(4);

    public PeerTls? Tls { get; init; }

    /// <summary>The certificate, with its key, that the API is served with; null for HTTP without TLS.</summary>
    public X509Certificate2? Certificate { get; init; }

    /// <summary>Whether webhooks of jobs may be sent to private and loopback addresses.</summary>
    public bool AllowPrivateWebhooks { get; init; }

    /// <summary>What the gateway of this process allows its clients.</summary>
    public GatewayOptions Gateway { get; init; } = new();

    /// <summary>The folder of the manifests of programs that do jobs; null for none.</summary>
    public string? Handlers { get; init; }

    /// <summary>Most jobs at the same time in this process; 0 leaves them to workers in other processes, null is the worker's default.</summary>
    public int? JobSlots { get; init; }

    /// <summary>Most jobs of a type at the same time, over all workers.</summary>
    public IReadOnlyDictionary<string, int> JobLimits { get; init; } = new Dictionary<string, int>();

    /// <summary>Most jobs of a project at the same time, over all workers.</summary>
    public IReadOnlyDictionary<string, int> ProjectJobLimits { get; init; } = new Dictionary<string, int>();

    /// <summary>Where the large values of jobs are kept, and for how long jobs are.</summary>
    public JobStorage Jobs { get; init; } = new();

    /// <summary>What research jobs of this process may search and read.</summary>
    public ResearchSources Research { get; init; } = new();

    /// <summary>What the tools of agents may reach and use.</summary>
    public ToolOptions AgentTools { get; init; } = new();
}

using HelixFlow.Gateway.Routing;
using HelixFlow.InferenceNode.Placement;

namespace HelixFlow.Simulation.Cluster;

/// <summary>The simulated cluster.</summary>
public sealed record ClusterOptions
{
    private const long GiB = 1L << 30;

    /// <summary>Nodes; at least 1.</summary>
    public int Nodes { get; init; } = 200;

    /// <summary>The budgets of a node's devices, in bytes: node i has those at i modulo their number. Default: one device of 64 GiB.</summary>
    public IReadOnlyList<IReadOnlyList<long>> Budgets { get; init; } = [[64 * GiB]];

    /// <summary>Bytes that a load brings in per second; loads on one node do not slow each other. Default 2e9.</summary>
    public double LoadBytesPerSecond { get; init; } = 2e9;

    /// <summary>What a load takes besides. Default 1 s.</summary>
    public TimeSpan LoadExtra { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long an unload takes. Default 200 ms.</summary>
    public TimeSpan UnloadTime { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>Requests that a replica runs at once; at least 1. Default 16.</summary>
    public int SequencesPerReplica { get; init; } = 16;

    /// <summary>Prompt tokens that a request computes per second. Default 8000.</summary>
    public double PromptTokensPerSecond { get; init; } = 8000;

    /// <summary>Tokens that a request generates per second, however many run beside it. Default 40.</summary>
    public double OutputTokensPerSecond { get; init; } = 40;

    /// <summary>Requests that may wait for loads on one node, as a node's host has it. Default 256.</summary>
    public int MaxWaitingPerNode { get; init; } = 256;

    /// <summary>Between gateway and node, one way. Default 0.5 ms.</summary>
    public TimeSpan NetworkDelay { get; init; } = TimeSpan.FromMilliseconds(0.5);

    /// <summary>Whether a node reports at once when a load begins or ends or a model is gone, as nodes do; otherwise only at the report interval.</summary>
    public bool ReportsChanges { get; init; } = true;

    /// <summary>The mean time for which a node runs until it fails without a word; zero (the default) for never.</summary>
    public TimeSpan MeanTimeToFailure { get; init; }

    /// <summary>The mean time for which a failed node is away beyond ten seconds. It returns empty.</summary>
    public TimeSpan MeanTimeToReturn { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>The gateway's options.</summary>
    public RouterOptions Router { get; init; } = new();

    /// <summary>The nodes' options.</summary>
    public PlacementOptions Placement { get; init; } = new();

    /// <summary>Whether every placement's invariants are checked after each event on its node. The ledger is always checked.</summary>
    public bool ChecksInvariants { get; init; }

    /// <summary>Requests before these are not measured: a share of the trace, [0, 1). Default 0.2.</summary>
    public double WarmUp { get; init; } = 0.2;

    /// <summary>How long after the last arrival the run is given up; requests that are left then are counted as unfinished. Default 2 h.</summary>
    public TimeSpan DrainLimit { get; init; } = TimeSpan.FromHours(2);

    /// <summary>The bytes of all devices of the node with this number.</summary>
    internal long BudgetOf(int node) => Budgets[node % Budgets.Count].Sum();

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Nodes, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(SequencesPerReplica, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(MaxWaitingPerNode);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(LoadBytesPerSecond);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(PromptTokensPerSecond);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(OutputTokensPerSecond);
        ArgumentOutOfRangeException.ThrowIfLessThan(LoadExtra, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(UnloadTime, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(NetworkDelay, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(MeanTimeToFailure, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(MeanTimeToReturn, TimeSpan.Zero);
        if (Budgets.Count == 0 || Budgets.Any(static node => node.Count == 0 || node.Any(static bytes => bytes <= 0)))
        {
            throw new ArgumentException("Every node has a device, and every device a budget above 0.", nameof(Budgets));
        }

        if (WarmUp is not (>= 0 and < 1))
        {
            throw new ArgumentOutOfRangeException(nameof(WarmUp), WarmUp, "A share is at least 0 and below 1.");
        }
    }
}

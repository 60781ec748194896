using HelixFlow.Discovery;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Routing;

/// <summary>A transport to a node: calls, and what to dispose when the node is gone.</summary>
/// <param name="Pool">Where calls go.</param>
/// <param name="Owned">Disposed with the connection; null for a node in this process.</param>
public sealed record NodeTransport(IInferencePool Pool, IDisposable? Owned);

/// <summary>One node that discovery has named: its transport and its latest state.</summary>
/// <remarks>
/// <see cref="View"/>, <see cref="State"/> and <see cref="Calls"/> are guarded by the router's lock; <see cref="Failure"/> belongs to the task
/// that follows the node.
/// </remarks>
internal sealed class NodeConnection(NodeAddress address, NodeTransport transport, NodeView view) : IDisposable
{
    private readonly Lock _replacing = new();
    private CancellationTokenSource _lost = new();

    public string Id => Address.Id;

    public NodeAddress Address { get; } = address;

    public IInferencePool Pool { get; } = transport.Pool;

    public NodeView View { get; } = view;

    /// <summary>What it reported last; null before the first report and while it is lost.</summary>
    public NodeState? State { get; set; }

    /// <summary>The start of the process that reported last: another one has none of its predecessor's cache.</summary>
    public long StartedMs { get; set; }

    /// <summary>Requests that are on the node.</summary>
    public int Calls { get; set; }

    /// <summary>Why it could not be followed the last time; empty once it has reported.</summary>
    public string Failure { get; set; } = "";

    /// <summary>Ends the following of the node: discovery no longer names it, and it has no calls left.</summary>
    public CancellationTokenSource Removed { get; } = new();

    public Task Watching { get; set; } = Task.CompletedTask;

    /// <summary>Cancelled when the node is lost; each time it comes back there is a new one.</summary>
    public CancellationToken Lost
    {
        get
        {
            lock (_replacing)
            {
                return _lost.Token;
            }
        }
    }

    /// <summary>Ends all calls that were begun with the present <see cref="Lost"/>.</summary>
    public void EndCalls()
    {
        CancellationTokenSource ended;
        lock (_replacing)
        {
            ended = _lost;
            _lost = new CancellationTokenSource();
        }

        ended.Cancel();
    }

    public void Dispose()
    {
        EndCalls();
        transport.Owned?.Dispose();
    }
}

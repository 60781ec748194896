using HelixFlow.Discovery;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Routing;

/// <content>How nodes come and go: one task follows discovery, and one each node.</content>
internal sealed partial class NodeFleet
{
    private async Task DiscoverAsync(INodeDiscovery discovery)
    {
        try
        {
            await foreach (IReadOnlyList<NodeAddress> nodes in discovery.WatchAsync(_stopping.Token).ConfigureAwait(false))
            {
                var named = nodes.ToDictionary(node => node.Id, StringComparer.Ordinal);
                foreach (NodeConnection node in Connections)
                {
                    if (!named.TryGetValue(node.Id, out NodeAddress? address))
                    {
                        Retire(node);
                    }
                    else if (address.Address != node.Address.Address)
                    {
                        // The same node at another address is another process: nothing is left to wait for at the old one.
                        await node.Removed.CancelAsync().ConfigureAwait(false);
                        await node.Watching.ConfigureAwait(false);
                    }
                }

                foreach (NodeAddress address in named.Values)
                {
                    Add(address);
                }
            }
        }
        catch (OperationCanceledException)
        {
        }
        catch (Exception exception)
        {
            Log.DiscoveryFailed(_logger, exception);
        }
    }

    private void Add(NodeAddress address)
    {
        lock (_lock)
        {
            if (_connections.TryGetValue(address.Id, out NodeConnection? known))
            {
                if (!known.Removed.IsCancellationRequested)
                {
                    known.View.IsRetired = false;
                    return;
                }

                _connections.Remove(address.Id); // on its way out
                _table.Remove(known.View);
            }

            var node = new NodeConnection(address, _connect(address), _table.Add(address.Id, Now));
            _connections.Add(address.Id, node);
            Log.Added(_logger, address.Id);
            node.Watching = Task.Run(() => FollowAsync(node));
        }
    }

    /// <summary>Sends nothing new to a node that discovery no longer names; it goes with its last call, or when it is lost.</summary>
    /// <remarks>Nodes that drain take their announcement back first: their streams must not be cut off for that. See <see cref="End"/>.</remarks>
    private void Retire(NodeConnection node)
    {
        lock (_lock)
        {
            if (node.View.IsRetired)
            {
                return;
            }

            Log.Removed(_logger, node.Id, node.Calls);
            node.View.IsRetired = true;
            if (node.Calls == 0)
            {
                node.Removed.CancelAsync();
            }
        }

        PumpAll();
    }

    /// <summary>Follows a node's states until it is removed.</summary>
    private async Task FollowAsync(NodeConnection node)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(node.Removed.Token, _stopping.Token);
        int backOff = 1;
        while (!ended.IsCancellationRequested)
        {
            string? failure = null;
            try
            {
                using var silence = CancellationTokenSource.CreateLinkedTokenSource(ended.Token);
                using ITimer timer = _time.CreateTimer(static source => ((CancellationTokenSource)source!).Cancel(), silence, _options.SilenceLimit, Timeout.InfiniteTimeSpan);
                var watch = new WatchNodeRequest { IntervalMs = (uint)_options.ReportInterval.TotalMilliseconds };
                await foreach (NodeState state in node.Pool.WatchNodeAsync(watch, silence.Token).ConfigureAwait(false))
                {
                    timer.Change(_options.SilenceLimit, Timeout.InfiniteTimeSpan);
                    backOff = 1;
                    Apply(node, state);
                }
            }
            catch (InferenceException exception)
            {
                failure = exception.Message;
            }
            catch (OperationCanceledException)
            {
                failure = $"it has been silent for {_options.SilenceLimit.TotalSeconds:F1} s";
            }
            catch (Exception exception)
            {
                failure = exception.Message; // a transport that fails in a way of its own is a lost node, too
            }

            if (!ended.IsCancellationRequested)
            {
                Lose(node, failure);
                await Task.Delay(_options.ReconnectDelay * backOff, _time, ended.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                backOff = Math.Min(LongestBackOff, 2 * backOff);
            }
        }

        Forget(node);
    }

    /// <summary>The node takes no requests until it reports again.</summary>
    /// <param name="node">The node.</param>
    /// <param name="failure">What is wrong; null when its reports have come to their proper end, which they do when it has drained.</param>
    private void Lose(NodeConnection node, string? failure)
    {
        bool endsCalls;
        lock (_lock)
        {
            // A node that has drained has answered all its requests, but the last answers may still be on their way.
            bool drained = failure is null && node.State is { Phase: NodePhase.Draining };
            endsCalls = node.State is not null && !drained;
            if (drained)
            {
                Log.Drained(_logger, node.Id);
            }
            else if (node.State is not null)
            {
                Log.Lost(_logger, node.Id, failure ?? "its reports ended");
            }
            else if (failure is not null && failure != node.Failure)
            {
                Log.Unreachable(_logger, node.Id, failure);
            }

            node.Failure = failure ?? "";
            node.State = null;
            node.View.Lost();
            if (node.View.IsRetired && node.Calls == 0)
            {
                node.Removed.CancelAsync();
            }
        }

        if (endsCalls)
        {
            node.EndCalls();
        }

        PumpAll();
    }

    private void Forget(NodeConnection node)
    {
        lock (_lock)
        {
            if (_connections.TryGetValue(node.Id, out NodeConnection? known) && ReferenceEquals(known, node))
            {
                _connections.Remove(node.Id);
            }

            _table.Remove(node.View);
        }

        node.Dispose();
        PumpAll();
    }

    private void Apply(NodeConnection node, NodeState state)
    {
        bool unhealthy = state.Phase == NodePhase.Unhealthy;
        bool wasHealthy;
        lock (_lock)
        {
            wasHealthy = node.State is { Phase: not NodePhase.Unhealthy };
            if (node.State?.Phase != state.Phase)
            {
                Log.Phase(_logger, node.Id, state.Phase, state.Reason);
            }

            node.State = state;
            node.Failure = "";
            NodeReports.Apply(_table, node, state, Now);
        }

        if (unhealthy && wasHealthy)
        {
            node.EndCalls(); // a hung engine answers nobody: its streams go on elsewhere
        }

        PumpAll();
    }

    private static partial class Log
    {
        [LoggerMessage(1021, LogLevel.Information, "Node {Node} was found")]
        public static partial void Added(ILogger logger, string node);

        [LoggerMessage(1022, LogLevel.Information, "Node {Node} is no longer named by discovery: its {Calls} requests may end there")]
        public static partial void Removed(ILogger logger, string node, int calls);

        [LoggerMessage(1023, LogLevel.Error, "Node {Node} is lost: {Reason}")]
        public static partial void Lost(ILogger logger, string node, string reason);

        [LoggerMessage(1024, LogLevel.Information, "Node {Node} is {Phase} {Reason}")]
        public static partial void Phase(ILogger logger, string node, NodePhase phase, string reason);

        [LoggerMessage(1026, LogLevel.Warning, "Node {Node} cannot be reached: {Reason}")]
        public static partial void Unreachable(ILogger logger, string node, string reason);

        [LoggerMessage(1027, LogLevel.Information, "Node {Node} has drained")]
        public static partial void Drained(ILogger logger, string node);

        [LoggerMessage(1025, LogLevel.Error, "Discovery has failed for good: the set of nodes stays as it is")]
        public static partial void DiscoveryFailed(ILogger logger, Exception exception);
    }
}

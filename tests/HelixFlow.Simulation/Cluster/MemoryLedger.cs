using HelixFlow.InferenceNode.Placement;

namespace HelixFlow.Simulation.Cluster;

/// <summary>Counts for itself what every device holds, from what is carried out and not from what the placement says.</summary>
internal sealed class MemoryLedger(string node, IReadOnlyList<long> budgets)
{
    private readonly Dictionary<Replica, (int Device, bool Ready)> _held = [];
    private readonly long[] _used = new long[budgets.Count];

    public long Used { get; private set; }

    public long UsedOn(int device) => _used[device];

    /// <summary>A load begins: its memory is taken from now on.</summary>
    /// <exception cref="InvalidOperationException">The device cannot hold it.</exception>
    public void Take(Replica replica, int device, long bytes)
    {
        bool twice = _held.Any(other => other.Key.Model == replica.Model && other.Key.State != ReplicaState.Unloading && other.Value.Device == device);
        Require(!twice, $"{replica.Model} is twice on a device");
        _held.Add(replica, (device, false));
        _used[device] += bytes;
        Used += bytes;
        Require(_used[device] <= budgets[device], $"device {device} holds {_used[device]} bytes of {budgets[device]}");
    }

    public void Ready(Replica replica)
    {
        Require(_held.ContainsKey(replica), $"{replica} was loaded nowhere");
        _held[replica] = (_held[replica].Device, true);
    }

    public void Give(Replica replica, long bytes)
    {
        Require(_held.Remove(replica, out (int Device, bool Ready) held) && held.Ready, $"{replica} was not there");
        _used[held.Device] -= bytes;
        Used -= bytes;
    }

    public void RequireReady(Replica replica) => Require(_held.TryGetValue(replica, out (int Device, bool Ready) held) && held.Ready, $"{replica} is used but not loaded");

    public void Require(bool holds, string problem)
    {
        if (!holds)
        {
            throw new InvalidOperationException($"{node}: {problem}");
        }
    }
}

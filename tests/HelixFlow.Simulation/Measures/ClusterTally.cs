using HelixFlow.Simulation.Cluster;

namespace HelixFlow.Simulation.Measures;

/// <summary>What reached which node when, for bounds with the same routing.</summary>
internal readonly record struct Dispatch(TimeSpan At, string Node, string Model);

/// <summary>Adds up what happens in the cluster; only what happens after the warm-up and until the last arrival counts.</summary>
internal sealed class ClusterTally(TimeSpan from, TimeSpan to)
{
    private readonly Dictionary<string, int> _resident = new(StringComparer.Ordinal);
    private Level _used;
    private Level _running;
    private Level _loading;

    public int Loads { get; private set; }

    public int Evictions { get; private set; }

    public long LoadedBytes { get; private set; }

    public List<Dispatch> Dispatches { get; } = [];

    /// <summary>Means over the measured time.</summary>
    public double MeanUsedBytes => _used.Mean(from, to);

    public double MeanRunning => _running.Mean(from, to);

    public double MeanLoading => _loading.Mean(from, to);

    public bool IsResident(string model) => _resident.GetValueOrDefault(model) > 0;

    public void ResidentCame(string model) => _resident[model] = _resident.GetValueOrDefault(model) + 1;

    public void ResidentGone(string model) => _resident[model]--;

    public void LoadBegun(TimeSpan now, long bytes)
    {
        if (Counts(now))
        {
            Loads++;
            LoadedBytes += bytes;
        }
    }

    public void Evicted(TimeSpan now) => Evictions += Counts(now) ? 1 : 0;

    public void UsedBytes(TimeSpan now, long change) => _used.Add(now, change, from, to);

    public void Running(TimeSpan now, int change) => _running.Add(now, change, from, to);

    public void Loading(TimeSpan now, int change) => _loading.Add(now, change, from, to);

    public void Dispatched(TimeSpan now, SimulatedNode node, SimulatedRequest request) => Dispatches.Add(new Dispatch(now, node.Id, request.Trace.Model));

    private bool Counts(TimeSpan now) => now >= from && now <= to;

    /// <summary>A number over time.</summary>
    private struct Level
    {
        private long _value;
        private TimeSpan _since;
        private double _integral;

        public void Add(TimeSpan now, long change, TimeSpan from, TimeSpan to)
        {
            _integral += Part(now, from, to);
            _since = now;
            _value += change;
        }

        public readonly double Mean(TimeSpan from, TimeSpan to) => to > from ? (_integral + Part(to, from, to)) / (to - from).TotalSeconds : _value;

        private readonly double Part(TimeSpan now, TimeSpan from, TimeSpan to)
        {
            TimeSpan begin = _since > from ? _since : from;
            TimeSpan end = now < to ? now : to;
            return end > begin ? _value * (end - begin).TotalSeconds : 0;
        }
    }
}

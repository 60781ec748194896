namespace HelixFlow.Agents.Tests.Crashes.Trials;

/// <summary>What has happened in trials.</summary>
internal sealed class TrialTally
{
    private readonly Dictionary<string, long> _counts = []; // also its lock

    public void Add(string what, long count = 1)
    {
        lock (_counts)
        {
            _counts[what] = _counts.GetValueOrDefault(what) + count;
        }
    }

    public long Of(string what)
    {
        lock (_counts)
        {
            return _counts.GetValueOrDefault(what);
        }
    }

    public override string ToString()
    {
        lock (_counts)
        {
            return string.Join(", ", _counts.OrderBy(static count => count.Key, StringComparer.Ordinal).Select(static count => $"{count.Key} {count.Value}"));
        }
    }
}

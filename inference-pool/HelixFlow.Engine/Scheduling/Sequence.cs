using System.Diagnostics;
using HelixFlow.Engine.KvCache;

namespace HelixFlow.Engine.Scheduling;

internal enum SequenceStatus
{
    /// <summary>Waits for its first step, or again after it was preempted. Holds no blocks.</summary>
    Waiting,

    /// <summary>Takes part in steps and holds blocks.</summary>
    Running,

    /// <summary>Has left the scheduler, or never entered it. Holds no blocks.</summary>
    Outside,
}

/// <summary>A growing row of tokens that the scheduler runs: prompt first, then what was sampled. Owned by the engine thread.</summary>
internal class Sequence
{
    private int[] _tokens;
    private int _length;

    /// <param name="prompt">At least one token; copied.</param>
    /// <param name="maxLength">Most tokens, prompt included.</param>
    /// <param name="priority">The class; higher runs first.</param>
    /// <param name="arrival">Ascends with the time of arrival.</param>
    /// <param name="choice">Orders the forks of one prompt.</param>
    /// <param name="salt">See <see cref="BlockPool"/>.</param>
    public Sequence(ReadOnlySpan<int> prompt, int maxLength, int priority, long arrival, int choice, string salt)
    {
        Debug.Assert(maxLength >= prompt.Length);
        _tokens = prompt.ToArray();
        _length = PromptLength = prompt.Length;
        MaxLength = maxLength;
        Priority = priority;
        Arrival = arrival;
        Choice = choice;
        Table = new BlockTable(salt);
    }

    public int Choice { get; }

    public int Priority { get; }

    public long Arrival { get; }

    /// <summary>Who it runs for: the projects of a class share it by their weights.</summary>
    public string Project { get; init; } = "";

    /// <summary>The project's share relative to others', above 0.</summary>
    public double Weight { get; init; } = 1;

    public int PromptLength { get; private set; }

    public int MaxLength { get; }

    public int Length => _length;

    /// <summary>Whether it may start from cached blocks: not if something is wanted of every position.</summary>
    public bool ReusesPrefix { get; init; } = true;

    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, _length);

    public BlockTable Table { get; }

    /// <summary>Positions whose keys and values are stored; always less than <see cref="Length"/> between steps.</summary>
    public int Computed { get; set; }

    /// <summary>Tokens to run before the next one can be sampled: 1 when it decodes.</summary>
    public int Pending => _length - Computed;

    public SequenceStatus Status { get; set; } = SequenceStatus.Outside;

    /// <summary>Places among the running sequences that it takes: more than one until it has forked.</summary>
    public int Slots { get; set; } = 1;

    /// <summary>Whether it has run before, so that a new start is a recomputation.</summary>
    public bool HasStarted { get; set; }

    /// <summary>Tokens that were found in the prefix cache at its first start, or while it was prefilled for the first time.</summary>
    public int CachedTokens { get; set; }

    /// <summary>Most positions that were ever computed: not lost with preemption.</summary>
    public int Reached { get; set; }

    /// <summary>When it began to wait.</summary>
    public TimeSpan WaitingSince { get; set; }

    /// <summary>Classes that it has risen while it waited; it keeps them when it runs.</summary>
    public int Boost { get; set; }

    /// <summary>Its project's account while it waits or runs.</summary>
    public ProjectAccount? Account { get; set; }

    /// <summary>Its place among the sequences of its class; meaningful once it has started.</summary>
    public double StartTag { get; set; }

    /// <summary>Tokens that its project was charged for it.</summary>
    public int ChargedTokens { get; set; }

    /// <summary>Tokens that its project is not charged for: cached ones, and a fork's that its parent computed.</summary>
    public int FreeTokens { get; set; }

    /// <summary>The class that it counts as while it runs.</summary>
    public int Rank => Priority + Boost;

    /// <summary>The class that it counts as while it waits: one more for each interval in which none of its class was let in.</summary>
    public int RankAt(TimeSpan now, TimeSpan ageing)
    {
        TimeSpan lastStart = Account!.Class.LastStart;
        long waited = (now - (lastStart > WaitingSince ? lastStart : WaitingSince)).Ticks;
        return (int)Math.Clamp(Rank + Math.Max(0, waited / ageing.Ticks), int.MinValue, int.MaxValue);
    }

    public void Append(int token)
    {
        if (_length == _tokens.Length)
        {
            Array.Resize(ref _tokens, Math.Min(MaxLength, Math.Max(16, _length * 2)));
        }

        _tokens[_length++] = token;
    }

    /// <summary>Notes that positions up to here turned out to be stored.</summary>
    public void SkipTo(int computed)
    {
        int gained = computed - Math.Max(Computed, Reached); // what it had computed itself before a preemption is not found but its own
        if (gained > 0)
        {
            CachedTokens += gained;
            FreeTokens += gained;
        }

        Computed = computed;
    }

    /// <summary>Starts this sequence from another one's tokens and blocks.</summary>
    public void ForkFrom(BlockPool pool, Sequence other)
    {
        Debug.Assert(other.Pending == 0 && Status == SequenceStatus.Outside);
        _tokens = other.Tokens.ToArray();
        _length = other._length;
        PromptLength = other.PromptLength;
        Computed = other.Computed;
        Reached = other.Reached;
        Boost = other.Boost;
        HasStarted = true;
        Table.ForkFrom(pool, other.Table);
    }

    /// <summary>The order of running sequences: higher rank first, then who rose to it, then by start tag, arrival and choice.</summary>
    public static int CompareRunning(Sequence left, Sequence right)
    {
        int order = right.Rank.CompareTo(left.Rank);
        return order != 0 ? order : CompareWithinRank(left, right);
    }

    /// <summary>The order of sequences that count as the same class. Tags of different classes have nothing to do with one another.</summary>
    public static int CompareWithinRank(Sequence left, Sequence right)
    {
        int order = left.Priority.CompareTo(right.Priority);
        order = order != 0 ? order : left.Tag.CompareTo(right.Tag);
        order = order != 0 ? order : left.Arrival.CompareTo(right.Arrival);
        return order != 0 ? order : left.Choice.CompareTo(right.Choice);
    }

    /// <summary>The tag that it has, or would get if it started now.</summary>
    private double Tag => HasStarted ? StartTag : Account!.FinishTag;
}

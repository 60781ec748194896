using HelixFlow.Engine.KvCache;

namespace HelixFlow.Engine.Scheduling;

/// <summary>A sequence's part of a step.</summary>
/// <param name="Sequence">The sequence.</param>
/// <param name="Rows">How many of its pending tokens run, from its first pending one.</param>
internal readonly record struct PlannedRows(Sequence Sequence, int Rows)
{
    /// <summary>Whether nothing is pending after the step, so that a token can be sampled.</summary>
    public bool IsLast => Rows == Sequence.Pending;
}

/// <summary>What one step does: blocks to copy first, then rows to run. Reused from step to step.</summary>
internal sealed class StepPlan
{
    public List<PlannedRows> Entries { get; } = new(64);

    /// <summary>In this order, before anything runs.</summary>
    public List<BlockCopy> Copies { get; } = new(64);

    public int Rows { get; private set; }

    /// <summary>Those of <see cref="Rows"/> that are of sequences that decode; they come first.</summary>
    public int DecodeRows { get; set; }

    public void Clear()
    {
        Entries.Clear();
        Copies.Clear();
        Rows = DecodeRows = 0;
    }

    public void Add(Sequence sequence, int rows)
    {
        Entries.Add(new PlannedRows(sequence, rows));
        Rows += rows;
    }
}

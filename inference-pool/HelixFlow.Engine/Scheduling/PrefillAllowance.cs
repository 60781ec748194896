namespace HelixFlow.Engine.Scheduling;

/// <summary>How many prefill rows a step may have, so that a long prompt does not stall those that decode.</summary>
/// <remarks>
/// <para>A step should not take longer than the budget while anything decodes. What the decode rows leave of it, by the learned
/// <see cref="StepCost"/>, is for prefill, but never less than a quarter of the step, so that prompts are not starved where the decode rows alone
/// use the budget up, and never less than <see cref="LeastRows"/>.</para>
/// <para>Owned by the engine thread. No clock: times are passed in.</para>
/// </remarks>
internal sealed class PrefillAllowance
{
    /// <summary>Prefill rows that a step may always have: fewer would spend most of their time on reading the weights once more.</summary>
    public const int LeastRows = 16;

    /// <summary>Prefill rows beside decode rows before anything is known of their cost.</summary>
    public const int FirstRows = 64;

    // A third of the decode rows' time is a quarter of the step.
    private const double LeastOfDecode = 1.0 / 3;

    // Of a step's expected time. Requests of one burst come within less than the bounds; below a millisecond a thread cannot be told to wait well.
    private const double GatheringShare = 0.02;
    private const double LeastGathering = 0.001; // seconds
    private const double MostGathering = 0.002; // seconds

    private readonly double _budget; // seconds; infinite for no limit
    private readonly StepCost _cost = new();

    /// <param name="budget">What a step may take while anything decodes; positive, or null for no limit.</param>
    public PrefillAllowance(TimeSpan? budget)
    {
        if (budget is { } limit)
        {
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(limit, TimeSpan.Zero, nameof(budget));
        }

        _budget = budget?.TotalSeconds ?? double.PositiveInfinity;
    }

    /// <summary>The most prefill rows beside these decode rows.</summary>
    public int Rows(int decodeRows)
    {
        if (decodeRows == 0 || double.IsPositiveInfinity(_budget))
        {
            return int.MaxValue;
        }

        if (_cost.SecondsPerPrefillRow is not { } perRow)
        {
            return FirstRows;
        }

        double decode = _cost.DecodeSeconds(decodeRows);
        double left = Math.Max(_budget - decode, decode * LeastOfDecode);
        return (int)Math.Clamp(left / perRow, LeastRows, int.MaxValue);
    }

    /// <summary>How long it pays to wait for company before a step of these prefill rows alone; zero as long as nothing is known of their cost.</summary>
    public TimeSpan GatheringTime(int rows)
    {
        double seconds = GatheringShare * rows * (_cost.SecondsPerPrefillRow ?? 0);
        return seconds < LeastGathering ? TimeSpan.Zero : TimeSpan.FromSeconds(Math.Min(seconds, MostGathering));
    }

    /// <summary>Learns what a step took.</summary>
    public void Learn(StepPlan plan, TimeSpan took) => _cost.Learn(plan.DecodeRows, plan.Rows - plan.DecodeRows, took);
}

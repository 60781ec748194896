using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Scheduling;

namespace HelixFlow.Engine.Speculation;

/// <summary>Adds guessed tokens to steps, to be verified by the model in the same step.</summary>
/// <remarks>
/// Speculative decoding (Leviathan et al. 2023, Chen et al. 2023). Guesses here are certain of themselves: each gives its token the
/// probability 1. For such the rejection rule is to sample from the model's own distribution as ever, and to go on while the sampled token is the
/// guess. With random numbers that depend on the token's index only, that gives not just the same distribution but the same tokens as
/// without guesses. Owned by the engine thread.
/// </remarks>
internal interface ISpeculator
{
    /// <summary>Adds guesses to the plan where that promises to gain time.</summary>
    void Extend(StepPlan plan, Scheduler scheduler);

    /// <summary>Learns from the step of the plan last extended, whose tokens have been sampled.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="elapsed">What the step took, from before the plan was formed.</param>
    void Learn(StepPlan plan, TimeSpan elapsed);

    /// <summary>Whether all that a plan runs are rows of sequences that decode: others are limited by arithmetic, and have none to spare.</summary>
    static bool DecodesOnly(StepPlan plan)
    {
        foreach (PlannedRows entry in plan.Entries)
        {
            if (entry.Sequence is not Generation { Pending: 1, Slots: 1, Pool: null })
            {
                return false;
            }
        }

        return true;
    }
}

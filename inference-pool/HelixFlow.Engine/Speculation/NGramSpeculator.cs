using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Scheduling;

namespace HelixFlow.Engine.Speculation;

/// <summary>
/// Adds guesses of <see cref="PromptLookup"/>, and what constraints force (<see cref="ForcedRun"/>), to steps of decode rows, as many as promise more tokens per
/// second than the step without them.
/// </summary>
/// <remarks>
/// <para>How many rows a step gets is chosen by expected tokens over expected time: the chances come from how such guesses fared lately
/// (<see cref="MatchRecord"/>), the times from how long such steps took (<see cref="StepCosts"/>). So guesses that fail, and rows that cost,
/// end by themselves. Steps with prefill rows have none: they are limited by arithmetic.</para>
/// <para>Owned by the engine thread. Allocates an index per sequence, nothing per step.</para>
/// </remarks>
internal sealed class NGramSpeculator(int maxGuesses) : ISpeculator
{
    private const int TokensPerStep = 8192; // that are taken into indices: less than a millisecond
    private const double WorthIt = 1.02; // the least gain: what is smaller drowns in the noise of the times

    private static readonly int MaxRows = StepCosts.MaxRows; // beyond, arithmetic is not to spare
    private readonly StepCosts _costs = new();
    private readonly MatchRecord _everyones = new(memory: 1000, parent: null);
    private readonly ForcedRecord _forced = new();
    private readonly PlannedGuesses[] _guesses = new PlannedGuesses[MaxRows]; // [entry of the plan]
    private readonly int[] _order = new int[MaxRows]; // entries, by the chance of their next guess
    private bool _decodesOnly;

    /// <inheritdoc/>
    public void Extend(StepPlan plan, Scheduler scheduler)
    {
        _decodesOnly = plan.Rows <= MaxRows && ISpeculator.DecodesOnly(plan);
        if (!_decodesOnly || !Find(plan))
        {
            return;
        }

        int rows = Choose(plan);
        for (int i = 0; i < rows; i++)
        {
            _guesses[_order[i]].Count++;
        }

        for (int entry = 0; entry < plan.Entries.Count; entry++)
        {
            if (_guesses[entry].Count > 0)
            {
                var generation = (Generation)plan.Entries[entry].Sequence;
                int count = _guesses[entry].Count;
                _guesses[entry].Write(generation);
                count = generation.Constraint?.CountAllowed(generation.TokensToRun(generation.Length, count)) ?? count;
                scheduler.AddGuesses(entry, count);
            }
        }
    }

    /// <inheritdoc/>
    public void Learn(StepPlan plan, TimeSpan elapsed)
    {
        if (_decodesOnly)
        {
            _costs.Add(plan.Rows, elapsed);
        }
    }

    /// <summary>Looks for guesses of each sequence; false when none has any.</summary>
    private bool Find(StepPlan plan)
    {
        int budget = TokensPerStep;
        bool any = false;
        for (int entry = 0; entry < plan.Entries.Count; entry++)
        {
            var generation = (Generation)plan.Entries[entry].Sequence;
            PromptLookup lookup = generation.Lookup ??= new PromptLookup(_everyones);
            int most = Math.Min(maxGuesses, generation.MaxLength - generation.Length - 1);
            bool found = lookup.TryFollow(generation, ref budget) && most > 0;
            if (generation.Constraint is not null && (generation.Forced ??= new ForcedRun(_forced)).Follow(generation) is { Length: > 0 } forced && most > 0)
            {
                _guesses[entry] = new PlannedGuesses(null, Math.Min(most, forced.Length), _forced.Chance);
                any = true;
                continue;
            }

            _guesses[entry] = new PlannedGuesses(lookup, most, found ? lookup.ChanceOf(0) : 0);
            any |= found;
        }

        return any;
    }

    /// <summary>Orders guesses by their chances, and tells how many of them make the most of the step.</summary>
    private int Choose(StepPlan plan)
    {
        double tokens = plan.Rows;
        double bestRate = WorthIt * tokens / _costs.Of(plan.Rows);
        int best = 0;
        for (int taken = 0; plan.Rows + taken < MaxRows && Next(plan.Entries.Count) is var entry && entry >= 0; )
        {
            _order[taken++] = entry;
            tokens += _guesses[entry].Chance;
            _guesses[entry].Advance();
            double rate = tokens / _costs.Of(plan.Rows + taken);
            if (rate > bestRate)
            {
                (bestRate, best) = (rate, taken);
            }
        }

        return best;
    }

    /// <summary>The entry with the likeliest next guess; -1 when all have run out.</summary>
    private int Next(int entries)
    {
        int next = -1;
        float chance = 0.01f; // less would never pay
        for (int entry = 0; entry < entries; entry++)
        {
            if (_guesses[entry].Chance > chance)
            {
                (next, chance) = (entry, _guesses[entry].Chance);
            }
        }

        return next;
    }

    /// <summary>The guesses of a sequence in a step.</summary>
    /// <param name="Lookup">Where they come from; null for those that a constraint forces.</param>
    /// <param name="Most">How many there may be.</param>
    /// <param name="First">The chance that the first is right; 0 when there is none.</param>
    private record struct PlannedGuesses(PromptLookup? Lookup, int Most, float First)
    {
        private int _tried;

        /// <summary>The chance that the next guess and all before it are right; 0 when there is none.</summary>
        public float Chance { get; private set; } = First;

        /// <summary>How many run.</summary>
        public int Count { get; set; }

        /// <summary>Goes on to the next guess.</summary>
        public void Advance() => Chance = ++_tried < Most ? Chance * (Lookup?.ChanceOf(_tried) ?? First) : 0;

        /// <summary>Writes those that run behind the sequence's tokens.</summary>
        public readonly void Write(Generation generation)
        {
            if (Lookup is not null)
            {
                generation.Guess(Lookup.Source, Count);
                return;
            }

            ReadOnlySpan<int> forced = generation.Forced!.Guesses;
            for (int i = 0; i < Count; i++)
            {
                generation.GuessToken(i, forced[i]);
            }
        }
    }
}

using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Grammar;
using HelixFlow.Engine.KvCache;
using HelixFlow.Engine.Models;
using HelixFlow.Engine.Sampling;
using HelixFlow.Engine.Scheduling;

namespace HelixFlow.Engine.Speculation;

/// <summary>Adds the most probable continuations by a second, quicker model to steps of decode rows, as many as promise to gain time.</summary>
/// <remarks>
/// <para>The second model guesses greedily rather than by its own distribution. Under sampling at high temperatures fewer guesses are right than
/// the full rejection rule would accept, but neither distributions have to be kept nor random numbers drawn, and what is said stays the same
/// to the token, seeds included.</para>
/// <para>The second model has a key/value store of its own, with the same rules: blocks, prefixes, none without rows. Where it ran guesses that
/// proved wrong, it goes on from the last right one. How many guesses a step gets is chosen as in <see cref="NGramSpeculator"/>, with the time
/// of the second model's steps besides. It reads a prompt only once its sequence decodes, in chunks, before steps without guesses.</para>
/// <para>Owned by the engine thread; allocates what a sequence needs, and nothing per step.</para>
/// </remarks>
internal sealed class DraftSpeculator : ISpeculator
{
    private const int MaxSequences = 8; // beyond, rows of other sequences use the arithmetic better
    private const int ChunkRows = 64; // of a prompt that it has not read yet: they delay the step
    private const double WorthIt = 1.02;
    private const double NewShare = 0.1; // of a time, in the mean

    private readonly IModelRunner _model;
    private readonly int _vocabulary; // of both
    private readonly int _maxGuesses;
    private readonly TimeProvider _time;
    private readonly BlockPool _pool;
    private readonly Batch _batch;
    private readonly StepCosts _costs = new(); // without the second model's time
    private readonly ulong[] _allowed; // a bit per token of the first model
    private readonly float[] _permitted; // the logits of allowed tokens
    private readonly List<DraftSequence> _known = new(MaxSequences); // those that may hold blocks
    private readonly List<DraftSequence> _guessing = new(MaxSequences); // those of this step, in the order of the plan
    private double _guessSeconds; // of one of the second model's steps; 0 when unknown
    private TimeSpan _spent; // by the second model, in this step
    private bool _decodesOnly;

    /// <param name="model">The second model.</param>
    /// <param name="vocabulary">The first model's; the second one's may be larger or smaller by padding.</param>
    /// <param name="maxGuesses">Most guesses of a sequence in a step.</param>
    /// <param name="time">The clock to learn times by.</param>
    public DraftSpeculator(IModelRunner model, int vocabulary, int maxGuesses, TimeProvider time)
    {
        _model = model;
        _vocabulary = Math.Min(vocabulary, model.VocabularySize);
        _allowed = new ulong[(vocabulary + 63) / 64];
        _permitted = new float[_vocabulary];
        _maxGuesses = Math.Min(maxGuesses, StepCosts.MaxRows - 1);
        _time = time;
        _pool = new BlockPool(model.KvBlocks, model.KvBlockSize);
        _batch = new Batch(model.MaxBatchRows, Math.Min(MaxSequences, model.MaxBatchRows));
    }

    /// <inheritdoc/>
    public void Extend(StepPlan plan, Scheduler scheduler)
    {
        ForgetThoseThatLeft();
        _guessing.Clear();
        _spent = TimeSpan.Zero;
        _decodesOnly = plan.Rows <= StepCosts.MaxRows && ISpeculator.DecodesOnly(plan);
        if (!_decodesOnly || plan.Rows > _batch.MaxSequences)
        {
            return;
        }

        foreach (PlannedRows entry in plan.Entries)
        {
            Begin((Generation)entry.Sequence);
        }

        int depth = Depth(plan.Rows);
        if (depth == 0)
        {
            return;
        }

        long start = _time.GetTimestamp();
        Guess(depth);
        _spent = _time.GetElapsedTime(start);
        for (int entry = 0; entry < plan.Entries.Count; entry++)
        {
            if (((Generation)plan.Entries[entry].Sequence).Draft is { Made: > 0 } draft)
            {
                scheduler.AddGuesses(entry, draft.Made);
            }
        }
    }

    /// <inheritdoc/>
    public void Learn(StepPlan plan, TimeSpan elapsed)
    {
        if (!_decodesOnly)
        {
            return;
        }

        _costs.Add(plan.Rows, elapsed - _spent);
        foreach (PlannedRows entry in plan.Entries)
        {
            if (((Generation)entry.Sequence).Draft is { } draft)
            {
                Judge(draft, entry.Guesses);
            }
        }
    }

    /// <summary>Gives the blocks of sequences back that have ended or were preempted.</summary>
    private void ForgetThoseThatLeft()
    {
        for (int i = _known.Count - 1; i >= 0; i--)
        {
            if (_known[i].Generation.Status != SequenceStatus.Running)
            {
                _known[i].Table.Clear(_pool);
                _known[i].Generation.Draft = null;
                _known.RemoveAt(i);
            }
        }
    }

    private void Begin(Generation generation)
    {
        if (generation.Draft is null)
        {
            generation.Draft = new DraftSequence(generation);
            generation.Draft.Computed = generation.Draft.Table.Reuse(_pool, generation.Tokens);
            _known.Add(generation.Draft);
        }

        DraftSequence draft = generation.Draft;
        draft.Made = 0;
        draft.Ahead = generation.Constraint?.Fork();
        draft.Length = generation.Length;
        draft.Most = Math.Min(Math.Min(_maxGuesses, generation.MaxLength - generation.Length - 1), _model.ContextLength - generation.Length);
        if (draft.Most > 0)
        {
            _guessing.Add(draft);
        }
    }

    /// <summary>How many guesses one after the other make the most of the step; now and then 1 where none would.</summary>
    private int Depth(int rows)
    {
        double bestRate = WorthIt * rows / _costs.Of(rows);
        int best = 0;
        double tokens = rows;
        int total = rows;
        for (int depth = 1; depth <= _maxGuesses; depth++)
        {
            int more = 0;
            foreach (DraftSequence draft in _guessing)
            {
                if (depth <= draft.Most)
                {
                    more++;
                    tokens += Math.Pow(draft.Chance, depth);
                }
            }

            total += more;
            if (more == 0 || total > StepCosts.MaxRows)
            {
                break;
            }

            double rate = tokens / (_costs.Of(total) + (depth * _guessSeconds));
            if (rate > bestRate)
            {
                (bestRate, best) = (rate, depth);
            }
        }

        if (best == 0)
        {
            return Trial();
        }

        foreach (DraftSequence draft in _guessing)
        {
            draft.EndRest();
        }

        return best;
    }

    private int Trial()
    {
        bool trial = false;
        foreach (DraftSequence draft in _guessing)
        {
            trial |= draft.TakeTrial();
        }

        return trial ? 1 : 0;
    }

    /// <summary>Runs the second model: first what it has not seen of the tokens, then its own guesses, one after the other.</summary>
    private void Guess(int depth)
    {
        for (int step = 0; step < depth; step++)
        {
            _batch.Clear();
            long start = _time.GetTimestamp();
            for (int i = _guessing.Count - 1; i >= 0; i--)
            {
                if (!TryAdd(_guessing[i], step))
                {
                    _guessing.RemoveAt(i);
                }
            }

            if (_batch.Rows == 0)
            {
                return;
            }

            int rows = _batch.Rows;
            ReadOnlySpan<float> logits = _model.Run(_batch);
            int row = 0;
            for (int i = _guessing.Count - 1; i >= 0; i--) // as they were added
            {
                DraftSequence draft = _guessing[i];
                if (draft.Computed < draft.Length + step)
                {
                    _guessing.RemoveAt(i); // its prompt goes on in the next step
                }
                else if (!TryNote(draft, step, logits.Slice(row++ * _model.VocabularySize, _vocabulary)))
                {
                    _guessing.RemoveAt(i);
                }
            }

            if (rows <= 2 * MaxSequences)
            {
                double seconds = _time.GetElapsedTime(start).TotalSeconds;
                _guessSeconds = _guessSeconds == 0 ? seconds : _guessSeconds + (NewShare * Math.Min(seconds - _guessSeconds, _guessSeconds));
            }
        }
    }

    /// <summary>Adds what the second model has to run of a sequence; false when there is no room for it, or it does not know a token.</summary>
    private bool TryAdd(DraftSequence draft, int step)
    {
        int end = draft.Length + step;
        int count = Math.Min(Math.Min(end - draft.Computed, ChunkRows), _batch.MaxRows - _batch.Rows - (_guessing.Count - 1));
        ReadOnlySpan<int> tokens = draft.Generation.TokensToRun(draft.Computed, Math.Max(0, count));
        if (step >= draft.Most || tokens.IsEmpty || tokens.ContainsAnyExceptInRange(0, _vocabulary - 1)
            || draft.Table.Reserve(_pool, draft.Computed, draft.Computed + count, out BlockCopy copy) == ReserveOutcome.OutOfBlocks)
        {
            return false;
        }

        if (copy != default)
        {
            _model.CopyBlock(copy.Source, copy.Destination);
        }

        _batch.Add(tokens, draft.Computed, draft.Table.Blocks, wantLogits: draft.Computed + count == end);
        draft.Computed += count;
        return true;
    }

    private bool TryNote(DraftSequence draft, int step, ReadOnlySpan<float> logits)
    {
        if (draft.Ahead is not null)
        {
            try
            {
                draft.Ahead.WriteMask(_allowed);
            }
            catch (GrammarTooComplexException)
            {
                return false; // if the text comes here, it is told then
            }

            logits.CopyTo(_permitted);
            RowMath.Forbid(_permitted, _allowed.AsSpan(0, (_vocabulary + 63) / 64));
            logits = _permitted;
        }

        float best = RowMath.MaxOrNan(logits);
        if (!float.IsFinite(best))
        {
            return false;
        }

        int guess = logits.IndexOf(best);
        if (draft.Ahead is not null && !TryAccept(draft.Ahead, guess))
        {
            return false;
        }

        draft.Generation.GuessToken(step, guess);
        draft.Made = step + 1;
        return true;
    }

    private static bool TryAccept(GrammarMatcher ahead, int token)
    {
        try
        {
            return ahead.TryAccept(token);
        }
        catch (GrammarTooComplexException)
        {
            return false;
        }
    }

    /// <summary>Takes back what the second model stored of guesses that proved wrong, and learns from them.</summary>
    private void Judge(DraftSequence draft, int ran)
    {
        Generation generation = draft.Generation;
        if (generation.Status != SequenceStatus.Running)
        {
            return; // given back before the next step
        }

        if (ran > 0)
        {
            draft.Judge(ran, generation.Length - draft.Length - 1);
        }

        draft.Computed = Math.Min(draft.Computed, generation.Length - 1);
        draft.Table.RegisterWhole(_pool, generation.Tokens, draft.Computed);
        draft.Table.Trim(_pool, generation.Length);
    }
}

using System.Diagnostics;

namespace HelixFlow.Engine.Sampling;

/// <summary>Chooses the next token from a row of logits; owns the scratch memory that this takes.</summary>
/// <remarks>
/// Used by one thread. No pass sorts: cuts are found by selection, and the draw walks the remaining tokens in the order of their ids, so that
/// rounding differences between batches do not reorder them. Does not allocate after construction.
/// </remarks>
internal sealed class Sampler(int vocabularySize)
{
    /// <summary>No token: the row holds NaN or infinity, or forbids every token.</summary>
    public const int NoToken = -1;

    // So many candidates are cut and drawn from quickly where they have been gathered; more are not moved from the row.
    private const int MostGathered = 2048;

    private readonly float[] _changed = new float[vocabularySize]; // logits after penalties and bias
    private readonly float[] _weights = new float[vocabularySize];
    private readonly Candidate[] _candidates = new Candidate[vocabularySize];
    private readonly Candidate[] _selection = new Candidate[vocabularySize]; // what selection may reorder

    /// <summary>Chooses a token, or <see cref="NoToken"/>. The state is not changed: the caller accepts the token.</summary>
    /// <param name="logits">[vocabulary]; not changed.</param>
    /// <param name="state">The choice that the row belongs to.</param>
    /// <param name="allowed">Bit i % 64 of word i / 64 is set when token i may be chosen; empty: all may.</param>
    public int Sample(ReadOnlySpan<float> logits, SamplerState state, ReadOnlySpan<ulong> allowed = default)
    {
        Debug.Assert(logits.Length == vocabularySize);
        SamplingOptions options = state.Options;
        float max = RowMath.MaxOrNan(logits);
        if ((options.ChangesLogits || !allowed.IsEmpty) && float.IsFinite(max))
        {
            logits.CopyTo(_changed);
            state.ChangeLogits(_changed);
            RowMath.Forbid(_changed, allowed); // last: no bias makes a forbidden token possible
            logits = _changed;
            max = RowMath.MaxOrNan(logits);
        }

        if (!float.IsFinite(max))
        {
            return NoToken;
        }

        if (options.IsGreedy || options.TopK == 1)
        {
            return RowMath.IndexOf(logits, max);
        }

        int count;
        if (options.TopK > 0 && options.TopK < vocabularySize)
        {
            count = GatherTopK(logits, options.TopK, max, options.Temperature);
        }
        else if (options.TopP < 1)
        {
            // A token below (1 - p) / V of the whole cannot be in the nucleus: all such together are less than 1 - p.
            double total = RowMath.Exponentials(logits, max, 1 / options.Temperature, _weights);
            float limit = (float)((1 - (double)options.TopP) * total / vocabularySize * (1 - 1e-5));
            count = RowMath.Gather(_weights, limit, _candidates, MostGathered);
            if (count > MostGathered)
            {
                return DrawFromNucleus(limit, options.TopP * total, options.MinP, state);
            }

            count = CutTopP(count, options.TopP * total);
            return Draw(CutMinP(count, options.MinP), state.NextUnit());
        }
        else
        {
            double total = RowMath.Exponentials(logits, max, 1 / options.Temperature, _weights);
            if (options.MinP <= 0)
            {
                return DrawFromAll(state.NextUnit() * total);
            }

            count = RowMath.Gather(_weights, options.MinP, _candidates);
            return Draw(count, state.NextUnit());
        }

        if (options.TopP < 1)
        {
            count = CutTopP(count, options.TopP * Sum(count));
        }

        return Draw(CutMinP(count, options.MinP), state.NextUnit());
    }

    /// <summary>The token's log probability under the raw logits, and the best alternatives in descending order.</summary>
    /// <param name="logits">[vocabulary], finite somewhere and without NaN.</param>
    /// <param name="token">The sampled token.</param>
    /// <param name="top">Filled with as many alternatives as it holds; at most the vocabulary.</param>
    public float Logprobs(ReadOnlySpan<float> logits, int token, Span<TokenLogprob> top)
    {
        float max = RowMath.MaxOrNan(logits);
        float logSum = max + (float)Math.Log(RowMath.SumOfExponentials(logits, max));
        if (top.Length > 0)
        {
            int count = SelectTop(logits, top.Length);
            Span<Candidate> best = _selection.AsSpan(0, count);
            best.Sort(static (left, right) => left.IsBefore(right) ? -1 : right.IsBefore(left) ? 1 : 0);
            for (int i = 0; i < top.Length; i++)
            {
                top[i] = new TokenLogprob(best[i].Token, best[i].Value - logSum);
            }
        }

        return logits[token] - logSum;
    }

    /// <summary>The k greatest logits as weights, ascending by id, in the candidates.</summary>
    private int GatherTopK(ReadOnlySpan<float> logits, int k, float max, float temperature)
    {
        SelectTop(logits, k);
        Candidate last = Selection.AtRank(_selection.AsSpan(0, k), k - 1);
        int gathered = RowMath.Gather(logits, last.Value, _candidates);
        int count = 0;
        for (int i = 0; i < gathered; i++)
        {
            Candidate candidate = _candidates[i];
            if (!last.IsBefore(candidate))
            {
                _candidates[count++] = candidate with { Value = MathF.Exp((candidate.Value - max) / temperature) };
            }
        }

        return count;
    }

    /// <summary>Puts the k greatest logits, in no order, first in the selection buffer. One pass keeps at most 2k and drops the lesser half.</summary>
    private int SelectTop(ReadOnlySpan<float> logits, int k)
    {
        int capacity = (int)Math.Min(vocabularySize, Math.Max(2L * k, 64));
        Span<Candidate> kept = _selection.AsSpan(0, capacity);
        int count = 0;
        float threshold = float.NegativeInfinity;
        bool full = false; // whether k are known at or above the threshold
        for (int i = 0; i < logits.Length; i++)
        {
            if (full)
            {
                i = RowMath.NextAbove(logits, i, threshold);
                if (i == logits.Length)
                {
                    break;
                }
            }

            float value = logits[i];

            if (count == capacity)
            {
                threshold = Selection.AtRank(kept, k - 1).Value;
                count = k;
                full = true;
                if (!(value > threshold))
                {
                    continue;
                }
            }

            kept[count++] = new Candidate(value, i);
        }

        Selection.AtRank(kept[..count], k - 1);
        return k;
    }

    /// <summary>Draws from a nucleus of many tokens, whose weights stay where they are; the others are cleared.</summary>
    private int DrawFromNucleus(float least, double mass, float minP, SamplerState state)
    {
        Candidate last = Selection.AtMassOfRow(_weights, least, mass, _selection);
        if (minP > last.Value)
        {
            last = new Candidate(minP, vocabularySize);
        }

        RowMath.ClearBelow(_weights, last.Value, last.Token);
        return DrawFromAll(state.NextUnit() * RowMath.Sum(_weights));
    }

    private int CutTopP(int count, double mass)
    {
        _candidates.AsSpan(0, count).CopyTo(_selection);
        Candidate last = Selection.AtMass(_selection.AsSpan(0, count), mass);
        int left = 0;
        for (int i = 0; i < count; i++)
        {
            // Without a branch, which nobody could predict.
            Candidate candidate = _candidates[i];
            _candidates[left] = candidate;
            left += (candidate.Value > last.Value) | ((candidate.Value == last.Value) & (candidate.Token <= last.Token)) ? 1 : 0;
        }

        return left;
    }

    /// <summary>The most probable token has the weight 1 and is never cut.</summary>
    private int CutMinP(int count, float minP)
    {
        if (minP <= 0)
        {
            return count;
        }

        int left = 0;
        for (int i = 0; i < count; i++)
        {
            if (_candidates[i].Value >= minP)
            {
                _candidates[left++] = _candidates[i];
            }
        }

        return left;
    }

    private int Draw(int count, double unit)
    {
        double target = unit * Sum(count);
        double sum = 0;
        int chosen = NoToken;
        for (int i = 0; i < count; i++)
        {
            if (_candidates[i].Value > 0)
            {
                chosen = _candidates[i].Token; // the last of them if rounding leaves the target out of reach
                sum += _candidates[i].Value;
                if (sum > target)
                {
                    break;
                }
            }
        }

        return chosen;
    }

    /// <summary>Draws from the weights of the whole vocabulary: over sums of chunks first, then inside of one.</summary>
    private int DrawFromAll(double target)
    {
        const int Chunk = 256;
        int last = 0; // the last chunk with a weight, if rounding leaves the target out of reach
        for (int start = 0; start < vocabularySize; start += Chunk)
        {
            double sum = RowMath.Sum(ChunkAt(start));
            if (sum > target)
            {
                last = start;
                break;
            }

            last = sum > 0 ? start : last;
            target -= sum;
        }

        int chosen = NoToken;
        ReadOnlySpan<float> chunk = ChunkAt(last);
        double inside = 0;
        for (int i = 0; i < chunk.Length && (chosen == NoToken || inside <= target); i++)
        {
            if (chunk[i] > 0)
            {
                chosen = last + i;
                inside += chunk[i];
            }
        }

        return chosen;

        ReadOnlySpan<float> ChunkAt(int first) => _weights.AsSpan(first, Math.Min(Chunk, vocabularySize - first));
    }

    private double Sum(int count)
    {
        double sum = 0;
        for (int i = 0; i < count; i++)
        {
            sum += _candidates[i].Value;
        }

        return sum;
    }
}

using System.Numerics;
using System.Runtime.Intrinsics;

namespace HelixFlow.Engine.Sampling;

/// <summary>Passes over a row of logits, vectorised with portable vectors of a fixed width, so that sums are the same on every machine.</summary>
internal static class RowMath
{
    /// <summary>Makes the values negative infinity whose bits are not set.</summary>
    /// <param name="row">The values.</param>
    /// <param name="allowed">Bit i % 64 of word i / 64 is for value i; empty: all are allowed.</param>
    public static void Forbid(Span<float> row, ReadOnlySpan<ulong> allowed)
    {
        for (int word = 0; word < allowed.Length; word++)
        {
            Span<float> part = row.Slice(word * 64, Math.Min(64, row.Length - (word * 64)));
            ulong bits = allowed[word];
            if (bits == 0)
            {
                part.Fill(float.NegativeInfinity);
            }
            else if (bits != ulong.MaxValue)
            {
                for (int i = 0; i < part.Length; i++)
                {
                    part[i] = (bits >> i & 1) != 0 ? part[i] : float.NegativeInfinity;
                }
            }
        }
    }

    private static readonly int Width = Vector256<float>.Count;

    /// <summary>The greatest value, or NaN when the row holds one.</summary>
    public static float MaxOrNan(ReadOnlySpan<float> row)
    {
        // Four maxima, because one must wait for the previous; NaN is looked for apart, because the maximum that keeps it takes several instructions.
        Vector256<float> a = Vector256.Create(float.NegativeInfinity), b = a, c = a, d = a;
        Vector256<float> nan = Vector256<float>.Zero;
        int i = 0;
        for (; i <= row.Length - (4 * Width); i += 4 * Width)
        {
            Vector256<float> xa = Vector256.Create(row[i..]), xb = Vector256.Create(row[(i + Width)..]);
            Vector256<float> xc = Vector256.Create(row[(i + (2 * Width))..]), xd = Vector256.Create(row[(i + (3 * Width))..]);
            nan |= Vector256.IsNaN(xa) | Vector256.IsNaN(xb) | Vector256.IsNaN(xc) | Vector256.IsNaN(xd);
            a = Vector256.MaxNative(a, xa);
            b = Vector256.MaxNative(b, xb);
            c = Vector256.MaxNative(c, xc);
            d = Vector256.MaxNative(d, xd);
        }

        if (nan != Vector256<float>.Zero)
        {
            return float.NaN;
        }

        Vector256<float> max = Vector256.Max(Vector256.Max(a, b), Vector256.Max(c, d));
        float result = float.NegativeInfinity;
        for (int lane = 0; lane < Width; lane++)
        {
            result = MathF.Max(result, max[lane]);
        }

        for (; i < row.Length; i++)
        {
            result = MathF.Max(result, row[i]);
        }

        return result;
    }

    /// <summary>The first index of a value; -1 if there is none, as for NaN.</summary>
    public static int IndexOf(ReadOnlySpan<float> row, float value)
    {
        Vector256<float> values = Vector256.Create(value);
        int i = 0;
        while (i <= row.Length - Width && !Vector256.EqualsAny(Vector256.Create(row[i..]), values))
        {
            i += Width;
        }

        while (i < row.Length && row[i] != value)
        {
            i++;
        }

        return i < row.Length ? i : -1;
    }

    /// <summary>exp((x - max) * scale) of every value, and their sum.</summary>
    public static double Exponentials(ReadOnlySpan<float> row, float max, float scale, Span<float> weights)
    {
        Vector256<float> offset = Vector256.Create(max);
        Vector256<float> factor = Vector256.Create(scale);
        Vector256<double> lower = Vector256<double>.Zero;
        Vector256<double> upper = Vector256<double>.Zero;
        int i = 0;
        for (; i <= row.Length - Width; i += Width)
        {
            Vector256<float> weight = Vector256.Exp((Vector256.Create(row[i..]) - offset) * factor);
            weight.CopyTo(weights[i..]);
            (Vector256<double> low, Vector256<double> high) = Vector256.Widen(weight);
            lower += low;
            upper += high;
        }

        double sum = Vector256.Sum(lower + upper);
        for (; i < row.Length; i++)
        {
            weights[i] = MathF.Exp((row[i] - max) * scale);
            sum += weights[i];
        }

        return sum;
    }

    /// <summary>Sum of all values.</summary>
    public static double Sum(ReadOnlySpan<float> values)
    {
        Vector256<double> lower = Vector256<double>.Zero;
        Vector256<double> upper = Vector256<double>.Zero;
        int i = 0;
        for (; i <= values.Length - Width; i += Width)
        {
            (Vector256<double> low, Vector256<double> high) = Vector256.Widen(Vector256.Create(values[i..]));
            lower += low;
            upper += high;
        }

        double sum = Vector256.Sum(lower + upper);
        for (; i < values.Length; i++)
        {
            sum += values[i];
        }

        return sum;
    }

    /// <summary>Sum of exp(x - max).</summary>
    public static double SumOfExponentials(ReadOnlySpan<float> row, float max)
    {
        Vector256<float> offset = Vector256.Create(max);
        Vector256<double> lower = Vector256<double>.Zero;
        Vector256<double> upper = Vector256<double>.Zero;
        int i = 0;
        for (; i <= row.Length - Width; i += Width)
        {
            (Vector256<double> low, Vector256<double> high) = Vector256.Widen(Vector256.Exp(Vector256.Create(row[i..]) - offset));
            lower += low;
            upper += high;
        }

        double sum = Vector256.Sum(lower + upper);
        for (; i < row.Length; i++)
        {
            sum += MathF.Exp(row[i] - max);
        }

        return sum;
    }

    /// <summary>The first index from <paramref name="start"/> on of a value above a limit; the row's length if there is none.</summary>
    public static int NextAbove(ReadOnlySpan<float> row, int start, float limit)
    {
        Vector256<float> limits = Vector256.Create(limit);
        int i = start;
        while (i <= row.Length - Width && !Vector256.GreaterThanAny(Vector256.Create(row[i..]), limits))
        {
            i += Width;
        }

        while (i < row.Length && !(row[i] > limit))
        {
            i++;
        }

        return i;
    }

    /// <summary>Sum of the values at or above a limit, and how many they are.</summary>
    public static (double Sum, int Count) FromLimit(ReadOnlySpan<float> row, float limit)
    {
        Vector256<float> limits = Vector256.Create(limit);
        Vector256<double> lower = Vector256<double>.Zero, upper = lower;
        Vector256<int> counts = Vector256<int>.Zero;
        int i = 0;
        for (; i <= row.Length - Width; i += Width)
        {
            Vector256<float> values = Vector256.Create(row[i..]);
            Vector256<float> taken = Vector256.GreaterThanOrEqual(values, limits);
            (Vector256<double> low, Vector256<double> high) = Vector256.Widen(values & taken);
            lower += low;
            upper += high;
            counts -= taken.AsInt32();
        }

        double sum = Vector256.Sum(lower + upper);
        int count = Vector256.Sum(counts);
        for (; i < row.Length; i++)
        {
            if (row[i] >= limit)
            {
                sum += row[i];
                count++;
            }
        }

        return (sum, count);
    }

    /// <summary>Sets values below a limit to zero, and those that equal it at indices above <paramref name="lastTie"/>.</summary>
    public static void ClearBelow(Span<float> row, float limit, int lastTie)
    {
        Vector256<float> limits = Vector256.Create(limit);
        int i = 0;
        for (; i <= row.Length - Width; i += Width)
        {
            Vector256<float> values = Vector256.Create<float>(row[i..]);
            Vector256<float> kept = i + Width - 1 <= lastTie ? Vector256.GreaterThanOrEqual(values, limits)
                : i > lastTie ? Vector256.GreaterThan(values, limits)
                : Vector256.GreaterThan(values, limits)
                    | (Vector256.Equals(values, limits) & Vector256.LessThanOrEqual(Vector256.CreateSequence(i, 1), Vector256.Create(lastTie)).AsSingle());
            (values & kept).CopyTo(row[i..]);
        }

        for (; i < row.Length; i++)
        {
            row[i] = row[i] > limit || (row[i] == limit && i <= lastTie) ? row[i] : 0;
        }
    }

    /// <summary>Collects the values from <paramref name="first"/> to below <paramref name="end"/> with their indices, ascending by index; returns how many.</summary>
    public static int Gather(ReadOnlySpan<float> row, float first, float end, Span<Candidate> found)
    {
        Vector256<float> firsts = Vector256.Create(first), ends = Vector256.Create(end);
        int count = 0;
        int i = 0;
        for (; i <= row.Length - Width; i += Width)
        {
            Vector256<float> values = Vector256.Create(row[i..]);
            uint taken = (Vector256.GreaterThanOrEqual(values, firsts) & Vector256.LessThan(values, ends)).ExtractMostSignificantBits();
            for (; taken != 0; taken &= taken - 1)
            {
                int j = i + BitOperations.TrailingZeroCount(taken);
                found[count++] = new Candidate(row[j], j);
            }
        }

        for (; i < row.Length; i++)
        {
            if (row[i] >= first && row[i] < end)
            {
                found[count++] = new Candidate(row[i], i);
            }
        }

        return count;
    }

    /// <summary>
    /// Collects the values at or above a limit with their indices, ascending by index; returns how many. It gives up as soon as they are more than
    /// <paramref name="most"/>, and the result is above it.
    /// </summary>
    public static int Gather(ReadOnlySpan<float> row, float limit, Span<Candidate> found, int most = int.MaxValue)
    {
        Vector256<float> limits = Vector256.Create(limit);
        int count = 0;
        int i = 0;
        for (; i <= row.Length - Width && count <= most; i += Width)
        {
            if (!Vector256.GreaterThanOrEqualAny(Vector256.Create(row[i..]), limits))
            {
                continue;
            }

            for (int j = i; j < i + Width; j++)
            {
                if (row[j] >= limit)
                {
                    found[count++] = new Candidate(row[j], j);
                }
            }
        }

        for (; i < row.Length && count <= most; i++)
        {
            if (row[i] >= limit)
            {
                found[count++] = new Candidate(row[i], i);
            }
        }

        return count;
    }
}

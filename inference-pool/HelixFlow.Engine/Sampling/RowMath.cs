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

    /// <summary>Collects the values at or above a limit with their indices, ascending by index; returns how many.</summary>
    public static int Gather(ReadOnlySpan<float> row, float limit, Span<Candidate> found)
    {
        Vector256<float> limits = Vector256.Create(limit);
        int count = 0;
        int i = 0;
        for (; i <= row.Length - Width; i += Width)
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

        for (; i < row.Length; i++)
        {
            if (row[i] >= limit)
            {
                found[count++] = new Candidate(row[i], i);
            }
        }

        return count;
    }
}

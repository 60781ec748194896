using System.Numerics;
using System.Runtime.InteropServices;

namespace HelixFlow.Gateway.VectorStores;

/// <summary>Products of vectors of float32, on as many lanes as the processor has.</summary>
internal static class VectorScan
{
    /// <summary>The scalar product. For vectors of unit length it is their cosine.</summary>
    public static float Dot(ReadOnlySpan<float> left, ReadOnlySpan<float> right)
    {
        ReadOnlySpan<Vector<float>> a = MemoryMarshal.Cast<float, Vector<float>>(left);
        ReadOnlySpan<Vector<float>> b = MemoryMarshal.Cast<float, Vector<float>>(right)[..a.Length];

        // Four sums hide the latency of the additions.
        Vector<float> sum0 = Vector<float>.Zero;
        Vector<float> sum1 = Vector<float>.Zero;
        Vector<float> sum2 = Vector<float>.Zero;
        Vector<float> sum3 = Vector<float>.Zero;
        int i = 0;
        for (; i + 4 <= a.Length; i += 4)
        {
            sum0 += a[i] * b[i];
            sum1 += a[i + 1] * b[i + 1];
            sum2 += a[i + 2] * b[i + 2];
            sum3 += a[i + 3] * b[i + 3];
        }

        for (; i < a.Length; i++)
        {
            sum0 += a[i] * b[i];
        }

        float sum = Vector.Sum(sum0 + sum1 + (sum2 + sum3));
        for (int rest = a.Length * Vector<float>.Count; rest < left.Length; rest++)
        {
            sum += left[rest] * right[rest];
        }

        return sum;
    }

    /// <summary>Scales a vector to unit length; one of zeros, or that is not finite, stays as it is.</summary>
    public static void Normalise(Span<float> vector)
    {
        float length = MathF.Sqrt(Dot(vector, vector));
        if (length > 0 && float.IsFinite(length))
        {
            foreach (ref float value in vector)
            {
                value /= length;
            }
        }
    }
}

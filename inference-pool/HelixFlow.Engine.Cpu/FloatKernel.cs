using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace HelixFlow.Engine.Cpu;

/// <summary>Sums of products of float32 vectors.</summary>
internal static unsafe class FloatKernel
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Dot(float* a, float* b, int length)
    {
        Vector256<float> s0 = Vector256<float>.Zero;
        Vector256<float> s1 = s0;
        Vector256<float> s2 = s0;
        Vector256<float> s3 = s0;
        int i = 0;
        for (; i <= length - 32; i += 32)
        {
            s0 = Vector256.FusedMultiplyAdd(Vector256.Load(a + i), Vector256.Load(b + i), s0);
            s1 = Vector256.FusedMultiplyAdd(Vector256.Load(a + i + 8), Vector256.Load(b + i + 8), s1);
            s2 = Vector256.FusedMultiplyAdd(Vector256.Load(a + i + 16), Vector256.Load(b + i + 16), s2);
            s3 = Vector256.FusedMultiplyAdd(Vector256.Load(a + i + 24), Vector256.Load(b + i + 24), s3);
        }

        for (; i <= length - 8; i += 8)
        {
            s0 = Vector256.FusedMultiplyAdd(Vector256.Load(a + i), Vector256.Load(b + i), s0);
        }

        float sum = Vector256.Sum((s0 + s1) + (s2 + s3));
        for (; i < length; i++)
        {
            sum += a[i] * b[i];
        }

        return sum;
    }

    /// <summary>One weight row with four rows of activations, <paramref name="stride"/> elements apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Vector128<float> Dot4(float* weight, float* rows, long stride, int length)
    {
        Vector256<float> s0 = Vector256<float>.Zero;
        Vector256<float> s1 = s0;
        Vector256<float> s2 = s0;
        Vector256<float> s3 = s0;
        float* a1 = rows + stride;
        float* a2 = a1 + stride;
        float* a3 = a2 + stride;
        int i = 0;
        for (; i <= length - 8; i += 8)
        {
            Vector256<float> w = Vector256.Load(weight + i);
            s0 = Vector256.FusedMultiplyAdd(w, Vector256.Load(rows + i), s0);
            s1 = Vector256.FusedMultiplyAdd(w, Vector256.Load(a1 + i), s1);
            s2 = Vector256.FusedMultiplyAdd(w, Vector256.Load(a2 + i), s2);
            s3 = Vector256.FusedMultiplyAdd(w, Vector256.Load(a3 + i), s3);
        }

        Vector128<float> sums = Vector128.Create(Vector256.Sum(s0), Vector256.Sum(s1), Vector256.Sum(s2), Vector256.Sum(s3));
        for (; i < length; i++)
        {
            sums += Vector128.Create(rows[i], a1[i], a2[i], a3[i]) * weight[i];
        }

        return sums;
    }

    /// <summary>target += scale * source.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddScaled(float* target, float* source, float scale, int length)
    {
        Vector256<float> factor = Vector256.Create(scale);
        int i = 0;
        for (; i <= length - 8; i += 8)
        {
            Vector256.FusedMultiplyAdd(factor, Vector256.Load(source + i), Vector256.Load(target + i)).Store(target + i);
        }

        for (; i < length; i++)
        {
            target[i] += scale * source[i];
        }
    }
}

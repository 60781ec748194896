using System.Diagnostics;
using System.Runtime.Intrinsics;

namespace HelixFlow.Engine.Cpu.Matrices;

/// <summary>512-bit dot products of four weight rows with four input rows, or with one, in sixteen registers of sums.</summary>
/// <remarks>
/// Weight row i begins i * <c>weightStride</c> bytes after the first, and input row i <c>i * inputStride</c> elements; a weight stride of 0
/// reads the first row only, and just its sum is stored. A pair of rows has one register of sums in both kernels, so that an input row's result
/// has the same bits alone and in a batch. Nothing beyond <c>columns</c> is read.
/// </remarks>
internal static unsafe class FloatTile<TElement>
    where TElement : struct, IFloatElement
{
    private const int Lanes = 16;

    /// <summary>Sums [input row, weight row], input rows <paramref name="sumStride"/> apart.</summary>
    public static void FourByFour(byte* weights, long weightStride, float* input, long inputStride, int columns, float* sums, int sumStride)
    {
        Debug.Assert(Vector512.IsHardwareAccelerated, "for processors with 512-bit vectors");
        float* lanes = stackalloc float[16 * Lanes]; // [input row, weight row, lane]
        byte* weights1 = weights + weightStride, weights2 = weights1 + weightStride, weights3 = weights2 + weightStride;
        Vector512<float> p0 = default, p1 = default, p2 = default, p3 = default;
        Vector512<float> q0 = default, q1 = default, q2 = default, q3 = default;
        Vector512<float> r0 = default, r1 = default, r2 = default, r3 = default;
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        int column = 0;
        for (; column + Lanes <= columns; column += Lanes)
        {
            Vector512<float> w0 = TElement.Load16(weights, column), w1 = TElement.Load16(weights1, column);
            Vector512<float> w2 = TElement.Load16(weights2, column), w3 = TElement.Load16(weights3, column);
            Vector512<float> x = Vector512.Load(input + column);
            p0 = Vector512.FusedMultiplyAdd(w0, x, p0);
            p1 = Vector512.FusedMultiplyAdd(w1, x, p1);
            p2 = Vector512.FusedMultiplyAdd(w2, x, p2);
            p3 = Vector512.FusedMultiplyAdd(w3, x, p3);
            x = Vector512.Load(input + inputStride + column);
            q0 = Vector512.FusedMultiplyAdd(w0, x, q0);
            q1 = Vector512.FusedMultiplyAdd(w1, x, q1);
            q2 = Vector512.FusedMultiplyAdd(w2, x, q2);
            q3 = Vector512.FusedMultiplyAdd(w3, x, q3);
            x = Vector512.Load(input + (2 * inputStride) + column);
            r0 = Vector512.FusedMultiplyAdd(w0, x, r0);
            r1 = Vector512.FusedMultiplyAdd(w1, x, r1);
            r2 = Vector512.FusedMultiplyAdd(w2, x, r2);
            r3 = Vector512.FusedMultiplyAdd(w3, x, r3);
            x = Vector512.Load(input + (3 * inputStride) + column);
            s0 = Vector512.FusedMultiplyAdd(w0, x, s0);
            s1 = Vector512.FusedMultiplyAdd(w1, x, s1);
            s2 = Vector512.FusedMultiplyAdd(w2, x, s2);
            s3 = Vector512.FusedMultiplyAdd(w3, x, s3);
        }

        p0.Store(lanes);
        p1.Store(lanes + Lanes);
        p2.Store(lanes + (2 * Lanes));
        p3.Store(lanes + (3 * Lanes));
        q0.Store(lanes + (4 * Lanes));
        q1.Store(lanes + (5 * Lanes));
        q2.Store(lanes + (6 * Lanes));
        q3.Store(lanes + (7 * Lanes));
        r0.Store(lanes + (8 * Lanes));
        r1.Store(lanes + (9 * Lanes));
        r2.Store(lanes + (10 * Lanes));
        r3.Store(lanes + (11 * Lanes));
        s0.Store(lanes + (12 * Lanes));
        s1.Store(lanes + (13 * Lanes));
        s2.Store(lanes + (14 * Lanes));
        s3.Store(lanes + (15 * Lanes));
        for (int row = 0; row < 4; row++)
        {
            Finish(lanes + (row * 4 * Lanes), weights, weightStride, input + (row * inputStride), column, columns, sums + (row * sumStride));
        }
    }

    /// <summary>Sums [weight row] of one input row.</summary>
    public static void FourByOne(byte* weights, long weightStride, float* input, int columns, float* sums)
    {
        Debug.Assert(Vector512.IsHardwareAccelerated, "for processors with 512-bit vectors");
        float* lanes = stackalloc float[4 * Lanes]; // [weight row, lane]
        byte* weights1 = weights + weightStride, weights2 = weights1 + weightStride, weights3 = weights2 + weightStride;
        Vector512<float> p0 = default, p1 = default, p2 = default, p3 = default;
        int column = 0;
        for (; column + Lanes <= columns; column += Lanes)
        {
            Vector512<float> x = Vector512.Load(input + column);
            p0 = Vector512.FusedMultiplyAdd(TElement.Load16(weights, column), x, p0);
            p1 = Vector512.FusedMultiplyAdd(TElement.Load16(weights1, column), x, p1);
            p2 = Vector512.FusedMultiplyAdd(TElement.Load16(weights2, column), x, p2);
            p3 = Vector512.FusedMultiplyAdd(TElement.Load16(weights3, column), x, p3);
        }

        p0.Store(lanes);
        p1.Store(lanes + Lanes);
        p2.Store(lanes + (2 * Lanes));
        p3.Store(lanes + (3 * Lanes));
        Finish(lanes, weights, weightStride, input, column, columns, sums);
    }

    // Sums over lanes, in a method of its own that gets them in memory: registers that live on to a call would be spilled inside the loop.
    private static void Finish(float* lanes, byte* weights, long weightStride, float* input, int column, int columns, float* sums)
    {
        int count = weightStride == 0 ? 1 : 4;
        for (int i = 0; i < count; i++)
        {
            sums[i] = Vector512.Sum(Vector512.Load(lanes + (i * Lanes))) + Tail(weights + (i * weightStride), input, column, columns);
        }
    }

    private static float Tail(byte* weights, float* input, int column, int columns)
    {
        float sum = 0;
        for (; column < columns; column++)
        {
            sum += TElement.Load1(weights, column) * input[column];
        }

        return sum;
    }
}

using System.Runtime.CompilerServices;
using HelixFlow.Engine.Cpu.Vectors;

namespace HelixFlow.Engine.Cpu.Matrices;

/// <summary>Dot products of four weight rows with one, two, four or six input rows, each pair's sums in a register of its own.</summary>
/// <remarks>
/// Weight row i begins i * <c>weightStride</c> bytes after the first, and input row i <c>i * inputStride</c> elements; a weight stride of 0
/// reads the first row only, and just its sum is stored. A pair of rows has one register of sums in all kernels, so that an input row's result
/// has the same bits alone and in a batch. Nothing beyond <c>columns</c> is read.
/// </remarks>
internal static unsafe class FloatTile<TWidth, TVector, TElement>
    where TWidth : struct, IVectorWidth<TVector>
    where TVector : struct
    where TElement : struct, IStoredElement
{
    /// <summary>The most input rows of a call. Vectors of 256 bits come with sixteen registers at least, the others with thirty-two.</summary>
    public static int MaxRows => TWidth.Count == 8 ? 2 : 6;

    /// <summary>The rows to do at once when so many are left: what a kernel exists for.</summary>
    public static int RowsOf(int left) => left >= MaxRows ? MaxRows : left >= 4 ? 4 : left >= 2 ? 2 : 1;

    /// <summary>Sums [input row, weight row], input rows <paramref name="sumStride"/> apart; <paramref name="rows"/> is of <see cref="RowsOf"/>.</summary>
    public static void Multiply(byte* weights, long weightStride, float* input, long inputStride, int rows, int columns, float* sums, int sumStride)
    {
        float* lanes = stackalloc float[6 * 4 * TWidth.Count]; // [input row, weight row, lane]
        int whole = columns / TWidth.Count * TWidth.Count;
        switch (rows)
        {
            case 6:
                SixByFour(weights, weightStride, input, inputStride, whole, lanes);
                break;
            case 4:
                FourByFour(weights, weightStride, input, inputStride, whole, lanes);
                break;
            case 2:
                TwoByFour(weights, weightStride, input, inputStride, whole, lanes);
                break;
            default:
                OneByFour(weights, weightStride, input, inputStride, whole, lanes);
                break;
        }

        // Lanes are added here, from memory: registers that live on to a call would be spilled inside the loop.
        int count = weightStride == 0 ? 1 : 4;
        for (int row = 0; row < rows; row++)
        {
            for (int i = 0; i < count; i++)
            {
                float sum = TWidth.Sum(TWidth.Load(lanes + (((4 * row) + i) * TWidth.Count)));
                sums[(row * sumStride) + i] = whole == columns ? sum : sum + Tail(weights + (i * weightStride), input + (row * inputStride), whole, columns);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SixByFour(byte* weights, long weightStride, float* input, long inputStride, int columns, float* lanes)
    {
        byte* weights1 = weights + weightStride, weights2 = weights1 + weightStride, weights3 = weights2 + weightStride;
        TVector a0 = TWidth.Create(0), a1 = a0, a2 = a0, a3 = a0;
        TVector b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        TVector c0 = a0, c1 = a0, c2 = a0, c3 = a0;
        TVector d0 = a0, d1 = a0, d2 = a0, d3 = a0;
        TVector e0 = a0, e1 = a0, e2 = a0, e3 = a0;
        TVector f0 = a0, f1 = a0, f2 = a0, f3 = a0;
        for (int column = 0; column < columns; column += TWidth.Count)
        {
            TVector w0 = Load(weights, column), w1 = Load(weights1, column), w2 = Load(weights2, column), w3 = Load(weights3, column);
            TVector x = TWidth.Load(input + column);
            a0 = TWidth.MultiplyAdd(w0, x, a0);
            a1 = TWidth.MultiplyAdd(w1, x, a1);
            a2 = TWidth.MultiplyAdd(w2, x, a2);
            a3 = TWidth.MultiplyAdd(w3, x, a3);
            x = TWidth.Load(input + inputStride + column);
            b0 = TWidth.MultiplyAdd(w0, x, b0);
            b1 = TWidth.MultiplyAdd(w1, x, b1);
            b2 = TWidth.MultiplyAdd(w2, x, b2);
            b3 = TWidth.MultiplyAdd(w3, x, b3);
            x = TWidth.Load(input + (2 * inputStride) + column);
            c0 = TWidth.MultiplyAdd(w0, x, c0);
            c1 = TWidth.MultiplyAdd(w1, x, c1);
            c2 = TWidth.MultiplyAdd(w2, x, c2);
            c3 = TWidth.MultiplyAdd(w3, x, c3);
            x = TWidth.Load(input + (3 * inputStride) + column);
            d0 = TWidth.MultiplyAdd(w0, x, d0);
            d1 = TWidth.MultiplyAdd(w1, x, d1);
            d2 = TWidth.MultiplyAdd(w2, x, d2);
            d3 = TWidth.MultiplyAdd(w3, x, d3);
            x = TWidth.Load(input + (4 * inputStride) + column);
            e0 = TWidth.MultiplyAdd(w0, x, e0);
            e1 = TWidth.MultiplyAdd(w1, x, e1);
            e2 = TWidth.MultiplyAdd(w2, x, e2);
            e3 = TWidth.MultiplyAdd(w3, x, e3);
            x = TWidth.Load(input + (5 * inputStride) + column);
            f0 = TWidth.MultiplyAdd(w0, x, f0);
            f1 = TWidth.MultiplyAdd(w1, x, f1);
            f2 = TWidth.MultiplyAdd(w2, x, f2);
            f3 = TWidth.MultiplyAdd(w3, x, f3);
        }

        StoreFour(a0, a1, a2, a3, lanes);
        StoreFour(b0, b1, b2, b3, lanes + (4 * TWidth.Count));
        StoreFour(c0, c1, c2, c3, lanes + (8 * TWidth.Count));
        StoreFour(d0, d1, d2, d3, lanes + (12 * TWidth.Count));
        StoreFour(e0, e1, e2, e3, lanes + (16 * TWidth.Count));
        StoreFour(f0, f1, f2, f3, lanes + (20 * TWidth.Count));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourByFour(byte* weights, long weightStride, float* input, long inputStride, int columns, float* lanes)
    {
        byte* weights1 = weights + weightStride, weights2 = weights1 + weightStride, weights3 = weights2 + weightStride;
        TVector a0 = TWidth.Create(0), a1 = a0, a2 = a0, a3 = a0;
        TVector b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        TVector c0 = a0, c1 = a0, c2 = a0, c3 = a0;
        TVector d0 = a0, d1 = a0, d2 = a0, d3 = a0;
        for (int column = 0; column < columns; column += TWidth.Count)
        {
            TVector w0 = Load(weights, column), w1 = Load(weights1, column), w2 = Load(weights2, column), w3 = Load(weights3, column);
            TVector x = TWidth.Load(input + column);
            a0 = TWidth.MultiplyAdd(w0, x, a0);
            a1 = TWidth.MultiplyAdd(w1, x, a1);
            a2 = TWidth.MultiplyAdd(w2, x, a2);
            a3 = TWidth.MultiplyAdd(w3, x, a3);
            x = TWidth.Load(input + inputStride + column);
            b0 = TWidth.MultiplyAdd(w0, x, b0);
            b1 = TWidth.MultiplyAdd(w1, x, b1);
            b2 = TWidth.MultiplyAdd(w2, x, b2);
            b3 = TWidth.MultiplyAdd(w3, x, b3);
            x = TWidth.Load(input + (2 * inputStride) + column);
            c0 = TWidth.MultiplyAdd(w0, x, c0);
            c1 = TWidth.MultiplyAdd(w1, x, c1);
            c2 = TWidth.MultiplyAdd(w2, x, c2);
            c3 = TWidth.MultiplyAdd(w3, x, c3);
            x = TWidth.Load(input + (3 * inputStride) + column);
            d0 = TWidth.MultiplyAdd(w0, x, d0);
            d1 = TWidth.MultiplyAdd(w1, x, d1);
            d2 = TWidth.MultiplyAdd(w2, x, d2);
            d3 = TWidth.MultiplyAdd(w3, x, d3);
        }

        StoreFour(a0, a1, a2, a3, lanes);
        StoreFour(b0, b1, b2, b3, lanes + (4 * TWidth.Count));
        StoreFour(c0, c1, c2, c3, lanes + (8 * TWidth.Count));
        StoreFour(d0, d1, d2, d3, lanes + (12 * TWidth.Count));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TwoByFour(byte* weights, long weightStride, float* input, long inputStride, int columns, float* lanes)
    {
        byte* weights1 = weights + weightStride, weights2 = weights1 + weightStride, weights3 = weights2 + weightStride;
        TVector a0 = TWidth.Create(0), a1 = a0, a2 = a0, a3 = a0;
        TVector b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        for (int column = 0; column < columns; column += TWidth.Count)
        {
            TVector w0 = Load(weights, column), w1 = Load(weights1, column), w2 = Load(weights2, column), w3 = Load(weights3, column);
            TVector x = TWidth.Load(input + column);
            a0 = TWidth.MultiplyAdd(w0, x, a0);
            a1 = TWidth.MultiplyAdd(w1, x, a1);
            a2 = TWidth.MultiplyAdd(w2, x, a2);
            a3 = TWidth.MultiplyAdd(w3, x, a3);
            x = TWidth.Load(input + inputStride + column);
            b0 = TWidth.MultiplyAdd(w0, x, b0);
            b1 = TWidth.MultiplyAdd(w1, x, b1);
            b2 = TWidth.MultiplyAdd(w2, x, b2);
            b3 = TWidth.MultiplyAdd(w3, x, b3);
        }

        StoreFour(a0, a1, a2, a3, lanes);
        StoreFour(b0, b1, b2, b3, lanes + (4 * TWidth.Count));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneByFour(byte* weights, long weightStride, float* input, long inputStride, int columns, float* lanes)
    {
        byte* weights1 = weights + weightStride, weights2 = weights1 + weightStride, weights3 = weights2 + weightStride;
        TVector a0 = TWidth.Create(0), a1 = a0, a2 = a0, a3 = a0;
        long ahead = 4 * weightStride;
        for (int column = 0; column < columns; column += TWidth.Count)
        {
            // The next four rows: four streams side by side are more than the processor looks ahead for by itself.
            long next = ahead + ((long)column * TElement.Bytes);
            Prefetch.FarLine(weights + next);
            Prefetch.FarLine(weights1 + next);
            Prefetch.FarLine(weights2 + next);
            Prefetch.FarLine(weights3 + next);
            TVector w0 = Load(weights, column), w1 = Load(weights1, column), w2 = Load(weights2, column), w3 = Load(weights3, column);
            TVector x = TWidth.Load(input + column);
            a0 = TWidth.MultiplyAdd(w0, x, a0);
            a1 = TWidth.MultiplyAdd(w1, x, a1);
            a2 = TWidth.MultiplyAdd(w2, x, a2);
            a3 = TWidth.MultiplyAdd(w3, x, a3);
        }

        StoreFour(a0, a1, a2, a3, lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Load(byte* row, int column)
    {
        TVector stored = TWidth.LoadStored<TElement>(row + ((long)column * TElement.Bytes));
        return TElement.Factor == 1 ? stored : TWidth.Multiply(stored, TWidth.Create(TElement.Factor));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreFour(TVector a, TVector b, TVector c, TVector d, float* lanes)
    {
        TWidth.Store(a, lanes);
        TWidth.Store(b, lanes + TWidth.Count);
        TWidth.Store(c, lanes + (2 * TWidth.Count));
        TWidth.Store(d, lanes + (3 * TWidth.Count));
    }

    private static float Tail(byte* weights, float* input, int column, int columns)
    {
        float sum = 0;
        for (; column < columns; column++)
        {
            sum += TElement.Load1(weights + ((long)column * TElement.Bytes)) * input[column];
        }

        return sum;
    }
}

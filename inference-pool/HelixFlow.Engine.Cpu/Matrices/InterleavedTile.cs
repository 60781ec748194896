using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using HelixFlow.Engine.Cpu.Quantisation;

namespace HelixFlow.Engine.Cpu.Matrices;

/// <summary>
/// Products of four activation rows with two neighbouring groups of an <see cref="InterleavedMatrix{TFormat}"/>, sixteen outputs: every load of
/// weights serves four rows and every load of activations sixteen outputs.
/// </summary>
/// <remarks>
/// The sums over a block are exact integers and the blocks are added in order, so a row's result has the same bits whichever kernel computes
/// it. The kernels read <c>columnGroups</c> groups of columns from both weight pointers, and the four rows' codes, scales and sums.
/// </remarks>
internal static unsafe class InterleavedTile<TFormat>
    where TFormat : struct, IBlockFormat
{
    /// <summary>Activation rows of a tile.</summary>
    public const int Rows = 4;

    /// <summary>Outputs of a tile: two groups.</summary>
    public const int Outputs = 2 * CpuMatrix.GroupRows;

    /// <summary>Whether <see cref="MultiplyWide"/> runs here: it needs 512-bit byte products, and codes so small that their sums fit 16 bits.</summary>
    public static bool HasWide => TFormat.FourBit && Avx512BW.IsSupported;

    /// <summary>Sums [row, output] of the tile, by whichever kernel suits this processor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Multiply(byte* weights, byte* next, QuantisedRows quantised, int row, int columnGroups, float* sums)
    {
        if (HasWide)
        {
            MultiplyWide(weights, next, quantised, row, columnGroups, sums);
        }
        else
        {
            MultiplyNarrow(weights, next, quantised, row, columnGroups, sums);
        }
    }

    /// <summary>512-bit kernel for 4-bit codes.</summary>
    /// <remarks>
    /// VPMADDUBSW adds two products of at most 15 * 127 and a lane of a block gets eight such pairs: 30,480 fits 16 bits, so that a block needs
    /// widening only once.
    /// </remarks>
    public static void MultiplyWide(byte* weights, byte* next, QuantisedRows quantised, int row, int columnGroups, float* sums)
    {
        Debug.Assert(HasWide && TFormat.GroupColumns == 32, "the bound on 16-bit sums holds for 32 columns of 4-bit codes");
        sbyte* a = quantised.Codes(row), b = quantised.Codes(row + 1), c = quantised.Codes(row + 2), d = quantised.Codes(row + 3);
        float* scalesA = quantised.Scales(row), scalesB = quantised.Scales(row + 1), scalesC = quantised.Scales(row + 2), scalesD = quantised.Scales(row + 3);
        int* codeSumsA = quantised.Sums(row), codeSumsB = quantised.Sums(row + 1), codeSumsC = quantised.Sums(row + 2), codeSumsD = quantised.Sums(row + 3);
        Vector512<float> sumA = default, sumB = default, sumC = default, sumD = default;
        int scaleBytes = InterleavedMatrix<TFormat>.ScaleBytes;
        int codeBytes = InterleavedMatrix<TFormat>.CodeBytes;
        for (int group = 0; group < columnGroups; group++)
        {
            Vector512<short> dotA = default, dotB = default, dotC = default, dotD = default;
            byte* packed = weights + scaleBytes;
            byte* packedNext = next + scaleBytes;
            for (nint at = 0; at < codeBytes / 8; at += 4)
            {
                Vector512<byte> codes = Both(Vector256.Load(packed + (8 * at)), Vector256.Load(packedNext + (8 * at)));
                Vector512<byte> low = codes & Vector512.Create((byte)15);
                Vector512<byte> high = (codes.AsUInt16() >> 4).AsByte() & Vector512.Create((byte)15);
                dotA = AddPairs(dotA, low, high, a + at);
                dotB = AddPairs(dotB, low, high, b + at);
                dotC = AddPairs(dotC, low, high, c + at);
                dotD = AddPairs(dotD, low, high, d + at);
            }

            (Vector512<float> scale, Vector512<float> min) = ScalesAndMins(weights, next);
            sumA = Accumulate(sumA, dotA, scale, min, scalesA[group], codeSumsA + (2 * group));
            sumB = Accumulate(sumB, dotB, scale, min, scalesB[group], codeSumsB + (2 * group));
            sumC = Accumulate(sumC, dotC, scale, min, scalesC[group], codeSumsC + (2 * group));
            sumD = Accumulate(sumD, dotD, scale, min, scalesD[group], codeSumsD + (2 * group));
            a += 32;
            b += 32;
            c += 32;
            d += 32;
            weights += scaleBytes + codeBytes;
            next += scaleBytes + codeBytes;
        }

        sumA.Store(sums);
        sumB.Store(sums + Outputs);
        sumC.Store(sums + (2 * Outputs));
        sumD.Store(sums + (3 * Outputs));
    }

    /// <summary>256-bit kernel for all formats and processors.</summary>
    public static void MultiplyNarrow(byte* weights, byte* next, QuantisedRows quantised, int row, int columnGroups, float* sums)
    {
        sbyte* a = quantised.Codes(row), b = quantised.Codes(row + 1), c = quantised.Codes(row + 2), d = quantised.Codes(row + 3);
        float* scalesA = quantised.Scales(row), scalesB = quantised.Scales(row + 1), scalesC = quantised.Scales(row + 2), scalesD = quantised.Scales(row + 3);
        int* codeSumsA = quantised.Sums(row), codeSumsB = quantised.Sums(row + 1), codeSumsC = quantised.Sums(row + 2), codeSumsD = quantised.Sums(row + 3);
        Vector256<float> sumA0 = default, sumB0 = default, sumC0 = default, sumD0 = default;
        Vector256<float> sumA1 = default, sumB1 = default, sumC1 = default, sumD1 = default;
        int scaleBytes = InterleavedMatrix<TFormat>.ScaleBytes;
        int codeBytes = InterleavedMatrix<TFormat>.CodeBytes;
        for (int group = 0; group < columnGroups; group++)
        {
            int codeSumA = CodeSum(codeSumsA, group), codeSumB = CodeSum(codeSumsB, group);
            int codeSumC = CodeSum(codeSumsC, group), codeSumD = CodeSum(codeSumsD, group);
            Vector256<int> dotA0 = Vector256.Create(-TFormat.Offset * codeSumA), dotB0 = Vector256.Create(-TFormat.Offset * codeSumB);
            Vector256<int> dotC0 = Vector256.Create(-TFormat.Offset * codeSumC), dotD0 = Vector256.Create(-TFormat.Offset * codeSumD);
            Vector256<int> dotA1 = dotA0, dotB1 = dotB0, dotC1 = dotC0, dotD1 = dotD0;
            byte* packed = weights + scaleBytes;
            byte* packedNext = next + scaleBytes;
            for (nint at = 0; at < codeBytes / 8; at += 4)
            {
                Vector256<byte> codes0 = Vector256.Load(packed + (8 * at)), codes1 = Vector256.Load(packedNext + (8 * at));
                if (TFormat.FourBit)
                {
                    nint second = at + (TFormat.GroupColumns / 2);
                    Vector256<byte> high0 = (codes0.AsUInt16() >> 4).AsByte() & Vector256.Create((byte)15);
                    Vector256<byte> high1 = (codes1.AsUInt16() >> 4).AsByte() & Vector256.Create((byte)15);
                    Add(ref dotA0, ref dotA1, high0, high1, a + second);
                    Add(ref dotB0, ref dotB1, high0, high1, b + second);
                    Add(ref dotC0, ref dotC1, high0, high1, c + second);
                    Add(ref dotD0, ref dotD1, high0, high1, d + second);
                    codes0 &= Vector256.Create((byte)15);
                    codes1 &= Vector256.Create((byte)15);
                }

                Add(ref dotA0, ref dotA1, codes0, codes1, a + at);
                Add(ref dotB0, ref dotB1, codes0, codes1, b + at);
                Add(ref dotC0, ref dotC1, codes0, codes1, c + at);
                Add(ref dotD0, ref dotD1, codes0, codes1, d + at);
            }

            int block = TFormat.GroupColumns == QuantisedRows.Block ? group : group / 2;
            float scaleA = scalesA[block], scaleB = scalesB[block];
            float scaleC = scalesC[block], scaleD = scalesD[block];
            sumA0 = InterleavedMatrix<TFormat>.Accumulate(sumA0, dotA0, weights, scaleA, codeSumA);
            sumB0 = InterleavedMatrix<TFormat>.Accumulate(sumB0, dotB0, weights, scaleB, codeSumB);
            sumC0 = InterleavedMatrix<TFormat>.Accumulate(sumC0, dotC0, weights, scaleC, codeSumC);
            sumD0 = InterleavedMatrix<TFormat>.Accumulate(sumD0, dotD0, weights, scaleD, codeSumD);
            sumA1 = InterleavedMatrix<TFormat>.Accumulate(sumA1, dotA1, next, scaleA, codeSumA);
            sumB1 = InterleavedMatrix<TFormat>.Accumulate(sumB1, dotB1, next, scaleB, codeSumB);
            sumC1 = InterleavedMatrix<TFormat>.Accumulate(sumC1, dotC1, next, scaleC, codeSumC);
            sumD1 = InterleavedMatrix<TFormat>.Accumulate(sumD1, dotD1, next, scaleD, codeSumD);
            a += TFormat.GroupColumns;
            b += TFormat.GroupColumns;
            c += TFormat.GroupColumns;
            d += TFormat.GroupColumns;
            weights += scaleBytes + codeBytes;
            next += scaleBytes + codeBytes;
        }

        Vector512.Create(sumA0, sumA1).Store(sums);
        Vector512.Create(sumB0, sumB1).Store(sums + Outputs);
        Vector512.Create(sumC0, sumC1).Store(sums + (2 * Outputs));
        Vector512.Create(sumD0, sumD1).Store(sums + (3 * Outputs));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> AddPairs(Vector512<short> dot, Vector512<byte> low, Vector512<byte> high, sbyte* codes) =>
        dot + Avx512BW.MultiplyAddAdjacent(low, Four512(codes)) + Avx512BW.MultiplyAddAdjacent(high, Four512(codes + 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<sbyte> Four512(sbyte* codes) => Vector512.Create(Unsafe.ReadUnaligned<int>(codes)).AsSByte();

    // Vector512.Create(lower, upper) inserts into a register that held something else and waits for that; this does not.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<T> Both<T>(Vector256<T> lower, Vector256<T> upper) => lower.ToVector512Unsafe().WithUpper(upper);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<float> Scales, Vector512<float> Mins) ScalesAndMins(byte* weights, byte* next) =>
        (Both(InterleavedMatrix<TFormat>.LoadScales(weights), InterleavedMatrix<TFormat>.LoadScales(next)),
         TFormat.HasMins ? Both(InterleavedMatrix<TFormat>.LoadMins(weights), InterleavedMatrix<TFormat>.LoadMins(next)) : default);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Accumulate(
        Vector512<float> sum, Vector512<short> pairs, Vector512<float> scales, Vector512<float> mins, float scale, int* codeSums)
    {
        int codeSum = codeSums[0] + codeSums[1];
        Vector512<int> dot = Avx512BW.MultiplyAddAdjacent(pairs, Vector512<short>.One) + Vector512.Create(-TFormat.Offset * codeSum);
        sum = Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(dot), scales * Vector512.Create(scale), sum);
        return TFormat.HasMins ? Vector512.FusedMultiplyAdd(mins, Vector512.Create(scale * codeSum), sum) : sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(ref Vector256<int> dot0, ref Vector256<int> dot1, Vector256<byte> codes0, Vector256<byte> codes1, sbyte* activations)
    {
        Vector256<sbyte> four = Vector256.Create(Unsafe.ReadUnaligned<int>(activations)).AsSByte();
        dot0 = ByteDot.Add(dot0, codes0, four);
        dot1 = ByteDot.Add(dot1, codes1, four);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int CodeSum(int* sums, int group) => InterleavedMatrix<TFormat>.CodeSum(sums, group);
}

using System.Runtime.CompilerServices;
using HelixFlow.Engine.Cpu.Vectors;

namespace HelixFlow.Engine.Cpu.Attention;

/// <summary>The two products of attention, in tiles of four queries and two vectors, or of one query.</summary>
/// <remarks>
/// Blocks lie anywhere, and a block's part of a head is half a page, too short for the processor to see what comes next: so the kernels ask for the lines
/// of the block after the next while they work on one, and for the first values while they work on the last keys. They go to the second-level cache: the
/// first one has too few misses under way at a time for all of them.
/// </remarks>
internal static unsafe class AttentionTile<TWidth, TVector, TElement>
    where TWidth : struct, IVectorWidth<TVector>
    where TVector : struct
    where TElement : struct, IStoredElement
{
    private const int GroupPositions = CpuKvStore.GroupPositions;
    private const int VectorsAhead = 4;
    private const int BlocksAhead = 2;
    private const int LineBytes = 64;

    /// <summary>Scores [query, lane] of queries [query / 4, element, query % 4] with the keys of groups [element, lane].</summary>
    /// <remarks>The span's <paramref name="values"/>, of so many <paramref name="blocks"/>, are what is read next.</remarks>
    public static void Score(byte** keys, byte** values, int blocks, int lanes, int headSize, float* queries, int count, float* scores, int stride)
    {
        int parts = GroupPositions / TWidth.Count;
        int vectors = lanes / TWidth.Count;
        for (int vector = 0; vector < vectors; vector += 2)
        {
            // A last vector without a second one is done twice.
            int second = Math.Min(vector + 1, vectors - 1);
            byte* keys0 = keys[vector / parts] + (vector % parts * TWidth.Count * TElement.Bytes);
            byte* keys1 = keys[second / parts] + (second % parts * TWidth.Count * TElement.Bytes);
            int later = vector + VectorsAhead;
            byte* ahead = Ahead(keys, values, blocks, vectors, parts, later);
            long apart = parts == 1 ? Ahead(keys, values, blocks, vectors, parts, later + 1) - ahead : 0;
            float* target0 = scores + (vector * TWidth.Count);
            float* target1 = scores + (second * TWidth.Count);
            if (count == 1)
            {
                ScoreOne(keys0, keys1, ahead, apart, headSize, queries, target0, target1);
                continue;
            }

            for (int query = 0; query < count; query += 4)
            {
                ScoreFour(keys0, keys1, query == 0 ? ahead : keys0, apart, headSize, queries + (query * headSize), target0 + (query * stride), target1 + (query * stride), stride);
            }
        }
    }

    /// <summary>Sums [query, element] of values [position, element], weighted by [query, lane].</summary>
    public static void Sum(
        byte** values, int positions, int blockSize, int blockLanes, int elements, float* weights, int stride, int count, float* sums)
    {
        for (int element = 0; element < elements; element += 2 * TWidth.Count)
        {
            int second = Math.Min(element + TWidth.Count, elements - TWidth.Count);
            if (count == 1)
            {
                SumOne(values, positions, blockSize, blockLanes, elements, element, second, weights, sums);
                continue;
            }

            if (TWidth.Count == 16 && elements - element >= 4 * TWidth.Count)
            {
                // Sixteen sums in registers: the values are read once, in their order.
                for (int query = 0; query < count; query += 4)
                {
                    SumFourWide(values, positions, blockSize, blockLanes, elements, element, weights + (query * stride), stride, sums + (query * elements));
                }

                element += 2 * TWidth.Count;
                continue;
            }

            for (int query = 0; query < count; query += 4)
            {
                SumFour(
                    values, positions, blockSize, blockLanes, elements, element, second, weights + (query * stride), stride, sums + (query * elements));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ScoreFour(
        byte* keys0, byte* keys1, byte* ahead, long apart, int headSize, float* queries, float* target0, float* target1, int stride)
    {
        TVector a0 = TWidth.Create(0), b0 = a0, c0 = a0, d0 = a0, a1 = a0, b1 = a0, c1 = a0, d1 = a0;
        for (int i = 0; i < headSize; i++)
        {
            TVector key0 = TWidth.LoadStored<TElement>(keys0);
            TVector key1 = TWidth.LoadStored<TElement>(keys1);
            TVector query = TWidth.Create(queries[0]);
            a0 = TWidth.MultiplyAdd(key0, query, a0);
            a1 = TWidth.MultiplyAdd(key1, query, a1);
            query = TWidth.Create(queries[1]);
            b0 = TWidth.MultiplyAdd(key0, query, b0);
            b1 = TWidth.MultiplyAdd(key1, query, b1);
            query = TWidth.Create(queries[2]);
            c0 = TWidth.MultiplyAdd(key0, query, c0);
            c1 = TWidth.MultiplyAdd(key1, query, c1);
            query = TWidth.Create(queries[3]);
            d0 = TWidth.MultiplyAdd(key0, query, d0);
            d1 = TWidth.MultiplyAdd(key1, query, d1);
            Prefetch.FarLine(ahead);
            Prefetch.FarLine(ahead + apart);
            ahead += GroupPositions * TElement.Bytes;
            keys0 += GroupPositions * TElement.Bytes;
            keys1 += GroupPositions * TElement.Bytes;
            queries += 4;
        }

        TWidth.Store(a0, target0);
        TWidth.Store(a1, target1);
        TWidth.Store(b0, target0 + stride);
        TWidth.Store(b1, target1 + stride);
        TWidth.Store(c0, target0 + (2 * stride));
        TWidth.Store(c1, target1 + (2 * stride));
        TWidth.Store(d0, target0 + (3 * stride));
        TWidth.Store(d1, target1 + (3 * stride));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ScoreOne(
        byte* keys0, byte* keys1, byte* ahead, long apart, int headSize, float* queries, float* target0, float* target1)
    {
        TVector a0 = TWidth.Create(0), a1 = a0;
        for (int i = 0; i < headSize; i++)
        {
            TVector query = TWidth.Create(queries[0]);
            a0 = TWidth.MultiplyAdd(TWidth.LoadStored<TElement>(keys0), query, a0);
            a1 = TWidth.MultiplyAdd(TWidth.LoadStored<TElement>(keys1), query, a1);
            Prefetch.FarLine(ahead);
            Prefetch.FarLine(ahead + apart);
            ahead += GroupPositions * TElement.Bytes;
            keys0 += GroupPositions * TElement.Bytes;
            keys1 += GroupPositions * TElement.Bytes;
            queries += 4;
        }

        TWidth.Store(a0, target0);
        TWidth.Store(a1, target1);
    }

    // Where the keys of a vector are or, beyond the last one, the values that follow.
    private static byte* Ahead(byte** keys, byte** values, int blocks, int vectors, int parts, int vector) => vector < vectors
        ? keys[vector / parts] + (vector % parts * TWidth.Count * TElement.Bytes)
        : values[Math.Min((vector - vectors) / parts, blocks - 1)];

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SumFourWide(
        byte** values, int positions, int blockSize, int blockLanes, int elements, int first, float* weights, int stride, float* sums)
    {
        TVector a0 = TWidth.Create(0), a1 = a0, a2 = a0, a3 = a0;
        TVector b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        TVector c0 = a0, c1 = a0, c2 = a0, c3 = a0;
        TVector d0 = a0, d1 = a0, d2 = a0, d3 = a0;
        int apart = TWidth.Count * TElement.Bytes;
        int step = elements * TElement.Bytes;
        for (; positions > 0; positions -= blockSize, values++, weights += blockLanes)
        {
            byte* value = *values + (first * TElement.Bytes);
            long ahead = positions > BlocksAhead * blockSize ? values[BlocksAhead] - values[0] : 0;
            float* end = weights + Math.Min(blockSize, positions);
            for (float* weight = weights; weight < end; weight++, value += step)
            {
                Prefetch.FarLine(value + ahead);
                Prefetch.FarLine(value + ahead + LineBytes);
                if (TElement.Bytes == 4)
                {
                    Prefetch.FarLine(value + ahead + (2 * LineBytes));
                    Prefetch.FarLine(value + ahead + (3 * LineBytes));
                }

                TVector value0 = TWidth.LoadStored<TElement>(value);
                TVector value1 = TWidth.LoadStored<TElement>(value + apart);
                TVector value2 = TWidth.LoadStored<TElement>(value + (2 * apart));
                TVector value3 = TWidth.LoadStored<TElement>(value + (3 * apart));
                TVector times = TWidth.Create(weight[0]);
                a0 = TWidth.MultiplyAdd(value0, times, a0);
                a1 = TWidth.MultiplyAdd(value1, times, a1);
                a2 = TWidth.MultiplyAdd(value2, times, a2);
                a3 = TWidth.MultiplyAdd(value3, times, a3);
                times = TWidth.Create(weight[stride]);
                b0 = TWidth.MultiplyAdd(value0, times, b0);
                b1 = TWidth.MultiplyAdd(value1, times, b1);
                b2 = TWidth.MultiplyAdd(value2, times, b2);
                b3 = TWidth.MultiplyAdd(value3, times, b3);
                times = TWidth.Create(weight[2 * stride]);
                c0 = TWidth.MultiplyAdd(value0, times, c0);
                c1 = TWidth.MultiplyAdd(value1, times, c1);
                c2 = TWidth.MultiplyAdd(value2, times, c2);
                c3 = TWidth.MultiplyAdd(value3, times, c3);
                times = TWidth.Create(weight[3 * stride]);
                d0 = TWidth.MultiplyAdd(value0, times, d0);
                d1 = TWidth.MultiplyAdd(value1, times, d1);
                d2 = TWidth.MultiplyAdd(value2, times, d2);
                d3 = TWidth.MultiplyAdd(value3, times, d3);
            }
        }

        sums += first;
        Store(a0, a1, a2, a3, sums);
        Store(b0, b1, b2, b3, sums + elements);
        Store(c0, c1, c2, c3, sums + (2 * elements));
        Store(d0, d1, d2, d3, sums + (3 * elements));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(TVector first, TVector second, TVector third, TVector fourth, float* target)
    {
        TWidth.Store(first, target);
        TWidth.Store(second, target + TWidth.Count);
        TWidth.Store(third, target + (2 * TWidth.Count));
        TWidth.Store(fourth, target + (3 * TWidth.Count));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SumFour(
        byte** values, int positions, int blockSize, int blockLanes, int elements, int first, int second, float* weights, int stride, float* sums)
    {
        TVector a0 = TWidth.Create(0), b0 = a0, c0 = a0, d0 = a0, a1 = a0, b1 = a0, c1 = a0, d1 = a0;
        int apart = (second - first) * TElement.Bytes;
        int step = elements * TElement.Bytes;
        for (; positions > 0; positions -= blockSize, values++, weights += blockLanes)
        {
            byte* value = *values + (first * TElement.Bytes);
            long ahead = positions > BlocksAhead * blockSize ? values[BlocksAhead] - values[0] : 0;
            float* end = weights + Math.Min(blockSize, positions);
            for (float* weight = weights; weight < end; weight++, value += step)
            {
                Prefetch.FarLine(value + ahead);
                TVector value0 = TWidth.LoadStored<TElement>(value);
                TVector value1 = TWidth.LoadStored<TElement>(value + apart);
                TVector times = TWidth.Create(weight[0]);
                a0 = TWidth.MultiplyAdd(value0, times, a0);
                a1 = TWidth.MultiplyAdd(value1, times, a1);
                times = TWidth.Create(weight[stride]);
                b0 = TWidth.MultiplyAdd(value0, times, b0);
                b1 = TWidth.MultiplyAdd(value1, times, b1);
                times = TWidth.Create(weight[2 * stride]);
                c0 = TWidth.MultiplyAdd(value0, times, c0);
                c1 = TWidth.MultiplyAdd(value1, times, c1);
                times = TWidth.Create(weight[3 * stride]);
                d0 = TWidth.MultiplyAdd(value0, times, d0);
                d1 = TWidth.MultiplyAdd(value1, times, d1);
            }
        }

        TWidth.Store(a0, sums + first);
        TWidth.Store(a1, sums + second);
        TWidth.Store(b0, sums + elements + first);
        TWidth.Store(b1, sums + elements + second);
        TWidth.Store(c0, sums + (2 * elements) + first);
        TWidth.Store(c1, sums + (2 * elements) + second);
        TWidth.Store(d0, sums + (3 * elements) + first);
        TWidth.Store(d1, sums + (3 * elements) + second);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SumOne(
        byte** values, int positions, int blockSize, int blockLanes, int elements, int first, int second, float* weights, float* sums)
    {
        TVector a0 = TWidth.Create(0), a1 = a0;
        int apart = (second - first) * TElement.Bytes;
        for (; positions > 0; positions -= blockSize, values++, weights += blockLanes)
        {
            byte* value = *values + (first * TElement.Bytes);
            long ahead = positions > BlocksAhead * blockSize ? values[BlocksAhead] - values[0] : 0;
            int count = Math.Min(blockSize, positions);
            for (int i = 0; i < count; i++, value += elements * TElement.Bytes)
            {
                Prefetch.FarLine(value + ahead);
                TVector times = TWidth.Create(weights[i]);
                a0 = TWidth.MultiplyAdd(TWidth.LoadStored<TElement>(value), times, a0);
                a1 = TWidth.MultiplyAdd(TWidth.LoadStored<TElement>(value + apart), times, a1);
            }
        }

        TWidth.Store(a0, sums + first);
        TWidth.Store(a1, sums + second);
    }
}

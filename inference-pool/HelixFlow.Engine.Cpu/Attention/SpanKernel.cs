using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Quantisation;
using HelixFlow.Engine.Cpu.Vectors;

namespace HelixFlow.Engine.Cpu.Attention;

/// <summary>The arithmetic of attention for one type of keys and values and one width of vectors.</summary>
/// <remarks>
/// A query's results do not depend on the other queries of a call, to the bit: a lane's sum runs over the elements in order, a value's over the
/// positions in order, and what a query does not see counts as exactly nothing.
/// </remarks>
internal abstract class SpanKernel(CpuKvStore store)
{
    protected CpuKvStore Store { get; } = store;

    /// <summary>Queries must be multiplied by it; the kernel does the same with the weights of values.</summary>
    public abstract float Factor { get; }

    public static SpanKernel Create(CpuKvStore store, VectorWidth width) => width switch
    {
        VectorWidth.Bits512 => Create<Width512, Vector512<float>>(store),
        VectorWidth.Bits256 => Create<Width256, Vector256<float>>(store),
        _ => Create<Width128, Vector128<float>>(store),
    };

    /// <summary>Computes the state of all queries over the span.</summary>
    public abstract void Run(in SpanCall call);

    /// <summary>Adds the state over a later span to that over the earlier ones.</summary>
    public abstract void Merge(SoftmaxState earlier, SoftmaxState later, int queries);

    /// <summary>The weighted mean of the values: a head's output.</summary>
    public abstract unsafe void Finish(SoftmaxState state, int query, float* output);

    private static SpanKernel Create<TWidth, TVector>(CpuKvStore store)
        where TWidth : struct, IVectorWidth<TVector>
        where TVector : struct => store.Layout.Type switch
        {
            KvType.F32 => new SpanKernel<TWidth, TVector, StoredSingle>(store),
            KvType.BF16 => new SpanKernel<TWidth, TVector, StoredBrain>(store),
            KvType.Q8_0 => new SpanKernel<TWidth, TVector, StoredCode>(store),
            _ => new SpanKernel<TWidth, TVector, StoredHalf>(store),
        };
}

/// <inheritdoc/>
internal sealed unsafe class SpanKernel<TWidth, TVector, TElement>(CpuKvStore store) : SpanKernel(store)
    where TWidth : struct, IVectorWidth<TVector>
    where TVector : struct
    where TElement : struct, IStoredElement
{
    private const int GroupPositions = CpuKvStore.GroupPositions;

    // Widening once and loading again costs less than widening for each four queries from here on.
    private const int QueriesToWiden = 12;

    public override float Factor => TElement.Factor;

    public override void Run(in SpanCall call)
    {
        if (typeof(TElement) == typeof(StoredCode) || (typeof(TElement) != typeof(StoredSingle) && call.Queries4 >= QueriesToWiden))
        {
            SpanCall wide = Widen(call);
            Attend<StoredSingle>(wide);
        }
        else
        {
            Attend<TElement>(call);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Merge(SoftmaxState earlier, SoftmaxState later, int queries)
    {
        int elements = Store.ValueElements;
        for (int query = 0; query < queries; query++)
        {
            float largest = MathF.Max(earlier.Largest[query], later.Largest[query]);
            float keep = Exp(earlier.Largest[query] - largest);
            float take = Exp(later.Largest[query] - largest);
            earlier.Largest[query] = largest;
            earlier.Total[query] = (earlier.Total[query] * keep) + (later.Total[query] * take);
            float* sums = earlier.Sums + ((long)query * elements);
            float* added = later.Sums + ((long)query * elements);
            for (int i = 0; i < elements; i += TWidth.Count)
            {
                TVector kept = TWidth.Multiply(TWidth.Load(sums + i), TWidth.Create(keep));
                TWidth.Store(TWidth.MultiplyAdd(TWidth.Load(added + i), TWidth.Create(take), kept), sums + i);
            }
        }
    }

    public override void Finish(SoftmaxState state, int query, float* output)
    {
        float* sums = state.Sums + ((long)query * Store.ValueElements);
        float total = state.Total[query];
        int i = 0;
        for (; i + TWidth.Count <= Store.Layout.HeadSize; i += TWidth.Count)
        {
            TWidth.Store(TWidth.Divide(TWidth.Load(sums + i), TWidth.Create(total)), output + i);
        }

        for (; i < Store.Layout.HeadSize; i++)
        {
            output[i] = sums[i] / total;
        }
    }

    private static float Exp(float x)
    {
        float* lanes = stackalloc float[TWidth.Count];
        TWidth.Store(VectorFunctions<TWidth, TVector>.Exp(TWidth.Create(x)), lanes);
        return lanes[0];
    }

    private void Attend<TStored>(in SpanCall call)
        where TStored : struct, IStoredElement
    {
        int blockSize = Store.Layout.BlockSize;
        int blockLanes = Store.Groups * GroupPositions;
        int queries = call.Rows * call.Group;
        int whole = call.Positions / blockSize;
        int lanes = (whole * blockLanes) + ((call.Positions % blockSize) + GroupPositions - 1) / GroupPositions * GroupPositions;
        int blocks = (call.Positions + blockSize - 1) / blockSize;
        AttentionTile<TWidth, TVector, TStored>.Score(call.Keys, call.Values, blocks, lanes, Store.Layout.HeadSize, call.Queries, queries, call.Scores, call.Lanes);
        for (int query = 0; query < queries; query++)
        {
            float* scores = call.Scores + ((long)query * call.Lanes);
            if (call.SoftCap > 0)
            {
                Cap(scores, lanes, call.SoftCap);
            }

            Hide(scores, lanes, call.RowPosition + (query / call.Group * call.RowStep), call);
            Exponentiate(scores, lanes, call.State.Largest + query, call.State.Total + query);
        }

        AttentionTile<TWidth, TVector, TStored>.Sum(
            call.Values, call.Positions, blockSize, blockLanes, Store.ValueElements, call.Scores, call.Lanes, queries, call.State.Sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Cap(float* scores, int lanes, float cap)
    {
        TVector scale = TWidth.Create(cap);
        for (int i = 0; i < lanes; i += TWidth.Count)
        {
            TVector x = TWidth.Divide(TWidth.Load(scores + i), scale);
            TWidth.Store(TWidth.Multiply(VectorFunctions<TWidth, TVector>.Tanh(x), scale), scores + i);
        }
    }

    // What a row does not see scores negative infinity: positions after its own, before its window, and lanes beyond a block.
    private void Hide(float* scores, int lanes, int position, in SpanCall call)
    {
        int first = call.Window == 0 ? 0 : Math.Max(0, position - call.Window + 1);
        int block = call.FirstPosition;
        int inBlock = 0;
        for (int lane = 0; lane < lanes; lane += GroupPositions)
        {
            int start = block + inBlock;
            int low = Math.Clamp(first - start, 0, GroupPositions);
            int high = Math.Clamp(position + 1 - start, 0, Math.Min(GroupPositions, Store.Layout.BlockSize - inBlock));
            if (low > 0 || high < GroupPositions)
            {
                new Span<float>(scores + lane, low).Fill(float.NegativeInfinity);
                new Span<float>(scores + lane + high, GroupPositions - high).Fill(float.NegativeInfinity);
            }

            inBlock += GroupPositions;
            if (inBlock >= Store.Layout.BlockSize)
            {
                block += Store.Layout.BlockSize;
                inBlock = 0;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Exponentiate(float* scores, int lanes, float* largest, float* total)
    {
        TVector max = TWidth.Create(SoftmaxState.None);
        for (int i = 0; i < lanes; i += TWidth.Count)
        {
            max = TWidth.Max(TWidth.Load(scores + i), max);
        }

        float* across = stackalloc float[TWidth.Count];
        TWidth.Store(max, across);
        float top = across[0];
        for (int i = 1; i < TWidth.Count; i++)
        {
            top = MathF.Max(top, across[i]);
        }

        TVector sum = TWidth.Create(0);
        for (int i = 0; i < lanes; i += TWidth.Count)
        {
            TVector e = VectorFunctions<TWidth, TVector>.Exp(TWidth.Subtract(TWidth.Load(scores + i), TWidth.Create(top)));
            sum = TWidth.Add(sum, e);
            TWidth.Store(TWidth.Multiply(e, TWidth.Create(TElement.Factor)), scores + i);
        }

        *largest = top;
        *total = TWidth.Sum(sum);
    }

    // The span with keys and values as float32 in scratch memory, in the order they are stored in.
    private SpanCall Widen(in SpanCall call)
    {
        SpanCall wide = call;
        int headSize = Store.Layout.HeadSize;
        int blockSize = Store.Layout.BlockSize;
        float* target = call.Wide;
        int blocks = (call.Positions + blockSize - 1) / blockSize;
        byte** pointers = (byte**)call.Wide;
        target += ((blocks * (Store.Groups + 1) * (sizeof(byte*) / sizeof(float))) + 15) / 16 * 16; // vectors do not cross cache lines
        wide.Keys = pointers;
        wide.Values = pointers + (blocks * Store.Groups);
        for (int group = 0; group < blocks * Store.Groups; group++)
        {
            wide.Keys[group] = (byte*)target;
            WidenKeys(call.Keys[group], target, headSize);
            target += GroupPositions * headSize;
        }

        for (int block = 0; block < blocks; block++)
        {
            wide.Values[block] = (byte*)target;
            WidenValues(call.Values[block], target, Math.Min(blockSize, call.Positions - (block * blockSize)));
            target += blockSize * Store.ValueElements;
        }

        return wide;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void WidenKeys(byte* source, float* target, int headSize)
    {
        if (typeof(TElement) != typeof(StoredCode))
        {
            for (int i = 0; i < GroupPositions * headSize; i += TWidth.Count)
            {
                TWidth.Store(TWidth.LoadStored<TElement>(source + (i * TElement.Bytes)), target + i);
            }

            return;
        }

        ushort* scales = Store.KeyScales(source);
        for (int block = 0; block < headSize; block += KvCodes.Block, scales += GroupPositions)
        {
            for (int lane = 0; lane < GroupPositions; lane += TWidth.Count)
            {
                TVector scale = TWidth.Multiply(TWidth.LoadStored<StoredHalf>((byte*)(scales + lane)), TWidth.Create(StoredHalf.Factor));
                for (int i = (block * GroupPositions) + lane; i < (block + KvCodes.Block) * GroupPositions; i += GroupPositions)
                {
                    TWidth.Store(TWidth.Multiply(TWidth.LoadStored<TElement>(source + i), scale), target + i);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void WidenValues(byte* source, float* target, int positions)
    {
        if (typeof(TElement) != typeof(StoredCode))
        {
            for (int i = 0; i < positions * Store.ValueElements; i += TWidth.Count)
            {
                TWidth.Store(TWidth.LoadStored<TElement>(source + (i * TElement.Bytes)), target + i);
            }

            return;
        }

        ushort* scales = Store.ValueScales(source);
        for (int block = 0; block < positions * Store.ScalesPerHead; block++)
        {
            TVector scale = TWidth.Create(HalfFloat.Widen(scales[block]));
            int end = (block + 1) * KvCodes.Block;
            for (int i = block * KvCodes.Block; i < end; i += TWidth.Count)
            {
                TWidth.Store(TWidth.Multiply(TWidth.LoadStored<TElement>(source + i), scale), target + i);
            }
        }
    }
}

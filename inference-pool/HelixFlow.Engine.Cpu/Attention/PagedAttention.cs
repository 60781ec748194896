using System.Runtime.Intrinsics;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Cpu.Quantisation;
using HelixFlow.Engine.Cpu.Threads;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Attention;

/// <summary>Causal attention over paged keys and values: a chunk is one row and one key/value head with all query heads that share it.</summary>
/// <remarks>
/// Each key and value is widened once for all query heads of its group. The softmax is the online one (Milakov and Gimelshein 2018,
/// https://arxiv.org/abs/1805.02867), a block of positions at a time, so scratch memory does not depend on the context's length.
/// </remarks>
internal sealed unsafe class PagedAttention : ParallelWork, IDisposable
{
    private readonly NativeBuffer?[] _scratch;
    private CpuTensor _query = null!;
    private CpuTensor _output = null!;
    private CpuKvStore _kv = null!;
    private Batch _batch = null!;
    private AttentionParameters _parameters;
    private int _layer;
    private int[] _sequenceOfRow = [];

    public PagedAttention(int workers)
    {
        _scratch = new NativeBuffer?[workers];
    }

    /// <summary>Sets the operation up; the result is how many chunks it has.</summary>
    public int Prepare(CpuTensor query, CpuKvStore kv, int layer, Batch batch, in AttentionParameters parameters, CpuTensor output)
    {
        (_query, _kv, _layer, _batch, _parameters, _output) = (query, kv, layer, batch, parameters, output);
        if (_sequenceOfRow.Length < batch.Rows)
        {
            _sequenceOfRow = new int[batch.MaxRows];
        }

        ReadOnlySpan<BatchSequence> sequences = batch.Sequences;
        for (int i = 0; i < sequences.Length; i++)
        {
            _sequenceOfRow.AsSpan(sequences[i].FirstRow, sequences[i].RowCount).Fill(i);
        }

        // [key or value of a block's positions] + per query head: [scores of a block] [sum]
        KvLayout layout = kv.Layout;
        int group = parameters.Heads / layout.KvHeads;
        long floats = (2L * layout.BlockSize * layout.HeadSize) + (group * (layout.BlockSize + layout.HeadSize + 2L));
        for (int worker = 0; worker < _scratch.Length; worker++)
        {
            if (_scratch[worker] is not { } scratch || scratch.SizeBytes < floats * sizeof(float))
            {
                _scratch[worker]?.Dispose();
                _scratch[worker] = new NativeBuffer(floats * sizeof(float));
            }
        }

        return batch.Rows * layout.KvHeads;
    }

    public override void Run(int chunk, int worker)
    {
        KvLayout layout = _kv.Layout;
        int row = chunk / layout.KvHeads;
        int kvHead = chunk % layout.KvHeads;
        int headSize = layout.HeadSize;
        int group = _parameters.Heads / layout.KvHeads;
        int position = _batch.Positions[row];
        ReadOnlySpan<int> blocks = _batch.Sequences[_sequenceOfRow[row]].BlockTable.Span;
        int first = _parameters.Window == 0 ? 0 : Math.Max(0, position - _parameters.Window + 1);

        float* keys = (float*)_scratch[worker]!.Bytes;      // [position, headSize]
        float* values = keys + (layout.BlockSize * headSize); // [position, headSize]
        float* scores = values + (layout.BlockSize * headSize); // [query head, position]
        float* largest = scores + (group * layout.BlockSize); // [query head]
        float* total = largest + group;                       // [query head]
        float* sums = total + group;                          // [query head, headSize]
        float* query = _query.Row(row) + (kvHead * group * headSize);
        new Span<float>(largest, group).Fill(float.NegativeInfinity);
        new Span<float>(total, group).Clear();
        new Span<float>(sums, group * headSize).Clear();

        for (int block = first / layout.BlockSize; block <= position / layout.BlockSize; block++)
        {
            int from = Math.Max(first - (block * layout.BlockSize), 0);
            int count = Math.Min(layout.BlockSize, position + 1 - (block * layout.BlockSize)) - from;
            float* blockKeys = Widen(_kv.Key(_layer, blocks[block], kvHead, from), keys, count * headSize);
            float* blockValues = Widen(_kv.Value(_layer, blocks[block], kvHead, from), values, count * headSize);
            for (int head = 0; head < group; head++)
            {
                float* headScores = scores + (head * layout.BlockSize);
                float max = Score(query + (head * headSize), blockKeys, headScores, count, headSize);
                Fold(headScores, max, blockValues, count, headSize, ref largest[head], ref total[head], sums + (head * headSize));
            }
        }

        float* output = _output.Row(row) + (kvHead * group * headSize);
        for (int head = 0; head < group; head++)
        {
            for (int i = 0; i < headSize; i++)
            {
                output[(head * headSize) + i] = sums[(head * headSize) + i] / total[head];
            }
        }
    }

    public void Dispose()
    {
        foreach (NativeBuffer? scratch in _scratch)
        {
            scratch?.Dispose();
        }
    }

    private float* Widen(byte* source, float* target, int count)
    {
        if (_kv.Layout.Type == KvType.F32)
        {
            return (float*)source;
        }

        int i = 0;
        for (; i + 8 <= count; i += 8)
        {
            HalfFloat.Widen8((ushort*)source + i).Store(target + i);
        }

        Dequantiser.Unpack(TensorType.F16, source + (2 * i), target + i, count - i);
        return target;
    }

    private float Score(float* query, float* keys, float* scores, int count, int headSize)
    {
        float max = float.NegativeInfinity;
        for (int i = 0; i < count; i++, keys += headSize)
        {
            Vector256<float> sum = default;
            int j = 0;
            for (; j + 8 <= headSize; j += 8)
            {
                sum = Vector256.FusedMultiplyAdd(Vector256.Load(query + j), Vector256.Load(keys + j), sum);
            }

            float score = Vector256.Sum(sum);
            for (; j < headSize; j++)
            {
                score += query[j] * keys[j];
            }

            score *= _parameters.Scale;
            scores[i] = _parameters.SoftCap > 0 ? _parameters.SoftCap * MathF.Tanh(score / _parameters.SoftCap) : score;
            max = MathF.Max(max, scores[i]);
        }

        return max;
    }

    // Adds a block's positions to the running softmax: what was summed so far shrinks when a larger score turns up.
    private static void Fold(float* scores, float max, float* values, int count, int headSize, ref float largest, ref float total, float* sums)
    {
        float newLargest = MathF.Max(largest, max);
        float shrink = MathF.Exp(largest - newLargest);
        largest = newLargest;
        float added = 0;
        for (int i = 0; i < count; i++)
        {
            scores[i] = MathF.Exp(scores[i] - newLargest);
            added += scores[i];
        }

        total = (total * shrink) + added;
        int j = 0;
        for (; j + 8 <= headSize; j += 8)
        {
            Vector256<float> sum = Vector256.Load(sums + j) * Vector256.Create(shrink);
            for (int i = 0; i < count; i++)
            {
                sum = Vector256.FusedMultiplyAdd(Vector256.Create(scores[i]), Vector256.Load(values + (i * headSize) + j), sum);
            }

            sum.Store(sums + j);
        }

        for (; j < headSize; j++)
        {
            float sum = sums[j] * shrink;
            for (int i = 0; i < count; i++)
            {
                sum += scores[i] * values[(i * headSize) + j];
            }

            sums[j] = sum;
        }
    }
}

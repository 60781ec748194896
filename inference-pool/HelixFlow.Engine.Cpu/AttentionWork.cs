using System.Runtime.Intrinsics;
using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Cpu;

/// <summary>Causal attention over paged keys and values, cut by pairs of a row and a key/value head.</summary>
internal sealed unsafe class AttentionWork : ICpuWork, IDisposable
{
    private CpuMemory _scores = new(0);
    private long _scoresPerPart;
    private CpuTensor _query = null!;
    private CpuTensor _output = null!;
    private CpuKvStore _kv = null!;
    private int _layer;
    private Batch _batch = null!;
    private AttentionParameters _parameters;

    public void Run(WorkerPool pool, CpuTensor query, CpuKvStore kv, int layer, Batch batch, in AttentionParameters parameters, CpuTensor output)
    {
        (_query, _kv, _layer, _batch, _parameters, _output) = (query, kv, layer, batch, parameters, output);
        int longest = 0;
        foreach (BatchSequence sequence in batch.Sequences)
        {
            longest = Math.Max(longest, sequence.FirstPosition + sequence.RowCount);
        }

        _scoresPerPart = ((longest + 15L) / 16 * 16 * (parameters.Heads / kv.Layout.KvHeads)) + kv.Layout.HeadSize;
        if (_scores.SizeBytes < _scoresPerPart * pool.Parts * sizeof(float))
        {
            // Twice as much as needed, so that a growing context does not reallocate at every step.
            _scores.Dispose();
            _scores = new CpuMemory(2 * _scoresPerPart * pool.Parts * sizeof(float));
        }

        pool.Run(this);
    }

    public void Run(int part, int parts)
    {
        float* scratch = (float*)_scores.Pointer + (part * _scoresPerPart);
        int task = 0;
        foreach (BatchSequence sequence in _batch.Sequences)
        {
            for (int i = 0; i < sequence.RowCount; i++)
            {
                for (int head = 0; head < _kv.Layout.KvHeads; head++)
                {
                    if (task++ % parts == part)
                    {
                        Attend(sequence, sequence.FirstRow + i, sequence.FirstPosition + i, head, scratch);
                    }
                }
            }
        }
    }

    public void Dispose() => _scores.Dispose();

    private void Attend(BatchSequence sequence, int row, int position, int kvHead, float* scratch)
    {
        int headSize = _kv.Layout.HeadSize;
        int blockSize = _kv.Layout.BlockSize;
        int heads = _parameters.Heads / _kv.Layout.KvHeads;
        int first = _parameters.Window == 0 ? 0 : Math.Max(0, position - _parameters.Window + 1);
        int count = position + 1 - first;
        float* queries = _query.Row(row) + (kvHead * heads * headSize);
        float* outputs = _output.Row(row) + (kvHead * heads * headSize);
        float* converted = scratch;
        float* scores = scratch + headSize;
        ReadOnlySpan<int> table = sequence.BlockTable.Span;

        for (int i = 0; i < count; i++)
        {
            float* key = Load(_kv.Keys, table, first + i, kvHead, blockSize, converted);
            for (int h = 0; h < heads; h++)
            {
                scores[(h * count) + i] = FloatKernel.Dot(queries + (h * headSize), key, headSize) * _parameters.Scale;
            }
        }

        for (int h = 0; h < heads; h++)
        {
            Softmax(new Span<float>(scores + (h * count), count), _parameters.SoftCap);
        }

        new Span<float>(outputs, heads * headSize).Clear();
        for (int i = 0; i < count; i++)
        {
            float* value = Load(_kv.Values, table, first + i, kvHead, blockSize, converted);
            for (int h = 0; h < heads; h++)
            {
                FloatKernel.AddScaled(outputs + (h * headSize), value, scores[(h * count) + i], headSize);
            }
        }
    }

    private float* Load(byte* store, ReadOnlySpan<int> table, int position, int kvHead, int blockSize, float* converted)
    {
        int headSize = _kv.Layout.HeadSize;
        byte* data = store + _kv.Offset(_layer, table[position / blockSize], kvHead) + ((long)(position % blockSize) * headSize * _kv.ElementBytes);
        if (_kv.Layout.Type == KvType.F32)
        {
            return (float*)data;
        }

        FloatConversion.FromHalf((ushort*)data, new Span<float>(converted, headSize));
        return converted;
    }

    private static void Softmax(Span<float> scores, float cap)
    {
        float max = float.NegativeInfinity;
        foreach (ref float score in scores)
        {
            score = cap > 0 ? cap * MathF.Tanh(score / cap) : score;
            max = Math.Max(max, score);
        }

        Vector256<float> sums = Vector256<float>.Zero;
        Vector256<float> most = Vector256.Create(max);
        int i = 0;
        for (; i <= scores.Length - 8; i += 8)
        {
            Vector256<float> weights = Vector256.Exp(Vector256.Create(scores.Slice(i, 8)) - most);
            weights.CopyTo(scores[i..]);
            sums += weights;
        }

        float sum = Vector256.Sum(sums);
        for (; i < scores.Length; i++)
        {
            scores[i] = MathF.Exp(scores[i] - max);
            sum += scores[i];
        }

        float factor = 1 / sum;
        foreach (ref float score in scores)
        {
            score *= factor;
        }
    }
}

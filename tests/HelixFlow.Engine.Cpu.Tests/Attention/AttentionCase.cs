using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Attention;
using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Cpu.Threads;
using HelixFlow.Engine.Cpu.Vectors;

namespace HelixFlow.Engine.Cpu.Tests.Attention;

/// <summary>Some sequences with random keys, values and queries: what attention makes of their rows, and what it should.</summary>
internal sealed unsafe class AttentionCase : IDisposable
{
    private const int Layer = 1;

    private readonly CpuKvStore _kv;
    private readonly AttentionParameters _parameters;
    private readonly (int First, int Rows, int[] Table)[] _sequences;
    private readonly float[][][] _keys;    // [sequence][position][kvHead, element], as they are stored
    private readonly float[][][] _values;
    private readonly float[][][] _queries; // [sequence][row][head, element]

    public AttentionCase(Random random, KvType type, int headSize, int kvHeads, int group, int blockSize, int window, float cap, (int First, int Rows)[] sequences)
    {
        int[] lengths = [.. sequences.Select(sequence => sequence.First + sequence.Rows)];
        int blocks = lengths.Sum(length => (length + blockSize - 1) / blockSize);
        _kv = new CpuKvStore(new KvLayout(2, kvHeads, headSize, blocks, blockSize, type));
        _parameters = new AttentionParameters(kvHeads * group, 1 / MathF.Sqrt(headSize), cap, window);
        int[] order = [.. Enumerable.Range(0, blocks)];
        random.Shuffle(order);
        int next = 0;
        _sequences = new (int, int, int[])[sequences.Length];
        (_keys, _values, _queries) = (new float[sequences.Length][][], new float[sequences.Length][][], new float[sequences.Length][][]);
        for (int i = 0; i < sequences.Length; i++)
        {
            int count = (lengths[i] + blockSize - 1) / blockSize;
            _sequences[i] = (sequences[i].First, sequences[i].Rows, order[next..(next + count)]);
            next += count;
            (_keys[i], _values[i]) = (new float[lengths[i]][], new float[lengths[i]][]);
            for (int position = 0; position < lengths[i]; position++)
            {
                // Keys with a few large elements, as models have them, so that the softmax has peaks and its maximum moves.
                float[] key = Floats(random, kvHeads * headSize, random.Next(20) == 0 ? 6 : 1);
                float[] value = Floats(random, kvHeads * headSize, 1);
                int block = _sequences[i].Table[position / blockSize];
                fixed (float* k = key, v = value)
                {
                    for (int head = 0; head < kvHeads; head++)
                    {
                        _kv.Write(Layer, block, head, position % blockSize, k + (head * headSize), v + (head * headSize));
                    }
                }

                (_keys[i][position], _values[i][position]) = (Stored(key, type), Stored(value, type));
            }

            _queries[i] = [.. Enumerable.Range(0, sequences[i].Rows).Select(_ => Floats(random, kvHeads * group * headSize, 2))];
        }
    }

    public int Sequences => _sequences.Length;

    public int RowsOf(int sequence) => _sequences[sequence].Rows;

    private int Columns => _parameters.Heads * _kv.Layout.HeadSize;

    /// <summary>Runs some consecutive rows of some sequences as one batch; the result is [row of the batch][head, element].</summary>
    public float[][] Run(VectorWidth width, int threads, params (int Sequence, int First, int Count)[] parts)
    {
        int rows = parts.Sum(part => part.Count);
        var batch = new Batch(rows, parts.Length);
        using var query = new CpuTensor(rows, Columns);
        using var output = new CpuTensor(rows, Columns);
        query.Rows = output.Rows = rows;
        foreach ((int sequence, int first, int count) in parts)
        {
            for (int i = 0; i < count; i++)
            {
                _queries[sequence][first + i].CopyTo(new Span<float>(query.Row(batch.Rows + i), Columns));
            }

            batch.Add(new int[count], _sequences[sequence].First + first, _sequences[sequence].Table, wantLogits: false);
        }

        using var team = new WorkerTeam(threads);
        using var attention = new PagedAttention(threads, width);
        team.Run(attention, attention.Prepare(query, _kv, Layer, batch, _parameters, output));
        return [.. Enumerable.Range(0, rows).Select(row => new ReadOnlySpan<float>(output.Row(row), Columns).ToArray())];
    }

    /// <summary>One row by the definition, in double precision.</summary>
    public double[] Expected(int sequence, int row)
    {
        int headSize = _kv.Layout.HeadSize;
        int group = _parameters.Heads / _kv.Layout.KvHeads;
        int position = _sequences[sequence].First + row;
        int first = _parameters.Window == 0 ? 0 : Math.Max(0, position - _parameters.Window + 1);
        var result = new double[Columns];
        for (int head = 0; head < _parameters.Heads; head++)
        {
            int at = head / group * headSize;
            float[] query = _queries[sequence][row];
            double[] scores = new double[position + 1 - first];
            for (int i = 0; i < scores.Length; i++)
            {
                for (int j = 0; j < headSize; j++)
                {
                    scores[i] += (double)query[(head * headSize) + j] * _keys[sequence][first + i][at + j];
                }

                scores[i] *= _parameters.Scale;
                scores[i] = _parameters.SoftCap > 0 ? _parameters.SoftCap * Math.Tanh(scores[i] / _parameters.SoftCap) : scores[i];
            }

            double largest = scores.Max();
            double total = scores.Sum(score => Math.Exp(score - largest));
            for (int i = 0; i < scores.Length; i++)
            {
                double weight = Math.Exp(scores[i] - largest) / total;
                for (int j = 0; j < headSize; j++)
                {
                    result[(head * headSize) + j] += weight * _values[sequence][first + i][at + j];
                }
            }
        }

        return result;
    }

    public void Dispose() => _kv.Dispose();

    private static float[] Floats(Random random, int count, float scale) =>
        [.. Enumerable.Range(0, count).Select(_ => ((float)random.NextDouble() - 0.5f) * 2 * scale)];

    // What a type makes of numbers, written down plainly.
    private static float[] Stored(float[] values, KvType type)
    {
        switch (type)
        {
            case KvType.F32:
                return values;
            case KvType.F16:
                return [.. values.Select(value => (float)(Half)value)];
            case KvType.BF16:
                return [.. values.Select(value => Quantisation.BrainFloat.Round(value))];
            default:
                float[] result = new float[values.Length];
                for (int block = 0; block < values.Length; block += 32)
                {
                    float scale = (float)(Half)(values.AsSpan(block, 32).ToArray().Max(Math.Abs) / 127);
                    for (int i = block; i < block + 32; i++)
                    {
                        result[i] = scale * Math.Clamp(MathF.Round(values[i] * (1 / scale)), -127, 127);
                    }
                }

                return result;
        }
    }
}

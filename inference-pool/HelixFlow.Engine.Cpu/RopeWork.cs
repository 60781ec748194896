using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Cpu;

/// <summary>Rotates queries and keys and writes keys and values to the cache, cut by rows.</summary>
internal sealed unsafe class RopeWork : ICpuWork
{
    private CpuTensor _query = null!;
    private CpuTensor _key = null!;
    private CpuTensor _value = null!;
    private Rope _rope = null!;
    private CpuKvStore _kv = null!;
    private int _layer;
    private Batch _batch = null!;

    public void Run(WorkerPool pool, CpuTensor query, CpuTensor key, CpuTensor value, Rope rope, CpuKvStore kv, int layer, Batch batch)
    {
        (_query, _key, _value, _rope, _kv, _layer, _batch) = (query, key, value, rope, kv, layer, batch);
        if (batch.Rows < 2 * pool.Parts)
        {
            Run(0, 1);
        }
        else
        {
            pool.Run(this);
        }
    }

    public void Run(int part, int parts)
    {
        int pairs = _rope.Frequencies.Length;
        float* cosines = stackalloc float[pairs];
        float* sines = stackalloc float[pairs];
        foreach (BatchSequence sequence in _batch.Sequences)
        {
            for (int i = 0; i < sequence.RowCount; i++)
            {
                int row = sequence.FirstRow + i;
                if (row % parts != part)
                {
                    continue;
                }

                int position = sequence.FirstPosition + i;
                for (int p = 0; p < pairs; p++)
                {
                    (float sin, float cos) = MathF.SinCos(_rope.Frequencies[p] * position);
                    cosines[p] = cos * _rope.Magnitude;
                    sines[p] = sin * _rope.Magnitude;
                }

                Rotate(_query.Row(row), _query.Columns, cosines, sines);
                Rotate(_key.Row(row), _key.Columns, cosines, sines);
                Store(row, position, sequence.BlockTable.Span[position / _kv.Layout.BlockSize]);
            }
        }
    }

    private void Rotate(float* heads, int columns, float* cosines, float* sines)
    {
        int pairs = _rope.Frequencies.Length;
        bool adjacent = _rope.Pairing == RopePairing.Adjacent;
        for (float* head = heads; head < heads + columns; head += _rope.HeadSize)
        {
            for (int p = 0; p < pairs; p++)
            {
                float* first = adjacent ? head + (2 * p) : head + p;
                float* second = adjacent ? first + 1 : first + pairs;
                (float x, float y) = (*first, *second);
                *first = (x * cosines[p]) - (y * sines[p]);
                *second = (x * sines[p]) + (y * cosines[p]);
            }
        }
    }

    private void Store(int row, int position, int block)
    {
        int headSize = _kv.Layout.HeadSize;
        int slot = position % _kv.Layout.BlockSize;
        for (int head = 0; head < _kv.Layout.KvHeads; head++)
        {
            long offset = _kv.Offset(_layer, block, head) + ((long)slot * headSize * _kv.ElementBytes);
            Copy(_key.Row(row) + (head * headSize), _kv.Keys + offset, headSize);
            Copy(_value.Row(row) + (head * headSize), _kv.Values + offset, headSize);
        }
    }

    private void Copy(float* source, byte* target, int count)
    {
        if (_kv.Layout.Type == KvType.F32)
        {
            new ReadOnlySpan<float>(source, count).CopyTo(new Span<float>(target, count));
            return;
        }

        for (int i = 0; i < count; i++)
        {
            ((Half*)target)[i] = (Half)source[i];
        }
    }
}

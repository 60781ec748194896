namespace HelixFlow.Gateway.VectorStores;

/// <summary>Keeps the chunks whose vectors are nearest to a query, of all that it is shown. Equal ones go by their number. Used by one thread.</summary>
internal sealed class NearestVectors(ReadOnlyMemory<float> query, int most)
{
    private readonly PriorityQueue<long, (float Score, long Order)> _nearest = new(most + 1);
    private float _least = float.NegativeInfinity;

    public void Scan(VectorSegment segment)
    {
        int dimensions = query.Length;
        ReadOnlySpan<float> left = query.Span;
        ReadOnlySpan<float> vectors = segment.Vectors;
        for (int i = 0; i < segment.Chunks.Length; i++)
        {
            float score = VectorScan.Dot(left, vectors.Slice(i * dimensions, dimensions));
            if (score >= _least)
            {
                Add(segment.Chunks[i], score);
            }
        }
    }

    /// <summary>Best first.</summary>
    public List<(long Chunk, float Score)> ToList()
    {
        var list = new List<(long, float)>(_nearest.Count);
        while (_nearest.TryDequeue(out long chunk, out (float Score, long Order) priority))
        {
            list.Add((chunk, priority.Score));
        }

        list.Reverse();
        return list;
    }

    private void Add(long chunk, float score)
    {
        _nearest.Enqueue(chunk, (score, -chunk));
        if (_nearest.Count > most)
        {
            _nearest.Dequeue();
        }

        if (_nearest.Count == most && _nearest.TryPeek(out _, out (float Score, long Order) worst))
        {
            _least = worst.Score;
        }
    }
}

/// <summary>The vectors of one file's chunks.</summary>
/// <param name="chunks">The chunks' numbers, in their order.</param>
/// <param name="vectors">[chunk, dimension], of unit length.</param>
internal sealed class VectorSegment(long[] chunks, float[] vectors)
{
    private const int Overhead = 200;

    public ReadOnlySpan<long> Chunks => chunks;

    public ReadOnlySpan<float> Vectors => vectors;

    /// <summary>What it takes of the memory.</summary>
    public long SizeBytes { get; } = ((long)chunks.Length * sizeof(long)) + ((long)vectors.Length * sizeof(float)) + Overhead;
}

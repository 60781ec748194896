namespace HelixFlow.Engine.Cpu.Attention;

/// <summary>Attention of some consecutive rows of a sequence, and of the query heads that share a key/value head, over one span of positions.</summary>
internal unsafe struct SpanCall
{
    /// <summary>Keys of each group of sixteen positions, as <see cref="CpuKvStore.Keys"/>.</summary>
    public byte** Keys;

    /// <summary>Values of each block, as <see cref="CpuKvStore.Values"/>.</summary>
    public byte** Values;

    /// <summary>Queries [query / 4, element, query % 4], multiplied by the scale of scores and by the stored elements' factor; zeros beyond the last.</summary>
    public float* Queries;

    /// <summary>Takes the scores [query, lane], then their exponentials.</summary>
    public float* Scores;

    /// <summary>Room for the span's keys and values as float32, in the stored order.</summary>
    public float* Wide;

    /// <summary>The result; see <see cref="SoftmaxState"/>.</summary>
    public SoftmaxState State;

    /// <summary>Rows, and query heads of each; query = row * group + head.</summary>
    public int Rows;

    public int Group;

    /// <summary>The last position that the first row sees.</summary>
    public int RowPosition;

    /// <summary>How much further each row sees than the one before: 1, or 0 where all see the same.</summary>
    public int RowStep;

    /// <summary>Position of the first lane.</summary>
    public int FirstPosition;

    /// <summary>Positions of the span that the last row sees.</summary>
    public int Positions;

    /// <summary>A row sees at most this many positions, its own included; 0 for all.</summary>
    public int Window;

    public float SoftCap;

    /// <summary>Lanes from one query's scores to the next one's.</summary>
    public int Lanes;

    public readonly int Queries4 => ((Rows * Group) + 3) / 4 * 4;
}

/// <summary>Partial results of a softmax over some positions: [query] each, sums [query, element].</summary>
/// <remarks>Queries are a multiple of four; what belongs to none is undefined.</remarks>
internal readonly unsafe struct SoftmaxState(float* data, int queries)
{
    /// <summary>The largest score, or <see cref="None"/> where a query saw no position.</summary>
    public float* Largest => data;

    /// <summary>The sum of the exponentials of scores less the largest.</summary>
    public float* Total => data + queries;

    /// <summary>The values' sum, weighted by these exponentials.</summary>
    public float* Sums => data + (2 * queries);

    /// <summary>Below every score, and far enough that its exponential is 0; not infinite, so that differences are numbers.</summary>
    public static float None => -1e38f;

    public static long Floats(int queries, int elements) => queries * (elements + 2L);
}

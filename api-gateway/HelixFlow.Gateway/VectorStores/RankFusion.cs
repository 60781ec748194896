namespace HelixFlow.Gateway.VectorStores;

/// <summary>Joins several rankings into one by reciprocal ranks (Cormack, Clarke and Büttcher, 2009).</summary>
internal static class RankFusion
{
    private const double Constant = 60; // as in the paper

    /// <summary>Best first. A score of 1 is the first of every ranking; rankings that are empty do not count.</summary>
    /// <param name="rankings">Each with what it counts against the others: 0 or more.</param>
    public static List<(long Chunk, double Score)> Join(IEnumerable<(List<long> Chunks, double Weight)> rankings)
    {
        var sums = new Dictionary<long, double>();
        double all = 0;
        foreach ((List<long> chunks, double weight) in rankings)
        {
            if (chunks.Count == 0 || weight == 0)
            {
                continue;
            }

            all += weight;
            for (int i = 0; i < chunks.Count; i++)
            {
                sums[chunks[i]] = sums.GetValueOrDefault(chunks[i]) + (weight * (Constant + 1) / (Constant + 1 + i));
            }
        }

        List<(long Chunk, double Score)> joined = [.. sums.Select(pair => (pair.Key, Math.Min(1, pair.Value / all)))];
        joined.Sort(static (a, b) => a.Score != b.Score ? b.Score.CompareTo(a.Score) : a.Chunk.CompareTo(b.Chunk));
        return joined;
    }
}

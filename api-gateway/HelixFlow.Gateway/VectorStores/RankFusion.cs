namespace HelixFlow.Gateway.VectorStores;

/// <summary>Joins several rankings into one by reciprocal ranks (Cormack, Clarke and Büttcher, 2009).</summary>
internal static class RankFusion
{
    private const double Constant = 60; // as in the paper

    /// <summary>Best first. A score of 1 is the first of every ranking; rankings that are empty do not count.</summary>
    public static List<(long Chunk, double Score)> Join(IEnumerable<IReadOnlyList<long>> rankings)
    {
        var sums = new Dictionary<long, double>();
        int count = 0;
        foreach (IReadOnlyList<long> ranking in rankings)
        {
            count += ranking.Count > 0 ? 1 : 0;
            for (int i = 0; i < ranking.Count; i++)
            {
                sums[ranking[i]] = sums.GetValueOrDefault(ranking[i]) + ((Constant + 1) / (Constant + 1 + i));
            }
        }

        List<(long Chunk, double Score)> joined = [.. sums.Select(pair => (pair.Key, Math.Min(1, pair.Value / count)))];
        joined.Sort(static (a, b) => a.Score != b.Score ? b.Score.CompareTo(a.Score) : a.Chunk.CompareTo(b.Chunk));
        return joined;
    }
}

namespace HelixFlow.Agents.Texts;

/// <summary>Ranks a few texts by the words of a question (Okapi BM25, k1 = 1.2, b = 0.75).</summary>
/// <remarks>
/// The formula of SQLite's FTS5, which ranks the local folder: a word's weight is ln((N − n + 0.5) / (n + 0.5)), at least 0.000001, for n of N texts
/// that have it, so that what
/// is in more than half of the texts hardly counts. Immutable.
/// </remarks>
internal sealed class Bm25
{
    private const double K1 = 1.2, B = 0.75, LeastWeight = 1e-6;

    private readonly int[] _lengths;
    private readonly double _averageLength;
    private readonly Dictionary<string, List<(int Text, int Count)>> _places = new(StringComparer.Ordinal);

    public Bm25(IEnumerable<string> texts)
    {
        var lengths = new List<int>();
        foreach (string text in texts)
        {
            int length = 0;
            foreach (string word in Words.Of(text))
            {
                length++;
                if (!_places.TryGetValue(word, out List<(int Text, int Count)>? places))
                {
                    _places.Add(word, places = []);
                }

                if (places.Count > 0 && places[^1].Text == lengths.Count)
                {
                    places[^1] = (lengths.Count, places[^1].Count + 1);
                }
                else
                {
                    places.Add((lengths.Count, 1));
                }
            }

            lengths.Add(length);
        }

        _lengths = [.. lengths];
        _averageLength = _lengths.Length == 0 ? 0 : _lengths.Average();
    }

    /// <summary>A score for each text; 0 for those that have none of the words.</summary>
    public double[] Scores(string question)
    {
        double[] scores = new double[_lengths.Length];
        foreach (string word in Words.Of(question).Distinct(StringComparer.Ordinal))
        {
            if (!_places.TryGetValue(word, out List<(int Text, int Count)>? places))
            {
                continue;
            }

            double weight = Math.Max(LeastWeight, Math.Log((_lengths.Length - places.Count + 0.5) / (places.Count + 0.5)));
            foreach ((int text, int count) in places)
            {
                scores[text] += weight * count * (K1 + 1) / (count + (K1 * (1 - B + (B * _lengths[text] / _averageLength))));
            }
        }

        return scores;
    }
}

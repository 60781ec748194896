using System.Globalization;
using System.Text;
using HelixFlow.Agents.Texts;

namespace HelixFlow.Agents.JobTypes.Passages;

/// <summary>Finds the passages of documents that speak of something, by Okapi BM25 (Robertson and Zaragoza, 2009) over words without regard to case.</summary>
/// <remarks>Immutable; a function of the documents alone, so that a run that is executed again finds the same.</remarks>
internal sealed class PassageIndex
{
    // The usual values: how soon more of the same word stops to count, and how much long passages are held back.
    private const double K1 = 1.2;
    private const double B = 0.75;

    private readonly Dictionary<string, List<(int Passage, int Count)>> _words = new(StringComparer.Ordinal);
    private readonly int[] _lengths; // [passage] its words
    private readonly double _averageLength;

    private PassageIndex(List<Passage> passages)
    {
        Passages = passages;
        _lengths = new int[passages.Count];
        for (int i = 0; i < passages.Count; i++)
        {
            foreach (IGrouping<string, string> word in WordsOf(passages[i].Text).GroupBy(static word => word, StringComparer.Ordinal))
            {
                int count = word.Count();
                _lengths[i] += count;
                if (!_words.TryGetValue(word.Key, out List<(int, int)>? places))
                {
                    _words.Add(word.Key, places = []);
                }

                places.Add((i, count));
            }
        }

        _averageLength = Math.Max(1, _lengths.Length == 0 ? 1 : _lengths.Average());
    }

    /// <summary>All passages, in order.</summary>
    public IReadOnlyList<Passage> Passages { get; }

    /// <summary>Cuts documents into passages at the ends of paragraphs or sentences, and indexes them.</summary>
    /// <param name="documents">The documents.</param>
    /// <param name="length">Most characters of a passage.</param>
    public static PassageIndex Of(IReadOnlyList<SourceDocument> documents, int length)
    {
        var passages = new List<Passage>();
        for (int i = 0; i < documents.Count; i++)
        {
            string text = documents[i].Text;
            string name = documents[i].Name ?? (i + 1).ToString(CultureInfo.InvariantCulture);
            for (int start = 0; start < text.Length;)
            {
                int end = TextSplitter.EndOf(text, start, length);
                if (!string.IsNullOrWhiteSpace(text[start..end]))
                {
                    passages.Add(new Passage(passages.Count + 1, name, start, end, text[start..end].Trim()));
                }

                start = end;
            }
        }

        return new PassageIndex(passages);
    }

    /// <summary>The passages that have words of a query, best first; among equals the earlier one.</summary>
    public IReadOnlyList<Passage> Find(string query, int most)
    {
        var scores = new Dictionary<int, double>();
        foreach (string word in WordsOf(query).Distinct(StringComparer.Ordinal))
        {
            if (!_words.TryGetValue(word, out List<(int Passage, int Count)>? places))
            {
                continue;
            }

            double rarity = Math.Log(1 + ((_lengths.Length - places.Count + 0.5) / (places.Count + 0.5)));
            foreach ((int passage, int count) in places)
            {
                double weight = count * (K1 + 1) / (count + (K1 * (1 - B + (B * _lengths[passage] / _averageLength))));
                scores[passage] = scores.GetValueOrDefault(passage) + (rarity * weight);
            }
        }

        return [.. scores.OrderByDescending(static score => score.Value).ThenBy(static score => score.Key).Take(most).Select(score => Passages[score.Key])];
    }

    // Letters and digits together are a word; scripts without spaces between words are searched by character.
    private static IEnumerable<string> WordsOf(string text)
    {
        var word = new StringBuilder();
        foreach (Rune rune in text.EnumerateRunes())
        {
            bool isAlone = rune.Value is >= 0x3040 and <= 0x30ff or >= 0x3400 and <= 0x9fff or >= 0x20000 and <= 0x3ffff;
            if (Rune.IsLetterOrDigit(rune) && !isAlone)
            {
                word.Append(Rune.ToLowerInvariant(rune));
                continue;
            }

            if (word.Length > 0)
            {
                yield return word.ToString();
                word.Clear();
            }

            if (isAlone)
            {
                yield return rune.ToString();
            }
        }

        if (word.Length > 0)
        {
            yield return word.ToString();
        }
    }
}

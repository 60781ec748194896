using System.Globalization;
using System.Text;
using HelixFlow.Storage;

namespace HelixFlow.Gateway.VectorStores;

/// <summary>Looks words up in PostgreSQL as SQLite's full-text index does: without regard to case and accents, ranked by BM25.</summary>
/// <remarks>
/// The words are found here, not by one of the server's configurations: those cut words to their stems in one language, and servers differ in what they have.
/// How rare a word is, is counted among the files that are searched.
/// </remarks>
internal static class WordIndex
{
    // Limits of the type tsvector.
    private const int LongestWord = 500;
    private const int MostPlaces = 255;
    private const int LastPlace = 16383;

    // BM25 with k1 = 1.2 and b = 0.75, as FTS5 has it.
    private const string Ranking =
        """
        with hits as (
            select c.seq, c.word_count, w.lexeme, cardinality(w.positions) as often
            from vector_chunks c cross join lateral unnest(c.words) as w (lexeme, positions, weights)
            where c.file = any($1) and c.words @@ $2::tsquery and w.lexeme = any($3)),
        rarity as (select lexeme, count(*) as chunks from hits group by lexeme),
        everything as (select count(*) as chunks, greatest(avg(word_count), 1) as words from vector_chunks where file = any($1))
        select h.seq from hits h join rarity r on r.lexeme = h.lexeme cross join everything e
        group by h.seq
        order by sum(ln(1 + (e.chunks - r.chunks + 0.5) / (r.chunks + 0.5)) * h.often * 2.2 / (h.often + 1.2 * (0.25 + 0.75 * h.word_count / e.words))) desc, h.seq
        limit $4
        """;

    /// <summary>A text's words with their places, as the text of a <c>tsvector</c>, and how many they are.</summary>
    public static (string Words, int Count) Of(string text)
    {
        var places = new Dictionary<string, List<int>>(StringComparer.Ordinal);
        int count = 0;
        foreach (string word in WordsOf(text))
        {
            count++;
            if (!places.TryGetValue(word, out List<int>? list))
            {
                places.Add(word, list = []);
            }

            if (list.Count < MostPlaces)
            {
                list.Add(Math.Min(count, LastPlace));
            }
        }

        return (string.Join(' ', places.Select(static pair => $"'{pair.Key}':{string.Join(',', pair.Value.Distinct())}")), count);
    }

    /// <summary>The chunks that have words of a query, best first.</summary>
    public static List<long> Find(SqlSession session, string query, IEnumerable<long> files, int mostWords, int most)
    {
        string[] words = [.. WordsOf(query).Distinct(StringComparer.Ordinal).Take(mostWords)];
        return words.Length == 0
            ? []
            : session.Query(Ranking, static row => row.GetInt64(0), files.ToArray(), string.Join(" | ", words.Select(static word => $"'{word}'")), words, most);
    }

    /// <summary>The words of a text: runs of letters and digits, in lower case and without accents.</summary>
    internal static IEnumerable<string> WordsOf(string text)
    {
        var word = new StringBuilder();
        foreach (Rune rune in text.Normalize(NormalizationForm.FormD).EnumerateRunes().Append(new Rune(' ')))
        {
            if (Rune.IsLetterOrDigit(rune))
            {
                word.Append(Rune.ToLowerInvariant(rune));
            }
            else if (Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark) && word.Length > 0)
            {
                yield return word.Length > LongestWord ? word.ToString(0, LongestWord) : word.ToString();
                word.Clear();
            }
        }
    }
}

using System.Buffers;
using System.Globalization;
using System.Text;
using HelixFlow.Engine.Tokenization.Segmentation;

namespace HelixFlow.Engine.Tokenization;

/// <summary>Finds added tokens in a text: the leftmost, and of several there the longest.</summary>
internal sealed class AddedTokenMatcher
{
    private readonly SearchValues<char> _firstChars;
    private readonly PairTable _trie; // (node, UTF-16 unit) -> (next node, 1 if a token ends there)
    private readonly AddedToken?[] _tokens; // [node] -> the token that ends there

    public AddedTokenMatcher(IEnumerable<(string Pattern, AddedToken Token)> tokens)
    {
        var patterns = tokens.Where(entry => entry.Pattern.Length > 0).ToList();
        _firstChars = SearchValues.Create(patterns.Select(entry => entry.Pattern[0]).Distinct().ToArray());
        var edges = new Dictionary<(int Node, char Unit), int>();
        var ends = new Dictionary<int, AddedToken>();
        foreach (var (pattern, token) in patterns)
        {
            var node = 0;
            foreach (var unit in pattern)
            {
                if (!edges.TryGetValue((node, unit), out var next))
                {
                    edges.Add((node, unit), next = edges.Count + 1);
                }

                node = next;
            }

            ends.TryAdd(node, token with { Text = pattern });
        }

        _trie = new PairTable(edges.Count);
        _tokens = new AddedToken?[edges.Count + 1];
        foreach (var ((node, unit), next) in edges)
        {
            _tokens[next] = ends.GetValueOrDefault(next);
            _trie.Set(node, unit, next, _tokens[next] is null ? 0 : 1);
        }
    }

    public bool IsEmpty => _tokens.Length == 1;

    /// <summary>The next token that starts where <paramref name="place"/> says or later.</summary>
    /// <param name="text">Where to look.</param>
    /// <param name="place">How far the text was searched and used; moves on behind the token.</param>
    /// <param name="plain">The text between the token before and this one, or up to the end.</param>
    public AddedToken? Find(ReadOnlySpan<char> text, ref Place place, out ReadOnlySpan<char> plain)
    {
        for (var at = place.Searched; at < text.Length; at++)
        {
            var skip = text[at..].IndexOfAny(_firstChars);
            if (skip < 0)
            {
                break;
            }

            at += skip;
            if (LongestAt(text, at) is { } token)
            {
                var start = at;
                var end = at + token.Text.Length;
                var searched = end;
                while (token.StripLeft && start > place.Used && char.IsWhiteSpace(text[start - 1]))
                {
                    start--;
                }

                while (token.StripRight && end < text.Length && char.IsWhiteSpace(text[end]))
                {
                    end++;
                }

                // White space that the token before has taken may start this one all the same.
                plain = text[place.Used..Math.Max(place.Used, start)];
                place = new Place(searched, end);
                return token;
            }
        }

        plain = text[place.Used..];
        place = new Place(text.Length, text.Length);
        return null;
    }

    private AddedToken? LongestAt(ReadOnlySpan<char> text, int start)
    {
        AddedToken? longest = null;
        var node = 0;
        for (var end = start; end < text.Length;)
        {
            var found = _trie.Find(node, text[end++]);
            if (found < 0)
            {
                break;
            }

            node = (int)(found >> 32);
            if ((int)found != 0 && _tokens[node] is { } token
                && !(token.SingleWord && (EndsInWord(text[..start]) || StartsWithWord(text[end..]))))
            {
                longest = token;
            }
        }

        return longest;
    }

    /// <param name="Searched">Where to look for the next token.</param>
    /// <param name="Used">Where the text begins that is in no token yet.</param>
    public readonly record struct Place(int Searched, int Used);

    private static bool EndsInWord(ReadOnlySpan<char> text) =>
        !text.IsEmpty && Rune.DecodeLastFromUtf16(text, out var rune, out _) == OperationStatus.Done && IsWord(rune);

    private static bool StartsWithWord(ReadOnlySpan<char> text) =>
        !text.IsEmpty && Rune.DecodeFromUtf16(text, out var rune, out _) == OperationStatus.Done && IsWord(rune);

    // \w of Unicode regular expressions: letters, marks, decimal digits, letter numbers and connector punctuation.
    private static bool IsWord(Rune rune) => Rune.GetUnicodeCategory(rune) is <= UnicodeCategory.LetterNumber
        or UnicodeCategory.ConnectorPunctuation;
}

using System.Buffers;
using System.Globalization;
using System.Text;

namespace HelixFlow.Engine.Tokenization;

/// <summary>Finds added tokens in a text: the leftmost, and of several there the longest.</summary>
internal sealed class AddedTokenMatcher
{
    private readonly SearchValues<char> _firstChars;
    private readonly Dictionary<char, AddedToken[]> _byFirstChar = [];

    public AddedTokenMatcher(IEnumerable<(string Pattern, AddedToken Token)> tokens)
    {
        var groups = tokens.Where(entry => entry.Pattern.Length > 0).GroupBy(entry => entry.Pattern[0]).ToList();
        foreach (var group in groups)
        {
            // Longest first, so that the first hit at a place is the right one.
            _byFirstChar[group.Key] = [.. group.OrderByDescending(entry => entry.Pattern.Length)
                .Select(entry => entry.Token with { Text = entry.Pattern })];
        }

        _firstChars = SearchValues.Create(groups.Select(group => group.Key).ToArray());
    }

    public bool IsEmpty => _byFirstChar.Count == 0;

    /// <summary>The next token that starts where <paramref name="place"/> says or later.</summary>
    /// <param name="text">Where to look.</param>
    /// <param name="parseSpecial">Whether special tokens count.</param>
    /// <param name="place">How far the text was searched and used; moves on behind the token.</param>
    /// <param name="plain">The text between the token before and this one, or up to the end.</param>
    public AddedToken? Find(ReadOnlySpan<char> text, bool parseSpecial, ref Place place, out ReadOnlySpan<char> plain)
    {
        for (var at = place.Searched; at < text.Length; at++)
        {
            var skip = text[at..].IndexOfAny(_firstChars);
            if (skip < 0)
            {
                break;
            }

            at += skip;
            foreach (var token in _byFirstChar[text[at]])
            {
                if ((token.Special && !parseSpecial) || !text[at..].StartsWith(token.Text, StringComparison.Ordinal))
                {
                    continue;
                }

                var start = at;
                var end = at + token.Text.Length;
                var searched = end;
                if (token.SingleWord && (EndsInWord(text[..start]) || StartsWithWord(text[end..])))
                {
                    continue;
                }

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

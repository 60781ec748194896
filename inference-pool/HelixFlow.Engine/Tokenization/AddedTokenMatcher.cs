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

    /// <summary>The next token at or after <paramref name="from"/>, with the white space that belongs to it.</summary>
    public AddedToken? Find(ReadOnlySpan<char> text, int from, bool parseSpecial, out int start, out int end)
    {
        for (var at = from; at < text.Length; at++)
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

                start = at;
                end = at + token.Text.Length;
                if (token.SingleWord && (EndsInWord(text[..start]) || StartsWithWord(text[end..])))
                {
                    continue;
                }

                while (token.StripLeft && start > from && char.IsWhiteSpace(text[start - 1]))
                {
                    start--;
                }

                while (token.StripRight && end < text.Length && char.IsWhiteSpace(text[end]))
                {
                    end++;
                }

                return token;
            }
        }

        start = end = text.Length;
        return null;
    }

    private static bool EndsInWord(ReadOnlySpan<char> text) =>
        !text.IsEmpty && Rune.DecodeLastFromUtf16(text, out var rune, out _) == OperationStatus.Done && IsWord(rune);

    private static bool StartsWithWord(ReadOnlySpan<char> text) =>
        !text.IsEmpty && Rune.DecodeFromUtf16(text, out var rune, out _) == OperationStatus.Done && IsWord(rune);

    // \w of Unicode regular expressions: letters, marks, decimal digits, letter numbers and connector punctuation.
    private static bool IsWord(Rune rune) => Rune.GetUnicodeCategory(rune) is <= UnicodeCategory.LetterNumber
        or UnicodeCategory.ConnectorPunctuation;
}

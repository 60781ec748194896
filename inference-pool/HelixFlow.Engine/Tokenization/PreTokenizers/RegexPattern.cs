using System.Globalization;
using System.Text.RegularExpressions;

namespace HelixFlow.Engine.Tokenization.PreTokenizers;

/// <summary>Any other regular expression.</summary>
/// <remarks>
/// .NET matches UTF-16 units, patterns of tokenizers mean characters. So where a text has surrogate pairs, each is replaced for the
/// match by one character of the same Unicode category. A pattern that gets stuck is stopped after some seconds:
/// time in which a busy machine may let the match wait is counted, too.
/// </remarks>
internal sealed class RegexPattern : TextPattern
{
    private static readonly char[] Substitutes = MakeSubstitutes(); // [category] -> a character of it
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);
    private readonly Regex _regex;

    public RegexPattern(string pattern)
    {
        const RegexOptions Options = RegexOptions.CultureInvariant | RegexOptions.Multiline;
        try
        {
            // Linear in the text, whatever the pattern; but it knows no look-around.
            _regex = new Regex(pattern, Options | RegexOptions.NonBacktracking);
        }
        catch (NotSupportedException)
        {
            _regex = new Regex(pattern, Options | RegexOptions.Compiled, Limit);
        }
    }

    public override void FindAll(ReadOnlySpan<char> text, List<Range> matches)
    {
        if (text.IndexOfAnyInRange('\uD800', '\uDFFF') >= 0)
        {
            FindAllWithPairs(text, matches);
            return;
        }

        foreach (var match in _regex.EnumerateMatches(text))
        {
            if (match.Length > 0)
            {
                matches.Add(match.Index..(match.Index + match.Length));
            }
        }
    }

    private void FindAllWithPairs(ReadOnlySpan<char> text, List<Range> matches)
    {
        var units = new char[text.Length];
        var places = new int[text.Length + 1]; // [unit] -> index in text
        var count = 0;
        var at = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            places[count] = at;
            units[count++] = rune.IsBmp ? (char)rune.Value : Substitutes[(int)CharUnicodeInfo.GetUnicodeCategory(rune.Value)];
            at += rune.Utf16SequenceLength;
        }

        places[count] = at;
        foreach (var match in _regex.EnumerateMatches(units.AsSpan(0, count)))
        {
            if (match.Length > 0)
            {
                matches.Add(places[match.Index]..places[match.Index + match.Length]);
            }
        }
    }

    // The last one of each category in the plane, which no pattern is likely to name.
    private static char[] MakeSubstitutes()
    {
        var substitutes = new char[(int)UnicodeCategory.OtherNotAssigned + 1];
        for (var value = 0; value <= char.MaxValue; value++)
        {
            substitutes[(int)char.GetUnicodeCategory((char)value)] = (char)value;
        }

        return substitutes;
    }
}

using System.Globalization;
using System.Text;

namespace HelixFlow.Agents.Texts;

/// <summary>The words of a text, as searches compare them.</summary>
internal static class Words
{
    private const int LongestWord = 64;

    /// <summary>Runs of letters, marks and digits in lower case. Scripts that are written without spaces give each pair of neighbours instead.</summary>
    public static IEnumerable<string> Of(string text)
    {
        var word = new StringBuilder();
        Rune? before = null; // of a script without spaces
        bool isPaired = false;
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (IsUnspaced(rune))
            {
                if (word.Length > 0)
                {
                    yield return word.ToString();
                    word.Clear();
                }

                if (before is { } first)
                {
                    yield return first.ToString() + rune;
                    isPaired = true;
                }

                before = rune;
                continue;
            }

            if (before is { } alone && !isPaired)
            {
                yield return alone.ToString();
            }

            (before, isPaired) = (null, false);
            if (Rune.IsLetterOrDigit(rune) || (word.Length > 0 && IsMark(rune)))
            {
                if (word.Length < LongestWord)
                {
                    Append(word, Rune.ToLowerInvariant(rune));
                }
            }
            else if (word.Length > 0)
            {
                yield return word.ToString();
                word.Clear();
            }
        }

        if (before is { } last && !isPaired)
        {
            yield return last.ToString();
        }

        if (word.Length > 0)
        {
            yield return word.ToString();
        }
    }

    private static void Append(StringBuilder word, Rune rune)
    {
        Span<char> letter = stackalloc char[2];
        word.Append(letter[..rune.EncodeToUtf16(letter)]);
    }

    private static bool IsMark(Rune rune) => Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark;

    // Han, Hiragana and Katakana, with the extensions of Han.
    private static bool IsUnspaced(Rune rune) => rune.Value is
        (>= 0x3041 and <= 0x30FF) or (>= 0x31F0 and <= 0x31FF) or (>= 0x3400 and <= 0x4DBF) or (>= 0x4E00 and <= 0x9FFF) or
        (>= 0xF900 and <= 0xFAFF) or (>= 0x20000 and <= 0x3FFFD);
}

using System.Globalization;
using System.Text;
using HelixFlow.Engine.Tokenization.PreTokenizers;

namespace HelixFlow.Engine.Tokenization.Normalizers;

/// <summary>The normalizers that came with BERT, and lower case as other implementations have it.</summary>
internal static class BertNormalization
{
    /// <summary>Drops control characters and makes all white space a space.</summary>
    public static readonly Normalizer CleanText = new CharacterNormalizer(static rune =>
        rune.Value is 0 or 0xFFFD || IsControl(rune) ? null : Rune.IsWhiteSpace(rune) ? new Rune(' ') : rune);

    /// <summary>Puts spaces around ideographs.</summary>
    public static readonly Normalizer SpaceIdeographs = new FunctionNormalizer(static text =>
    {
        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            _ = CharacterClasses.IsIdeograph(rune) ? result.Append(' ').Append(rune.ToString()).Append(' ') : result.Append(rune.ToString());
        }

        return result.ToString();
    });

    /// <summary>Drops the marks that take no space.</summary>
    public static readonly Normalizer StripAccents = new CharacterNormalizer(static rune =>
        Rune.GetUnicodeCategory(rune) == UnicodeCategory.NonSpacingMark ? null : rune);

    /// <summary>Drops all marks.</summary>
    public static readonly Normalizer StripMarks = new CharacterNormalizer(static rune => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark ? null : rune);

    /// <summary>Lower case character by character, without regard to language or place in the word.</summary>
    public static readonly Normalizer Lowercase = new FunctionNormalizer(static text =>
        text.ToLowerInvariant().Replace("\u0130", "i\u0307", StringComparison.Ordinal));

    // Tab and line ends count as white space, not as control characters.
    private static bool IsControl(Rune rune) => rune.Value is not ('\t' or '\n' or '\r') && Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse;
}

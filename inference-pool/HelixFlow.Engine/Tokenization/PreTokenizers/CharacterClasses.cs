using System.Globalization;
using System.Text;

namespace HelixFlow.Engine.Tokenization.PreTokenizers;

/// <summary>The classes of characters that pre-tokenizers and normalizers name.</summary>
internal static class CharacterClasses
{
    /// <summary>Unicode punctuation and, as BERT has it, every ASCII sign that is no letter or digit.</summary>
    public static bool IsPunctuation(Rune rune) => rune.IsAscii
        ? (char)rune.Value is (>= '!' and <= '/') or (>= ':' and <= '@') or (>= '[' and <= '`') or (>= '{' and <= '~')
        : Rune.GetUnicodeCategory(rune) is >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherPunctuation;

    /// <summary>The ideographs that BERT sets apart; not kana, not hangul.</summary>
    public static bool IsIdeograph(Rune rune) => rune.Value is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF)
        or (>= 0x20000 and <= 0x2A6DF) or (>= 0x2A700 and <= 0x2B73F) or (>= 0x2B740 and <= 0x2B81F)
        or (>= 0x2B920 and <= 0x2CEAF) or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);

    /// <summary>\w: letters, marks, decimal digits, connector punctuation.</summary>
    public static bool IsWord(Rune rune) => Rune.GetUnicodeCategory(rune) is <= UnicodeCategory.LetterNumber
        or UnicodeCategory.ConnectorPunctuation;
}

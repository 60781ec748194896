using System.Globalization;
using System.Runtime.CompilerServices;

namespace HelixFlow.Engine.Tokenization.PreTokenizers;

/// <summary>The character classes that pre-tokenizer patterns speak of, as bits.</summary>
[Flags]
internal enum CharKinds : byte
{
    None = 0,

    /// <summary>\p{L}</summary>
    Letter = 1,

    /// <summary>\p{N}</summary>
    Number = 2,

    /// <summary>\s, that is White_Space</summary>
    Space = 4,

    /// <summary>\r or \n</summary>
    NewLine = 8,

    /// <summary>\p{M}</summary>
    Mark = 16,

    /// <summary>\p{Lu}, \p{Lt}</summary>
    Upper = 32,

    /// <summary>\p{Ll}</summary>
    Lower = 64,

    /// <summary>Half of a surrogate pair: its class is that of the pair.</summary>
    Surrogate = 128,
}

/// <summary>Looks up <see cref="CharKinds"/> in a table over the basic plane.</summary>
internal static class CharClass
{
    private static readonly CharKinds[] Table = MakeTable();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CharKinds Of(char value) => Table[value];

    /// <summary>The class of the character at a place, and its length in UTF-16 units.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CharKinds At(ReadOnlySpan<char> text, int at, out int length)
    {
        length = 1;
        var kinds = Table[text[at]];
        return (kinds & CharKinds.Surrogate) == 0 ? kinds : PairAt(text, at, out length);
    }

    private static CharKinds PairAt(ReadOnlySpan<char> text, int at, out int length)
    {
        length = 1;
        if (at + 1 >= text.Length || !char.IsSurrogatePair(text[at], text[at + 1]))
        {
            return CharKinds.None;
        }

        length = 2;
        return Of(CharUnicodeInfo.GetUnicodeCategory(char.ConvertToUtf32(text[at], text[at + 1])));
    }

    private static CharKinds[] MakeTable()
    {
        var table = new CharKinds[char.MaxValue + 1];
        for (var value = 0; value < table.Length; value++)
        {
            var c = (char)value;
            table[value] = char.IsSurrogate(c) ? CharKinds.Surrogate
                : char.IsWhiteSpace(c) ? CharKinds.Space | (c is '\r' or '\n' ? CharKinds.NewLine : CharKinds.None)
                : Of(char.GetUnicodeCategory(c));
        }

        return table;
    }

    private static CharKinds Of(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter or UnicodeCategory.TitlecaseLetter => CharKinds.Letter | CharKinds.Upper,
        UnicodeCategory.LowercaseLetter => CharKinds.Letter | CharKinds.Lower,
        UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => CharKinds.Letter,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => CharKinds.Number,
        UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark => CharKinds.Mark,
        _ => CharKinds.None,
    };
}

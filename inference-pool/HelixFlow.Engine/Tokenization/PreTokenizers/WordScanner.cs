using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace HelixFlow.Engine.Tokenization.PreTokenizers;

/// <summary>A pre-tokenizer pattern written by hand: every character belongs to exactly one word.</summary>
internal abstract class WordScanner
{
    /// <summary>The end of the word that starts at <paramref name="start"/>, which is before the end of the text.</summary>
    public abstract int WordEnd(ReadOnlySpan<char> text, int start);

    /// <summary>The end of a run of characters that have one of the kinds.</summary>
    protected static int RunEnd(ReadOnlySpan<char> text, int at, CharKinds kinds)
    {
        while (at < text.Length)
        {
            var kind = CharClass.Of(text[at]);
            if ((kind & kinds) != 0)
            {
                at++;
            }
            else if ((kind & CharKinds.Surrogate) != 0 && (CharClass.At(text, at, out var length) & kinds) != 0)
            {
                at += length;
            }
            else
            {
                break;
            }
        }

        return at;
    }

    /// <summary>The end of a run of letters, which mostly are the 52 of ASCII and few.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected static int LettersEnd(ReadOnlySpan<char> text, int at)
    {
        if (at + Vector256<ushort>.Count <= text.Length)
        {
            // One look at 16 units instead of a loop whose end cannot be predicted.
            var units = Vector256.LoadUnsafe(ref Unsafe.As<char, ushort>(ref Unsafe.Add(ref MemoryMarshal.GetReference(text), at)));
            var letters = Vector256.LessThan((units | Vector256.Create((ushort)0x20)) - Vector256.Create((ushort)'a'), Vector256.Create((ushort)26));
            var others = ~letters.ExtractMostSignificantBits() & 0xFFFF;
            if (others != 0)
            {
                at += BitOperations.TrailingZeroCount(others);
                if (text[at] < 0x80)
                {
                    return at;
                }
            }
        }

        return RunEnd(text, at, CharKinds.Letter);
    }

    /// <summary>The end of a run of <c>[^\s\p{L}\p{N}]</c>.</summary>
    protected static int SymbolsEnd(ReadOnlySpan<char> text, int at)
    {
        while (at < text.Length && IsSymbol(CharClass.At(text, at, out var length)))
        {
            at += length;
        }

        return at;
    }

    protected static bool IsSymbol(CharKinds kinds) => (kinds & (CharKinds.Letter | CharKinds.Number | CharKinds.Space)) == 0;

    /// <summary><c>\s+(?!\S)|\s+</c>: leaves the last space to the word that follows.</summary>
    protected static int SpacesEnd(ReadOnlySpan<char> text, int start, int runEnd) =>
        runEnd < text.Length && runEnd - start > 1 ? runEnd - 1 : runEnd;

    /// <summary>The length of an English contraction's ending at an apostrophe, or zero.</summary>
    protected static int ContractionLength(ReadOnlySpan<char> text, int at, bool ignoreCase)
    {
        if (at + 1 >= text.Length)
        {
            return 0;
        }

        var first = Fold(text[at + 1], ignoreCase);
        if (first is 's' or 't' or 'm' or 'd')
        {
            return 2;
        }

        if (at + 2 >= text.Length)
        {
            return 0;
        }

        var second = Fold(text[at + 2], ignoreCase);
        return (first, second) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;
    }

    private static char Fold(char value, bool ignoreCase) => ignoreCase && char.IsAsciiLetterUpper(value) ? (char)(value | 0x20) : value;
}

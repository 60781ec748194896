using System.Text;

namespace HelixFlow.Engine.Grammar.Lexical;

/// <summary>How the characters of a text are written in the bytes that a model generates.</summary>
internal interface ICharacterCoding
{
    /// <summary>An expression for any one of the characters.</summary>
    int Write(RegexPool pool, CodePoints characters);
}

/// <summary>Characters as they are, in UTF-8.</summary>
internal sealed class Utf8Coding : ICharacterCoding
{
    public static Utf8Coding Instance { get; } = new();

    /// <inheritdoc/>
    public int Write(RegexPool pool, CodePoints characters)
    {
        var alternatives = new List<int>();
        foreach ((int first, int last) in characters.Ranges)
        {
            AddRange(pool, first, last, alternatives);
        }

        return pool.Or([.. alternatives]);
    }

    // Cut where the length of the encoding changes, then where a byte before the last one changes.
    private static void AddRange(RegexPool pool, int first, int last, List<int> alternatives)
    {
        foreach (int boundary in (ReadOnlySpan<int>)[0x7F, 0x7FF, 0xFFFF])
        {
            if (first <= boundary && last > boundary)
            {
                AddRange(pool, first, boundary, alternatives);
                AddRange(pool, boundary + 1, last, alternatives);
                return;
            }
        }

        for (int bits = 6; bits <= 18 && first >= 0x80; bits += 6)
        {
            int mask = (1 << bits) - 1;
            if ((first & ~mask) == (last & ~mask))
            {
                continue;
            }

            if ((first & mask) != 0)
            {
                AddRange(pool, first, first | mask, alternatives);
                AddRange(pool, (first | mask) + 1, last, alternatives);
                return;
            }

            if ((last & mask) != mask)
            {
                AddRange(pool, first, (last & ~mask) - 1, alternatives);
                AddRange(pool, last & ~mask, last, alternatives);
                return;
            }
        }

        Span<byte> low = stackalloc byte[4];
        Span<byte> high = stackalloc byte[4];
        int length = new Rune(first).EncodeToUtf8(low);
        _ = new Rune(last).EncodeToUtf8(high);
        int expression = RegexPool.Empty;
        for (int i = length - 1; i >= 0; i--)
        {
            expression = pool.Concat(pool.Bytes(ByteSet.Range(low[i], high[i])), expression);
        }

        alternatives.Add(expression);
    }
}

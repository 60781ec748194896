using System.Globalization;
using System.Text;

namespace HelixFlow.Engine.Grammar.Text;

/// <summary>A place in a grammar's text.</summary>
internal sealed class TextScanner(string text)
{
    public int At { get; set; }

    public bool IsAtEnd => At >= text.Length;

    /// <summary>The character here; 0 at the end.</summary>
    public char Current => Peek(0);

    /// <summary>The place here, for messages.</summary>
    public string Place
    {
        get
        {
            ReadOnlySpan<char> before = text.AsSpan(0, Math.Min(At, text.Length));
            return $"line {before.Count('\n') + 1}, column {At - before.LastIndexOf('\n')}";
        }
    }

    public char Peek(int offset) => At + offset < text.Length ? text[At + offset] : '\0';

    public bool TryTake(string token)
    {
        if (string.CompareOrdinal(text, At, token, 0, token.Length) != 0)
        {
            return false;
        }

        At += token.Length;
        return true;
    }

    public void Expect(string token)
    {
        if (!TryTake(token))
        {
            throw Error($"'{token}' is expected here");
        }
    }

    /// <summary>Characters as long as they satisfy a condition.</summary>
    public string TakeWhile(Func<char, bool> condition)
    {
        int start = At;
        while (At < text.Length && condition(text[At]))
        {
            At++;
        }

        return text[start..At];
    }

    /// <summary>Skips blanks and what stands behind a comment's mark; line ends too unless they matter.</summary>
    public void SkipSpace(string commentMark, bool lines)
    {
        while (!IsAtEnd)
        {
            if (Current is ' ' or '\t' or '\r' || (lines && Current == '\n'))
            {
                At++;
            }
            else if (string.CompareOrdinal(text, At, commentMark, 0, commentMark.Length) == 0)
            {
                TakeWhile(static c => c != '\n');
            }
            else
            {
                return;
            }
        }
    }

    public int TakeNumber()
    {
        string digits = TakeWhile(char.IsAsciiDigit);
        return int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number <= 1_000_000 ? number : throw Error("a number up to 1000000 is expected here");
    }

    /// <summary>One character of a literal, escapes resolved.</summary>
    public int TakeCharacter()
    {
        if (Current == '\\')
        {
            At++;
            char letter = Current;
            At++;
            return letter switch
            {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'f' => '\f',
                'b' => '\b',
                'v' => '\v',
                '0' => 0,
                'x' => TakeHex(2),
                'u' => TakeHex(4),
                'U' => TakeHex(8),
                '\0' => throw Error("the text ends in a backslash"),
                _ when char.IsAsciiLetterOrDigit(letter) => throw Error($"'\\{letter}' is no escape"),
                _ => letter,
            };
        }

        if (Rune.DecodeFromUtf16(text.AsSpan(Math.Min(At, text.Length)), out Rune rune, out int length) != System.Buffers.OperationStatus.Done)
        {
            throw Error("the text ends too early, or is no Unicode");
        }

        At += length;
        return rune.Value;
    }

    public GrammarException Error(string problem) => new($"the grammar, {Place}: {problem}");

    private int TakeHex(int digits)
    {
        if (At + digits > text.Length || !int.TryParse(text.AsSpan(At, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value) || !Rune.IsValid(value))
        {
            throw Error($"{digits} hexadecimal digits of a character are expected here");
        }

        At += digits;
        return value;
    }
}

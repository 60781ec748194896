using System.Buffers;
using System.Text.Unicode;

namespace HelixFlow.Agents.Values;

public static partial class CanonicalJson
{
    private const int DeepestPlain = 32;
    private const int LongestPlainNumber = 15; // digits: a double holds each such whole number

    private static readonly SearchValues<byte> EndsPlainText = SearchValues.Create([(byte)'"', (byte)'\\', .. Enumerable.Range(0, ' ').Select(static c => (byte)c)]);

    /// <summary>
    /// Whether a text is certainly canonical JSON, found out in one pass without building anything: most small values are. False says nothing; texts with
    /// escapes, fractions or names outside ASCII are left to the full way.
    /// </summary>
    internal static bool IsPlain(ReadOnlySpan<byte> json)
    {
        int at = 0;
        return SkipPlain(json, ref at, 0) && at == json.Length && Utf8.IsValid(json);
    }

    private static bool SkipPlain(ReadOnlySpan<byte> json, ref int at, int depth)
    {
        if (at >= json.Length || depth > DeepestPlain)
        {
            return false;
        }

        switch (json[at])
        {
            case (byte)'"':
                return SkipText(json, ref at).Length >= 2;
            case (byte)'{':
                return SkipObject(json, ref at, depth);
            case (byte)'[':
                return SkipArray(json, ref at, depth);
            case (byte)'t':
                return Skip(json, ref at, "true"u8);
            case (byte)'f':
                return Skip(json, ref at, "false"u8);
            case (byte)'n':
                return Skip(json, ref at, "null"u8);
            default:
                return SkipNumber(json, ref at);
        }
    }

    private static bool SkipObject(ReadOnlySpan<byte> json, ref int at, int depth)
    {
        at++;
        if (Skip(json, ref at, "}"u8))
        {
            return true;
        }

        bool isFirst = true;
        ReadOnlySpan<byte> last = default;
        do
        {
            ReadOnlySpan<byte> name = SkipText(json, ref at);
            if (name.Length < 2 || name.ContainsAnyExceptInRange((byte)0, (byte)0x7f))
            {
                return false; // by UTF-16 code units others come in another order than by bytes
            }

            name = name[1..^1];
            if ((!isFirst && last.SequenceCompareTo(name) >= 0) || !Skip(json, ref at, ":"u8) || !SkipPlain(json, ref at, depth + 1))
            {
                return false;
            }

            isFirst = false;
            last = name;
        }
        while (Skip(json, ref at, ","u8));
        return Skip(json, ref at, "}"u8);
    }

    private static bool SkipArray(ReadOnlySpan<byte> json, ref int at, int depth)
    {
        at++;
        if (Skip(json, ref at, "]"u8))
        {
            return true;
        }

        do
        {
            if (!SkipPlain(json, ref at, depth + 1))
            {
                return false;
            }
        }
        while (Skip(json, ref at, ","u8));
        return Skip(json, ref at, "]"u8);
    }

    /// <summary>A text with its quotes; empty when it is none, or has an escape.</summary>
    private static ReadOnlySpan<byte> SkipText(ReadOnlySpan<byte> json, scoped ref int at)
    {
        if (at >= json.Length || json[at] != (byte)'"')
        {
            return default;
        }

        int length = json[(at + 1)..].IndexOfAny(EndsPlainText);
        if (length < 0 || json[at + 1 + length] != (byte)'"')
        {
            return default;
        }

        ReadOnlySpan<byte> text = json.Slice(at, length + 2);
        at += text.Length;
        return text;
    }

    private static bool SkipNumber(ReadOnlySpan<byte> json, ref int at)
    {
        bool isNegative = Skip(json, ref at, "-"u8);
        int start = at;
        while (at < json.Length && char.IsAsciiDigit((char)json[at]))
        {
            at++;
        }

        int digits = at - start;
        bool isZero = digits > 0 && json[start] == (byte)'0';
        return digits is > 0 and <= LongestPlainNumber && (!isZero || (digits == 1 && !isNegative)) && (at == json.Length || json[at] is not ((byte)'.' or (byte)'e' or (byte)'E'));
    }

    private static bool Skip(ReadOnlySpan<byte> json, ref int at, ReadOnlySpan<byte> expected)
    {
        if (at > json.Length || !json[at..].StartsWith(expected))
        {
            return false;
        }

        at += expected.Length;
        return true;
    }
}

using System.Text.Unicode;
using HelixFlow.Engine.Tokenization.Decoders;

namespace HelixFlow.Engine.Tokenization;

/// <summary>Turns the tokens of one sequence into text as they come, in whole characters only.</summary>
/// <remarks>
/// A UTF-8 sequence that is split over tokens is held back until it is complete; invalid bytes become U+FFFD. Everything that
/// <see cref="Append"/> and <see cref="Flush"/> return, joined, equals <see cref="Tokenizer.Decode"/> of all ids. Not thread-safe: one
/// per sequence. Returned spans are valid until the next call.
/// </remarks>
public sealed class StreamingDetokenizer
{
    private const int MinChars = 64; // and at least the 16 that a short token is written with

    private readonly TokenDecoder _decoder;
    private readonly bool _skipSpecial;
    private readonly IReadOnlySet<int>? _shown; // special tokens that are text all the same
    private readonly byte[] _pending = new byte[4]; // the start of a character whose rest is in the tokens to come
    private char[] _chars = new char[MinChars];
    private byte[] _joined = [];
    private int _pendingCount;
    private bool _first;
    private bool _wordEnded;
    private int _leadingStrip;

    internal StreamingDetokenizer(TokenDecoder decoder, bool skipSpecial, bool continuesText, IReadOnlySet<int>? shown = null)
    {
        _shown = shown;
        _decoder = decoder;
        _skipSpecial = skipSpecial;
        _first = !continuesText;
        _leadingStrip = continuesText ? 0 : decoder.LeadingStrip;
    }

    /// <summary>Adds a token and returns the characters that are complete now, often none. An unused id adds nothing.</summary>
    public ReadOnlySpan<char> Append(int id)
    {
        if (!_decoder.IsText(id, _skipSpecial) && _shown?.Contains(id) != true)
        {
            return [];
        }

        if (!_first && _pendingCount == 0 && !_wordEnded && _leadingStrip == 0)
        {
            var length = _decoder.CopyAscii(id, _chars);
            if (length >= 0)
            {
                _wordEnded = _decoder.IsWordEnd(id);
                return _chars.AsSpan(0, length);
            }
        }

        return AppendSlow(id);
    }

    /// <summary>Ends the text: bytes that never became a character come out as U+FFFD.</summary>
    public ReadOnlySpan<char> Flush() => StripLeading(Convert([], isEnd: true));

    private ReadOnlySpan<char> AppendSlow(int id)
    {
        var bytes = _first ? _decoder.FirstBytes(id) : _decoder.Bytes(id);
        _first = false;
        if (_wordEnded)
        {
            // At most three bytes wait, so that there is room.
            _pending[_pendingCount++] = (byte)' ';
        }

        _wordEnded = _decoder.IsWordEnd(id);
        return StripLeading(Convert(bytes, isEnd: false));
    }

    private ReadOnlySpan<char> Convert(ReadOnlySpan<byte> bytes, bool isEnd)
    {
        if (_pendingCount > 0)
        {
            var count = _pendingCount + bytes.Length;
            if (_joined.Length < count)
            {
                _joined = new byte[Math.Max(MinChars, count)];
            }

            _pending.AsSpan(0, _pendingCount).CopyTo(_joined);
            bytes.CopyTo(_joined.AsSpan(_pendingCount));
            bytes = _joined.AsSpan(0, count);
        }

        if (_chars.Length < bytes.Length)
        {
            _chars = new char[bytes.Length];
        }

        Utf8.ToUtf16(bytes, _chars, out var read, out var written, replaceInvalidSequences: true, isFinalBlock: isEnd);
        _pendingCount = bytes.Length - read;
        bytes[read..].CopyTo(_pending);
        return _chars.AsSpan(0, written);
    }

    private ReadOnlySpan<char> StripLeading(ReadOnlySpan<char> text)
    {
        while (_leadingStrip > 0 && !text.IsEmpty)
        {
            if (text[0] != _decoder.LeadingChar)
            {
                _leadingStrip = 0;
                break;
            }

            text = text[1..];
            _leadingStrip--;
        }

        return text;
    }
}

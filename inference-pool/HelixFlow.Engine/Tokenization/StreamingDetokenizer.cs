using System.Text;
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
    private readonly Tokenizer _tokenizer;
    private readonly TokenDecoder _decoder;
    private readonly Decoder _utf8 = Encoding.UTF8.GetDecoder();
    private readonly bool _skipSpecial;
    private char[] _chars = new char[64];
    private bool _first;
    private bool _wordEnded;
    private int _leadingStrip;

    internal StreamingDetokenizer(Tokenizer tokenizer, TokenDecoder decoder, bool skipSpecial, bool continuesText)
    {
        _tokenizer = tokenizer;
        _decoder = decoder;
        _skipSpecial = skipSpecial;
        _first = !continuesText;
        _leadingStrip = continuesText ? 0 : decoder.LeadingStrip;
    }

    /// <summary>Adds a token and returns the characters that are complete now, often none. An unused id adds nothing.</summary>
    public ReadOnlySpan<char> Append(int id)
    {
        if ((_skipSpecial && _tokenizer.IsSpecial(id)) || !_tokenizer.IsToken(id))
        {
            return [];
        }

        var bytes = _first ? _decoder.FirstBytes(id) : _decoder.Bytes(id);
        _first = false;
        var needed = bytes.Length + 4;
        if (_chars.Length < needed)
        {
            _chars = new char[needed];
        }

        var count = 0;
        if (_wordEnded)
        {
            count += _utf8.GetChars(" "u8, _chars, flush: false);
        }

        _wordEnded = _decoder.EndsWord(id);
        count += _utf8.GetChars(bytes, _chars.AsSpan(count), flush: false);
        return StripLeading(_chars.AsSpan(0, count));
    }

    /// <summary>Ends the text: bytes that never became a character come out as U+FFFD.</summary>
    public ReadOnlySpan<char> Flush() => StripLeading(_chars.AsSpan(0, _utf8.GetChars([], _chars, flush: true)));

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

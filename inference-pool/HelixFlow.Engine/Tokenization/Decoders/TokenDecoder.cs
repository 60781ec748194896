using System.Buffers;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text;

namespace HelixFlow.Engine.Tokenization.Decoders;

/// <summary>The bytes that every token stands for, and the few rules that depend on a token's neighbours.</summary>
/// <remarks>
/// All supported decoders turn tokens into bytes one by one; only the first token, the place between two tokens and the start of
/// the text may differ. So a text can be decoded as it grows, and the tables are made once.
/// </remarks>
internal sealed class TokenDecoder
{
    private const byte Exists = 1;
    private const byte Special = 2;
    private const byte WordEnd = 4;

    // Short tokens are copied as a whole vector; so many bytes stand behind the last token.
    private const int Slack = 16;

    private readonly Vocabulary _vocabulary;
    private readonly IReadOnlyDictionary<int, AddedToken> _added;
    private readonly DecoderRules _rules;
    private readonly byte[] _bytes;
    private readonly int[] _starts; // [id] -> start of its bytes; they end where those of the next id start
    private readonly byte[] _flags; // [id]

    /// <param name="vocabulary">The tokens.</param>
    /// <param name="added">Those that are not written in the vocabulary's way.</param>
    /// <param name="isSpecial">Whether an id is a control token.</param>
    /// <param name="rules">How tokens become text.</param>
    public TokenDecoder(Vocabulary vocabulary, IReadOnlyDictionary<int, AddedToken> added, Func<int, bool> isSpecial, DecoderRules rules)
    {
        _vocabulary = vocabulary;
        _added = added;
        _rules = rules;
        _starts = new int[vocabulary.Size + 1];
        _flags = new byte[vocabulary.Size];
        var bytes = new MemoryStream();
        for (var id = 0; id < _flags.Length; id++)
        {
            bytes.Write(Compute(id, first: false));
            _starts[id + 1] = checked((int)bytes.Length);
            _flags[id] = (byte)((vocabulary[id] is null ? 0 : Exists) | (isSpecial(id) ? Special : 0) | (EndsWord(id) ? WordEnd : 0));
        }

        bytes.Write(new byte[Slack]);
        _bytes = bytes.ToArray();
    }

    /// <summary>After the tokens are joined, up to so many of <see cref="DecoderRules.LeadingChar"/> are cut off the start.</summary>
    public int LeadingStrip => _rules.LeadingStrip;

    public char LeadingChar => _rules.LeadingChar;

    public bool IsSpecial(int id) => Has(id, Special);

    /// <summary>The id is in use and, where special tokens are left out, not special.</summary>
    public bool IsText(int id, bool skipSpecial) =>
        (uint)id < (uint)_flags.Length && (_flags[id] & (skipSpecial ? Exists | Special : Exists)) == Exists;

    /// <summary>A space stands after this token when another one follows.</summary>
    public bool IsWordEnd(int id) => Has(id, WordEnd);

    /// <summary>Bytes of the token anywhere but at the start; none for an id that is not in use.</summary>
    public ReadOnlySpan<byte> Bytes(int id) =>
        (uint)id >= (uint)_flags.Length ? [] : _bytes.AsSpan(_starts[id].._starts[id + 1]);

    /// <summary>Bytes of the token at the start of a text.</summary>
    public ReadOnlySpan<byte> FirstBytes(int id) => _rules.DependsOnFirst ? Compute(id, first: true) : Bytes(id);

    /// <summary>The text of a token of at most 16 ASCII characters, or -1 characters for any other.</summary>
    /// <param name="id">The token, which is in use.</param>
    /// <param name="output">Room for 16 characters; those behind the token's are overwritten.</param>
    public int CopyAscii(int id, Span<char> output)
    {
        var start = _starts[id];
        var length = _starts[id + 1] - start;
        if (length > Slack)
        {
            return -1;
        }

        var bytes = Vector128.LoadUnsafe(ref MemoryMarshal.GetArrayDataReference(_bytes), (nuint)start);
        if ((bytes.ExtractMostSignificantBits() & ((1u << length) - 1)) != 0)
        {
            return -1;
        }

        var (low, high) = Vector128.Widen(bytes);
        low.CopyTo(MemoryMarshal.Cast<char, ushort>(output));
        high.CopyTo(MemoryMarshal.Cast<char, ushort>(output[8..]));
        return length;
    }

    /// <summary>The text of all ids.</summary>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecial)
    {
        var bytes = ArrayPool<byte>.Shared.Rent((ids.Length * 8) + 256);
        var count = 0;
        var first = true;
        var wordEnded = false;
        foreach (var id in ids)
        {
            if (!IsText(id, skipSpecial))
            {
                continue;
            }

            var token = first && _rules.DependsOnFirst ? FirstBytes(id) : Bytes(id);
            first = false;
            if (bytes.Length - count < token.Length + Slack + 1)
            {
                var larger = ArrayPool<byte>.Shared.Rent((bytes.Length * 2) + token.Length);
                bytes.AsSpan(0, count).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(bytes);
                bytes = larger;
            }

            if (wordEnded)
            {
                bytes[count++] = (byte)' ';
            }

            wordEnded = _rules.WordSuffix.Length > 0 && IsWordEnd(id);
            token.CopyTo(bytes.AsSpan(count));
            count += token.Length;
        }

        var text = Encoding.UTF8.GetString(bytes, 0, count);
        ArrayPool<byte>.Shared.Return(bytes);
        var strip = 0;
        while (strip < _rules.LeadingStrip && strip < text.Length && text[strip] == _rules.LeadingChar)
        {
            strip++;
        }

        return strip > 0 ? text[strip..] : text;
    }

    private bool Has(int id, byte flag) => (uint)id < (uint)_flags.Length && (_flags[id] & flag) != 0;

    private bool EndsWord(int id) =>
        _rules.WordSuffix is { Length: > 0 } suffix && _vocabulary[id] is { } text && text.EndsWith(suffix, StringComparison.Ordinal);

    private byte[] Compute(int id, bool first)
    {
        if (_vocabulary[id] is not { } text)
        {
            return [];
        }

        if (_rules.ByteLevel)
        {
            return _added.ContainsKey(id) ? Encoding.UTF8.GetBytes(text) : FromAlphabet(text);
        }

        foreach (var step in _rules.Steps)
        {
            text = step(text, first);
        }

        return _rules.ByteFallback && ByteTokens.TryParse(text, out var value) ? [value] : Encoding.UTF8.GetBytes(text);
    }

    // A token with a character outside the alphabet was not written in it, and stands for itself.
    private static byte[] FromAlphabet(string text)
    {
        var bytes = new byte[text.Length];
        for (var at = 0; at < text.Length; at++)
        {
            var value = ByteAlphabet.ToByte(text[at]);
            if (value < 0)
            {
                return Encoding.UTF8.GetBytes(text);
            }

            bytes[at] = (byte)value;
        }

        return bytes;
    }
}

/// <summary>One change of a token's text; knows whether the token is the first of the text.</summary>
internal delegate string DecoderStep(string token, bool first);

/// <summary>What a decoder section of a tokenizer file comes down to.</summary>
internal sealed record DecoderRules
{
    public IReadOnlyList<DecoderStep> Steps { get; init; } = [];

    /// <summary>Some step treats the first token in its own way.</summary>
    public bool DependsOnFirst { get; init; }

    /// <summary>Tokens are written in <see cref="ByteAlphabet"/>.</summary>
    public bool ByteLevel { get; init; }

    /// <summary>Tokens like <c>&lt;0x0A&gt;</c> are bytes.</summary>
    public bool ByteFallback { get; init; }

    public char LeadingChar { get; init; }

    public int LeadingStrip { get; init; }

    /// <summary>Ends the last token of a word; a space in the text when another token follows.</summary>
    public string WordSuffix { get; init; } = "";
}

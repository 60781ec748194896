using System.Text;

namespace HelixFlow.Engine.Tokenization.Decoders;

/// <summary>The bytes that every token stands for, and the few rules that depend on a token's neighbours.</summary>
/// <remarks>
/// All supported decoders turn tokens into bytes one by one; only the first token, the place between two tokens and the start of
/// the text may differ. So a text can be decoded as it grows, and the tables are made once.
/// </remarks>
internal sealed class TokenDecoder
{
    private readonly Vocabulary _vocabulary;
    private readonly IReadOnlyDictionary<int, AddedToken> _added;
    private readonly DecoderRules _rules;
    private readonly byte[] _bytes;
    private readonly int[] _ends; // [id] -> end of its bytes; they start at the end of the id before

    public TokenDecoder(Vocabulary vocabulary, IReadOnlyDictionary<int, AddedToken> added, DecoderRules rules)
    {
        _vocabulary = vocabulary;
        _added = added;
        _rules = rules;
        _ends = new int[vocabulary.Size];
        var bytes = new MemoryStream();
        for (var id = 0; id < _ends.Length; id++)
        {
            bytes.Write(Compute(id, first: false));
            _ends[id] = checked((int)bytes.Length);
        }

        _bytes = bytes.ToArray();
    }

    /// <summary>After the tokens are joined, up to so many of <see cref="DecoderRules.LeadingChar"/> are cut off the start.</summary>
    public int LeadingStrip => _rules.LeadingStrip;

    public char LeadingChar => _rules.LeadingChar;

    /// <summary>Bytes of the token anywhere but at the start; none for an id that is not in use.</summary>
    public ReadOnlySpan<byte> Bytes(int id) =>
        (uint)id >= (uint)_ends.Length ? [] : _bytes.AsSpan((id == 0 ? 0 : _ends[id - 1]).._ends[id]);

    /// <summary>Bytes of the token at the start of a text.</summary>
    public ReadOnlySpan<byte> FirstBytes(int id) => _rules.DependsOnFirst ? Compute(id, first: true) : Bytes(id);

    /// <summary>A space stands after this token when another one follows.</summary>
    public bool EndsWord(int id) =>
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

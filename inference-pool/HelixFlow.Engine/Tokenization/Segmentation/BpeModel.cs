using System.Buffers;
using System.Text;

namespace HelixFlow.Engine.Tokenization.Segmentation;

/// <summary>What a byte-pair encoding does besides merging.</summary>
internal sealed record BpeOptions
{
    /// <summary>Symbols are the bytes of the text in <see cref="ByteAlphabet"/>, not its characters.</summary>
    public bool ByteLevel { get; init; }

    /// <summary>A character without a token becomes its bytes, as tokens like <c>&lt;0x0A&gt;</c>.</summary>
    public bool ByteFallback { get; init; }

    /// <summary>Neighbouring unknown characters become one unknown token.</summary>
    public bool FuseUnknown { get; init; }

    /// <summary>A piece that is a token as a whole is not merged from its parts.</summary>
    public bool IgnoreMerges { get; init; }

    public int UnknownId { get; init; } = -1;

    public string ContinuingPrefix { get; init; } = "";

    public string EndOfWordSuffix { get; init; } = "";
}

/// <summary>Byte-pair encoding (Sennrich et al. 2016): merges neighbours by the rank of their pair.</summary>
internal sealed class BpeModel : TokenModel
{
    private const int StackChars = 256;

    private readonly Vocabulary _vocabulary;
    private readonly PairTable _merges;
    private readonly BpeOptions _options;
    private readonly int[] _byteSymbols = new int[256]; // [byte] -> id or -1
    private readonly bool _fallsBackToBytes;

    public BpeModel(Vocabulary vocabulary, PairTable merges, BpeOptions options)
    {
        _vocabulary = vocabulary;
        _merges = merges;
        _options = options;
        for (var value = 0; value < 256; value++)
        {
            _byteSymbols[value] = options.ByteLevel
                ? vocabulary.Find([ByteAlphabet.ToChar((byte)value)])
                : vocabulary.Find(ByteTokens.Text((byte)value));
        }

        _fallsBackToBytes = options.ByteFallback && !options.ByteLevel;
    }

    public override void Encode(ReadOnlySpan<char> piece, TokenBuffer output)
    {
        if (piece.IsEmpty)
        {
            return;
        }

        if (_options.ByteLevel)
        {
            EncodeBytes(piece, output);
            return;
        }

        if (_options.IgnoreMerges && _vocabulary.Find(piece) is >= 0 and var whole)
        {
            output.Add(whole);
            return;
        }

        var workspace = MergeWorkspace.ForThisThread();
        AddCharacters(piece, workspace);
        workspace.MergeInto(_merges, output);
    }

    private void EncodeBytes(ReadOnlySpan<char> piece, TokenBuffer output)
    {
        var needed = Encoding.UTF8.GetMaxByteCount(piece.Length);
        byte[]? rented = null;
        var bytes = needed <= StackChars * 3 ? stackalloc byte[StackChars * 3] : rented = ArrayPool<byte>.Shared.Rent(needed);
        bytes = bytes[..Encoding.UTF8.GetBytes(piece, bytes)];
        if (!_options.IgnoreMerges || !TryWhole(bytes, output))
        {
            var workspace = MergeWorkspace.ForThisThread();
            var afterUnknown = false;
            foreach (var value in bytes)
            {
                AddSymbol(_byteSymbols[value], workspace, ref afterUnknown);
            }

            workspace.MergeInto(_merges, output);
        }

        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    private bool TryWhole(ReadOnlySpan<byte> bytes, TokenBuffer output)
    {
        if (bytes.Length > StackChars)
        {
            return false;
        }

        Span<char> text = stackalloc char[StackChars];
        for (var at = 0; at < bytes.Length; at++)
        {
            text[at] = ByteAlphabet.ToChar(bytes[at]);
        }

        var id = _vocabulary.Find(text[..bytes.Length]);
        if (id >= 0)
        {
            output.Add(id);
        }

        return id >= 0;
    }

    private void AddCharacters(ReadOnlySpan<char> piece, MergeWorkspace workspace)
    {
        var plain = _options.ContinuingPrefix.Length + _options.EndOfWordSuffix.Length == 0;
        var afterUnknown = false;
        Span<byte> utf8 = stackalloc byte[4];
        for (var at = 0; at < piece.Length;)
        {
            var length = char.IsHighSurrogate(piece[at]) && at + 1 < piece.Length ? 2 : 1;
            var character = piece.Slice(at, length);
            var id = plain ? _vocabulary.Find(character) : FindDecorated(character, at == 0, at + length == piece.Length);
            at += length;
            if (id < 0 && _fallsBackToBytes)
            {
                var bytes = utf8[..Encoding.UTF8.GetBytes(character, utf8)];
                if (!HasMissing(bytes))
                {
                    foreach (var value in bytes)
                    {
                        AddSymbol(_byteSymbols[value], workspace, ref afterUnknown);
                    }

                    continue;
                }
            }

            AddSymbol(id, workspace, ref afterUnknown);
        }
    }

    private int FindDecorated(ReadOnlySpan<char> character, bool first, bool last) => _vocabulary.Find(
        $"{(first ? "" : _options.ContinuingPrefix)}{character}{(last ? _options.EndOfWordSuffix : "")}");

    private bool HasMissing(ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
        {
            if (_byteSymbols[value] < 0)
            {
                return true;
            }
        }

        return false;
    }

    // Without an unknown token, what has no symbol is dropped: so do other implementations.
    private void AddSymbol(int id, MergeWorkspace workspace, ref bool afterUnknown)
    {
        if (id >= 0)
        {
            workspace.Add(id);
            afterUnknown = false;
        }
        else if (_options.UnknownId >= 0 && !(afterUnknown && _options.FuseUnknown))
        {
            workspace.Add(_options.UnknownId);
            afterUnknown = true;
        }
    }
}

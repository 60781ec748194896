using System.Collections.Immutable;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Tokenization.Decoders;
using HelixFlow.Engine.Tokenization.Loading;
using HelixFlow.Engine.Tokenization.Normalizers;
using HelixFlow.Engine.Tokenization.PreTokenizers;
using HelixFlow.Engine.Tokenization.Segmentation;

namespace HelixFlow.Engine.Tokenization;

/// <summary>Text to token ids and back, as a model's own files define it.</summary>
/// <remarks>Immutable and safe for any number of threads; the words it has seen are remembered in a bounded cache.</remarks>
public sealed class Tokenizer
{
    private readonly Vocabulary _vocabulary;
    private readonly Normalizer? _normalizer;
    private readonly PreTokenizer? _preTokenizer;
    private readonly WordScanner? _scanner;
    private readonly TokenModel _model;
    private readonly TokenDecoder _decoder;
    private readonly TokenMatchers _allTokens;
    private readonly TokenMatchers _plainTokens;
    private readonly int[] _prefix;
    private readonly int[] _suffix;
    private readonly PairTemplate _pair;
    private readonly WordCache _cache = new();

    internal Tokenizer(TokenizerParts parts)
    {
        _vocabulary = parts.Vocabulary;
        _normalizer = parts.Normalizer;
        _preTokenizer = parts.PreTokenizer;
        _scanner = parts.PreTokenizer?.Scanner;
        _model = parts.Model;
        var added = parts.AddedTokens.DistinctBy(token => token.Id).ToDictionary(token => token.Id);
        _allTokens = new TokenMatchers(parts.AddedTokens, _normalizer);
        _plainTokens = new TokenMatchers(parts.AddedTokens.Where(token => !token.Special), _normalizer);
        var special = parts.AddedTokens.Where(token => token.Special).Select(token => token.Id).ToHashSet();
        _decoder = new TokenDecoder(_vocabulary, added, special.Contains, parts.Decoder);
        _prefix = [.. parts.Prefix];
        _suffix = [.. parts.Suffix];
        _pair = parts.Pair ?? PairTemplate.Of(parts.Prefix, parts.Suffix);
        BosId = parts.BosId;
        EosId = parts.EosId;
        EndIds = [.. parts.EndIds];
    }

    /// <summary>The largest token id plus one. Ids may have gaps, and a model's logits may be padded beyond it.</summary>
    public int VocabularySize => _vocabulary.Size;

    /// <summary>The token that starts a text, or null when the model has none.</summary>
    public int? BosId { get; }

    /// <summary>The model's own end-of-sequence token, which chat templates write; null when it has none.</summary>
    public int? EosId { get; }

    /// <summary>Tokens after which generation stops: end of text and end of turn.</summary>
    public ImmutableHashSet<int> EndIds { get; }

    /// <summary>Reads <c>tokenizer.json</c> and, beside it, <c>tokenizer_config.json</c>, <c>special_tokens_map.json</c> and <c>generation_config.json</c>.</summary>
    /// <param name="path">The file <c>tokenizer.json</c>, or the folder that holds it.</param>
    /// <exception cref="ModelFormatException">A file is missing, wrong, or asks for something unsupported; the message names the property.</exception>
    public static Tokenizer FromHuggingFace(string path) => new(TokenizerJson.Read(path));

    /// <summary>Takes the vocabulary inside a GGUF file.</summary>
    /// <exception cref="ModelFormatException">The vocabulary is wrong or of an unsupported kind; the message names the key.</exception>
    public static Tokenizer FromGguf(GgufVocabulary vocabulary)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        return new Tokenizer(GgufTokenizer.Build(vocabulary));
    }

    /// <summary>Encodes a text.</summary>
    /// <param name="text">Any UTF-16; lone surrogates count as U+FFFD.</param>
    /// <param name="addSpecial">Adds what the model wants around a text, such as its start token.</param>
    /// <param name="parseSpecial">Recognises special tokens written in the text. Must be false for text from strangers.</param>
    /// <exception cref="System.Text.RegularExpressions.RegexMatchTimeoutException">
    /// The model's own pattern took more than a second; patterns of the known families are matched by hand and cannot.
    /// </exception>
    public int[] Encode(ReadOnlySpan<char> text, bool addSpecial, bool parseSpecial)
    {
        var buffer = TokenBuffer.Take();
        Encode(text, buffer, addSpecial, parseSpecial);
        var ids = buffer.Written.ToArray();
        buffer.GiveBack();
        return ids;
    }

    /// <summary>Encodes a text with what the model wants around it, cut at its end to a number of tokens.</summary>
    /// <param name="text">As for <see cref="Encode(ReadOnlySpan{char}, bool, bool)"/>; special tokens are not recognised in it.</param>
    /// <param name="most">The most tokens; what goes around the text is kept in any case.</param>
    public int[] EncodeCut(ReadOnlySpan<char> text, int most)
    {
        int[] ids = Encode(text, addSpecial: false, parseSpecial: false);
        int kept = Math.Clamp(most - _prefix.Length - _suffix.Length, 0, ids.Length);
        return [.. _prefix, .. ids.AsSpan(0, kept), .. _suffix];
    }

    /// <summary>Encodes two texts to be read together, with what the model wants around and between them.</summary>
    /// <param name="first">As for <see cref="Encode(ReadOnlySpan{char}, bool, bool)"/>; special tokens are not recognised in it.</param>
    /// <param name="second">The same.</param>
    /// <param name="most">The most tokens: the second text is cut at its end, the first one never; null for no limit.</param>
    /// <param name="secondText">Where the second text begins in the result.</param>
    public int[] EncodePair(ReadOnlySpan<char> first, ReadOnlySpan<char> second, int? most, out int secondText)
    {
        int[] firstIds = Encode(first, addSpecial: false, parseSpecial: false);
        int[] secondIds = Encode(second, addSpecial: false, parseSpecial: false);
        secondText = _pair.Prefix.Count + firstIds.Length + _pair.Middle.Count;
        int kept = most is { } limit ? Math.Clamp(limit - secondText - _pair.Suffix.Count, 0, secondIds.Length) : secondIds.Length;
        return [.. _pair.Prefix, .. firstIds, .. _pair.Middle, .. secondIds.AsSpan(0, kept), .. _pair.Suffix];
    }

    /// <summary>Appends the ids of a text; see the other overload.</summary>
    public void Encode(ReadOnlySpan<char> text, List<int> output, bool addSpecial, bool parseSpecial)
    {
        ArgumentNullException.ThrowIfNull(output);
        var buffer = TokenBuffer.Take();
        Encode(text, buffer, addSpecial, parseSpecial);
        output.AddRange(buffer.Written);
        buffer.GiveBack();
    }

    private void Encode(ReadOnlySpan<char> text, TokenBuffer output, bool addSpecial, bool parseSpecial)
    {
        if (addSpecial)
        {
            output.AddRange(_prefix);
        }

        if (!text.IsEmpty)
        {
            EncodeAroundTokens(LoneSurrogates.Replace(text), output, parseSpecial ? _allTokens : _plainTokens);
        }

        if (addSpecial)
        {
            output.AddRange(_suffix);
        }
    }

    /// <summary>The text of the ids. Bytes that are not UTF-8 become U+FFFD; ids that are not in use add nothing.</summary>
    /// <param name="ids">Any ids, in order.</param>
    /// <param name="skipSpecial">Leaves out special tokens.</param>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecial) => _decoder.Decode(ids, skipSpecial);

    /// <summary>Decodes one sequence token by token.</summary>
    /// <param name="skipSpecial">Leaves out special tokens.</param>
    /// <param name="continuesText">The text goes on where earlier text ended, so that a first token keeps its leading space.</param>
    /// <param name="shown">Special tokens to be shown although the others are left out; null for none. They must be in use.</param>
    public StreamingDetokenizer CreateDetokenizer(bool skipSpecial = true, bool continuesText = false, IReadOnlySet<int>? shown = null) =>
        new(_decoder, skipSpecial, continuesText, shown);

    /// <summary>The UTF-8 bytes a token adds in the middle of a text, perhaps only part of a character; none for an unused id.</summary>
    public ReadOnlySpan<byte> TokenBytes(int id) => _decoder.Bytes(id);

    /// <summary>The token as the vocabulary writes it, or an empty string for an unused id.</summary>
    public string TokenText(int id) => _vocabulary[id] ?? "";

    /// <summary>The id of a token as the vocabulary writes it.</summary>
    public int? FindToken(string text) => _vocabulary.Find(text) is >= 0 and var id ? id : null;

    /// <summary>Whether the token is a control token, not text.</summary>
    public bool IsSpecial(int id) => _decoder.IsSpecial(id);

    /// <summary>Forgets the words seen so far, to measure what a new text costs. No other thread may use the tokenizer meanwhile.</summary>
    internal void ForgetWords() => _cache.Clear();

    /// <summary>The first id that stands for another token in another tokenizer; null when all mean the same.</summary>
    public int? FindDifference(Tokenizer other)
    {
        ArgumentNullException.ThrowIfNull(other);
        for (int id = 0; id < Math.Max(VocabularySize, other.VocabularySize); id++)
        {
            if (TokenText(id) != other.TokenText(id) || IsSpecial(id) != other.IsSpecial(id))
            {
                return id;
            }
        }

        return null;
    }

    private void EncodeAroundTokens(ReadOnlySpan<char> text, TokenBuffer output, TokenMatchers tokens)
    {
        var place = default(AddedTokenMatcher.Place);
        AddedToken? token;
        do
        {
            var isStart = place == default;
            token = tokens.Raw.Find(text, ref place, out var plain);
            EncodeSegment(plain, isStart, output, tokens);
            if (token is not null)
            {
                output.Add(token.Id);
            }
        }
        while (token is not null);
    }

    private void EncodeSegment(ReadOnlySpan<char> text, bool isStart, TokenBuffer output, TokenMatchers tokens)
    {
        if (text.IsEmpty)
        {
            return;
        }

        if (_normalizer is not null)
        {
            text = _normalizer.Normalize(text.ToString());
        }

        if (tokens.Normalized.IsEmpty)
        {
            EncodePlain(text, isStart, output);
            return;
        }

        var place = default(AddedTokenMatcher.Place);
        AddedToken? token;
        do
        {
            var isFirst = isStart && place == default;
            token = tokens.Normalized.Find(text, ref place, out var plain);
            EncodePlain(plain, isFirst, output);
            if (token is not null)
            {
                output.Add(token.Id);
            }
        }
        while (token is not null);
    }

    private void EncodePlain(ReadOnlySpan<char> text, bool isStart, TokenBuffer output)
    {
        if (text.IsEmpty)
        {
            return;
        }

        if (_scanner is not null)
        {
            for (var at = 0; at < text.Length;)
            {
                var end = _scanner.WordEnd(text, at);
                EncodeWord(text, at, end - at, output);
                at = end;
            }
        }
        else if (_preTokenizer is null)
        {
            EncodeWord(text, 0, text.Length, output);
        }
        else
        {
            var pieces = new List<TextPiece>();
            _preTokenizer.Split(new TextPiece(text.ToString().AsMemory(), isStart), pieces);
            foreach (var piece in pieces)
            {
                EncodeWord(piece.Text.Span, 0, piece.Text.Length, output);
            }
        }
    }

    private void EncodeWord(ReadOnlySpan<char> text, int at, int length, TokenBuffer output)
    {
        if (length > 0 && !_cache.TryAppend(text, at, length, output))
        {
            EncodeNewWord(text.Slice(at, length), output);
        }
    }

    private void EncodeNewWord(ReadOnlySpan<char> word, TokenBuffer output)
    {
        var start = output.Count;
        _model.Encode(word, output);
        _cache.Add(word, output.Written[start..]);
    }

    // Special tokens are left out where they must not be found, so that text is not searched for them.
    private sealed class TokenMatchers(IEnumerable<AddedToken> tokens, Normalizer? normalizer)
    {
        public readonly AddedTokenMatcher Raw =
            new(tokens.Where(token => !token.Normalized).Select(token => (token.Text, token)));

        public readonly AddedTokenMatcher Normalized =
            new(tokens.Where(token => token.Normalized).Select(token => (normalizer?.Normalize(token.Text) ?? token.Text, token)));
    }
}

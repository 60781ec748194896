using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Tokenization.Decoders;
using HelixFlow.Engine.Tokenization.Normalizers;
using HelixFlow.Engine.Tokenization.PreTokenizers;
using HelixFlow.Engine.Tokenization.Segmentation;

namespace HelixFlow.Engine.Tokenization.Loading;

/// <summary>Builds a tokenizer from the vocabulary inside a GGUF file, with llama.cpp's reading of it.</summary>
internal sealed class GgufTokenizer
{
    private const int TypeUnknown = 2;
    private const int TypeControl = 3;
    private const int TypeUserDefined = 4;
    private const int TypeByte = 6;

    private readonly GgufVocabulary _source;
    private readonly Vocabulary _vocabulary;

    private GgufTokenizer(GgufVocabulary source)
    {
        _source = source;
        _vocabulary = new Vocabulary(source.Tokens.Length);
        for (var id = 0; id < source.Tokens.Length; id++)
        {
            _vocabulary.Add(source.Tokens[id], id, source.Path, "tokenizer.ggml.tokens");
        }
    }

    public static TokenizerParts Build(GgufVocabulary source)
    {
        CheckLength(source, source.Scores?.Length, "scores");
        CheckLength(source, source.TokenTypes?.Length, "token_type");
        CheckIds(source);
        var builder = new GgufTokenizer(source);
        return source.Model switch
        {
            "gpt2" => builder.BuildByteLevel(),
            "llama" => builder.BuildSentencePiece(),
            "t5" => builder.BuildUnigram(),
            "bert" => builder.BuildWordPiece(),
            _ => throw Error(source, "model", $"is \"{source.Model}\", which is not supported; supported are bert, gpt2, llama, t5"),
        };
    }

    private TokenizerParts BuildByteLevel()
    {
        var pre = GgufPreTokenizer.Find(_source);
        var lines = _source.Merges ?? throw Error(_source, "merges", "is missing");
        var merges = new PairTable(lines.Length);
        for (var rank = 0; rank < lines.Length; rank++)
        {
            // Token texts hold no space, but may well start with what looks like one.
            var line = lines[rank];
            var space = line.Length < 2 ? -1 : line.IndexOf(' ', 1);
            var left = space < 0 ? -1 : _vocabulary.Find(line.AsSpan(0, space));
            var right = space < 0 ? -1 : _vocabulary.Find(line.AsSpan(space + 1));
            var merged = space < 0 ? -1 : _vocabulary.Find(line.Remove(space, 1));
            if (left < 0 || right < 0 || merged < 0)
            {
                throw Error(_source, "merges", $"has \"{line}\" at index {rank}, which does not join two tokens to a third");
            }

            merges.Set(left, right, rank, merged);
        }

        var options = new BpeOptions { ByteLevel = true, IgnoreMerges = pre.IgnoreMerges, UnknownId = _source.UnknownId ?? -1 };
        return Finish(new BpeModel(_vocabulary, merges, options), new DecoderRules { ByteLevel = true }, pre.AddsBos, false) with
        {
            PreTokenizer = pre.Build(),
        };
    }

    private TokenizerParts BuildSentencePiece()
    {
        var scores = _source.Scores ?? throw Error(_source, "scores", "is missing");
        var prefix = _source.AddSpacePrefix ?? true;
        var model = new SentencePieceModel(_vocabulary, scores, _source.UnknownId ?? 0);
        return Finish(model, MarkRules(prefix), true, false, bos: 1, eos: 2) with
        {
            Normalizer = MarkSpaces(prefix),
            PreTokenizer = MarkScanner.For(_vocabulary),
        };
    }

    private TokenizerParts BuildUnigram()
    {
        var scores = _source.Scores ?? throw Error(_source, "scores", "is missing");
        var prefix = _source.AddSpacePrefix ?? true;
        var steps = new List<Normalizer>();
        if (_source.PrecompiledCharsMap is { Length: > 0 } map)
        {
            try
            {
                steps.Add(new PrecompiledNormalizer(map));
            }
            catch (InvalidDataException exception)
            {
                throw Error(_source, "precompiled_charsmap", $"is not a character map: {exception.Message}");
            }
        }

        if (_source.RemoveExtraWhitespaces)
        {
            steps.Add(new FunctionNormalizer(static text => string.Join(' ', text.Split(' ', StringSplitOptions.RemoveEmptyEntries))));
        }

        steps.Add(MarkSpaces(prefix));
        var unknown = _source.UnknownId ?? 2;
        var model = new UnigramModel(
            _vocabulary,
            Array.ConvertAll(scores, score => (double)score),
            unknown,
            byteFallback: false,
            id => !IsOfType(id, TypeControl, TypeUnknown, TypeByte));
        TokenizerParts parts = Finish(model, MarkRules(prefix), false, true, eos: 1);
        return parts with
        {
            Normalizer = new SequenceNormalizer(steps),

            // XLM-RoBERTa ends the first text and separates it from the second by the same token.
            Pair = new PairTemplate(parts.Prefix, [.. parts.Suffix, .. parts.Suffix], parts.Suffix),
        };
    }

    private TokenizerParts BuildWordPiece()
    {
        var unknown = _source.UnknownId ?? (_vocabulary.Find("[UNK]") is >= 0 and var id ? id : 100);
        var model = new WordPieceModel(_vocabulary, unknown, "", int.MaxValue);
        return Finish(model, MarkRules(stripsFirst: true), true, true, bos: _source.ClassificationId ?? 101, eos: _source.SeparatorId ?? 102) with
        {
            Normalizer = new SequenceNormalizer(
            [
                BertNormalization.CleanText, BertNormalization.SpaceIdeographs, UnicodeForm.D, BertNormalization.StripAccents,
                BertNormalization.Lowercase,
            ]),

            // The file writes words with the mark in front and the pieces inside a word without.
            PreTokenizer = new SequencePreTokenizer(
                [.. PreTokenizerReader.MakeBert().Steps, new MetaspaceSplit(MarkScanner.Mark, PrependScheme.Always, splits: false)]),
        };
    }

    private TokenizerParts Finish(TokenModel model, DecoderRules decoder, bool addBos, bool addEos, int? bos = null, int? eos = null)
    {
        bos = _source.BosId ?? (bos < _source.Tokens.Length ? bos : null);
        eos = _source.EosId ?? (eos < _source.Tokens.Length ? eos : null);
        var added = new List<AddedToken>();
        for (var id = 0; id < _source.Tokens.Length; id++)
        {
            if (_source.Tokens[id].Length > 0 && IsOfType(id, TypeControl, TypeUnknown, TypeUserDefined))
            {
                added.Add(new AddedToken(id, _source.Tokens[id], !IsOfType(id, TypeUserDefined), false, false, false, Normalized: false));
            }
        }

        var ends = SpecialTokens.EndsIn(_vocabulary, added.Select(token => token.Id));
        ends.UnionWith(new[] { eos, _source.EotId, _source.EomId }.OfType<int>());
        return new TokenizerParts
        {
            Vocabulary = _vocabulary,
            Model = model,
            Decoder = decoder,
            AddedTokens = added,
            Prefix = (_source.AddBos ?? addBos) && bos is { } first ? [first] : [],
            Suffix = (_source.AddEos ?? addEos) && eos is { } last ? [last] : [],
            BosId = bos,
            EosId = eos,
            EndIds = ends,
        };
    }

    private bool IsOfType(int id, params ReadOnlySpan<int> types) => _source.TokenTypes is { } all && types.Contains(all[id]);

    private static FunctionNormalizer MarkSpaces(bool prefix) => new(text =>
        (prefix && text.Length > 0 ? " " + text : text).Replace(' ', MarkScanner.Mark));

    private static DecoderRules MarkRules(bool stripsFirst) => new()
    {
        Steps = [static (token, _) => token.Replace(MarkScanner.Mark, ' ')],
        ByteFallback = true,
        LeadingChar = ' ',
        LeadingStrip = stripsFirst ? 1 : 0,
    };

    private static void CheckLength(GgufVocabulary source, int? length, string key)
    {
        if (length is { } found && found != source.Tokens.Length)
        {
            throw Error(source, key, $"has {found} entries; there are {source.Tokens.Length} tokens");
        }
    }

    private static void CheckIds(GgufVocabulary source)
    {
        foreach (var (id, key) in new[]
        {
            (source.BosId, "bos_token_id"), (source.EosId, "eos_token_id"), (source.UnknownId, "unknown_token_id"),
            (source.EotId, "eot_token_id"), (source.EomId, "eom_token_id"), (source.SeparatorId, "seperator_token_id"), (source.ClassificationId, "cls_token_id"),
        })
        {
            if (id is { } found && (uint)found >= (uint)source.Tokens.Length)
            {
                throw Error(source, key, $"is {found}; there are {source.Tokens.Length} tokens");
            }
        }
    }

    private static ModelFormatException Error(GgufVocabulary source, string key, string reason) =>
        new(source.Path, null, $"tokenizer.ggml.{key} {reason}");
}

using System.Buffers;
using HelixFlow.Engine.Tokenization.Segmentation;

namespace HelixFlow.Engine.Tokenization.Loading;

/// <summary>Reads the <c>model</c> section of tokenizer.json.</summary>
internal static class ModelReader
{
    private static readonly string[] Types = ["BPE", "Unigram", "WordPiece"];

    public static string TypeOf(JsonField model)
    {
        // Files of the first versions name no type.
        var type = model.FindString("type")
            ?? (model.Find("merges") is not null ? "BPE" : model.Find("unk_id") is not null ? "Unigram" : "WordPiece");
        return Types.Contains(type)
            ? type
            : throw model.Error($"is of type \"{type}\", which is not supported; supported are {string.Join(", ", Types)}");
    }

    public static Vocabulary ReadVocabulary(JsonField model, string type)
    {
        var list = model.Require("vocab");
        if (type == "Unigram")
        {
            var pieces = new Vocabulary(list.Count);
            var listPlace = list.Place;
            foreach (var (item, index) in list.Items().Select((item, index) => (item, index)))
            {
                pieces.Add(item.AsPair().First.AsString(), index, item.File, listPlace);
            }

            return pieces;
        }

        var place = list.Place;
        var entries = list.Properties().ToList();
        var vocabulary = new Vocabulary(entries.Count);
        foreach (var (text, id) in entries)
        {
            vocabulary.Add(text, id.AsInt32(), id.File, place);
        }

        return vocabulary;
    }

    public static TokenModel ReadModel(JsonField model, string type, Vocabulary vocabulary, bool byteLevel) => type switch
    {
        "BPE" => ReadBpe(model, vocabulary, byteLevel),
        "Unigram" => ReadUnigram(model, vocabulary),
        _ => ReadWordPiece(model, vocabulary),
    };

    private static BpeModel ReadBpe(JsonField model, Vocabulary vocabulary, bool byteLevel)
    {
        var options = new BpeOptions
        {
            ByteLevel = byteLevel,
            ByteFallback = model.FindBoolean("byte_fallback", false),
            FuseUnknown = model.FindBoolean("fuse_unk", false),
            IgnoreMerges = model.FindBoolean("ignore_merges", false),
            UnknownId = model.FindString("unk_token") is { } unknown ? vocabulary.Find(unknown) : -1,
            ContinuingPrefix = model.FindString("continuing_subword_prefix") ?? "",
            EndOfWordSuffix = model.FindString("end_of_word_suffix") ?? "",
        };
        var list = model.Require("merges");
        var merges = new PairTable(list.Count);
        var rank = 0;
        foreach (var item in list.Items())
        {
            var (left, right) = ReadMerge(item);
            var merged = FindMerged(vocabulary, left, right, options.ContinuingPrefix);
            merges.Set(FindPart(item, vocabulary, left), FindPart(item, vocabulary, right), rank++, merged >= 0
                ? merged
                : throw item.Error($"makes \"{left}{right}\", which is not in the vocabulary"));
        }

        return new BpeModel(vocabulary, merges, options);
    }

    // Older files write "left right", newer ones ["left", "right"].
    private static (string Left, string Right) ReadMerge(JsonField item)
    {
        if (item.Kind != System.Text.Json.JsonValueKind.String)
        {
            var (first, second) = item.AsPair();
            return (first.AsString(), second.AsString());
        }

        var text = item.AsString();
        var space = text.IndexOf(' ', StringComparison.Ordinal);
        return space > 0 && space == text.LastIndexOf(' ') && space < text.Length - 1
            ? (text[..space], text[(space + 1)..])
            : throw item.Error("should be two tokens with one space between them");
    }

    private static int FindPart(JsonField item, Vocabulary vocabulary, string part) => vocabulary.Find(part) is >= 0 and var id
        ? id
        : throw item.Error($"names \"{part}\", which is not in the vocabulary");

    private static int FindMerged(Vocabulary vocabulary, string left, string right, string prefix)
    {
        var rest = prefix.Length > 0 && right.StartsWith(prefix, StringComparison.Ordinal) ? right.AsSpan(prefix.Length) : right;
        var length = left.Length + rest.Length;
        var buffer = ArrayPool<char>.Shared.Rent(length);
        left.CopyTo(buffer);
        rest.CopyTo(buffer.AsSpan(left.Length));
        var id = vocabulary.Find(buffer.AsSpan(0, length));
        ArrayPool<char>.Shared.Return(buffer);
        return id;
    }

    private static UnigramModel ReadUnigram(JsonField model, Vocabulary vocabulary)
    {
        var list = model.Require("vocab");
        var scores = new double[list.Count];
        var index = 0;
        foreach (var item in list.Items())
        {
            scores[index++] = item.AsPair().Second.AsDouble();
        }

        var unknown = model.Find("unk_id")?.AsInt32(0, Math.Max(0, scores.Length - 1)) ?? -1;
        return new UnigramModel(vocabulary, scores, unknown, model.FindBoolean("byte_fallback", false));
    }

    private static WordPieceModel ReadWordPiece(JsonField model, Vocabulary vocabulary)
    {
        var unknown = model.FindString("unk_token") ?? "[UNK]";
        return new WordPieceModel(
            vocabulary,
            vocabulary.Find(unknown) is >= 0 and var id ? id : throw model.Error($"needs its unknown token \"{unknown}\" in the vocabulary"),
            model.FindString("continuing_subword_prefix") ?? "##",
            model.Find("max_input_chars_per_word")?.AsInt32(1, 1 << 16) ?? 100);
    }
}

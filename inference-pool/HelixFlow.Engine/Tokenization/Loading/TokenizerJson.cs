using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Tokenization.PreTokenizers;

namespace HelixFlow.Engine.Tokenization.Loading;

/// <summary>Reads Hugging Face's tokenizer.json and the small files beside it.</summary>
internal static class TokenizerJson
{
    private const int MaxAddedTokens = 1 << 20;

    public static TokenizerParts Read(string path)
    {
        var file = Directory.Exists(path) ? Path.Combine(path, "tokenizer.json") : path;
        var words = Path.Combine(path, "vocab.txt");
        if (!File.Exists(file) && !File.Exists(words))
        {
            throw new ModelFormatException(file, null, "there is no such file; a folder with tokenizer.json or vocab.txt, or the former file, is needed");
        }

        using var json = File.Exists(file) ? JsonFile.Open(file) : BertVocabularyFile.Open(words);
        var root = json.Root;
        var model = root.Require("model");
        var type = ModelReader.TypeOf(model);
        var vocabulary = ModelReader.ReadVocabulary(model, type);
        var added = ReadAddedTokens(root, vocabulary);
        var normalizer = root.Find("normalizer") is { } normal ? NormalizerReader.Read(normal) : null;
        var preTokenizer = root.Find("pre_tokenizer") is { } pre ? PreTokenizerReader.Read(pre) : null;

        // Gemma's files cut at spaces that the normalizer has replaced before.
        if (preTokenizer is SplitPreTokenizer { Literal: { } literal } && normalizer?.Removes(literal) == true)
        {
            preTokenizer = null;
        }

        // The last step of a byte-level pipeline is done by the model, straight on the bytes.
        var byteLevel = type == "BPE" && ByteLevelSplit.TryTakeFromEnd(ref preTokenizer);
        if (type == "BPE" && preTokenizer is null && !model.FindBoolean("ignore_merges", false))
        {
            preTokenizer = MarkScanner.For(vocabulary);
        }

        var template = root.Find("post_processor") is { } post ? PostProcessorReader.Read(post, vocabulary) : Template.Empty;
        var special = SpecialTokens.Read(Path.GetDirectoryName(Path.GetFullPath(file))!, vocabulary, added, template);
        return new TokenizerParts
        {
            Vocabulary = vocabulary,
            Model = ModelReader.ReadModel(model, type, vocabulary, byteLevel),
            Decoder = DecoderReader.Read(root.Find("decoder")),
            AddedTokens = added,
            Normalizer = normalizer,
            PreTokenizer = preTokenizer,
            Prefix = special.Template.Prefix,
            Suffix = special.Template.Suffix,
            Pair = special.Template.Pair,
            BosId = special.BosId,
            EosId = special.EosId,
            EndIds = special.EndIds,
        };
    }

    private static List<AddedToken> ReadAddedTokens(JsonField root, Vocabulary vocabulary)
    {
        var tokens = new List<AddedToken>();
        if (root.Find("added_tokens") is not { } list)
        {
            return tokens;
        }

        if (list.Count > MaxAddedTokens)
        {
            throw list.Error($"has {list.Count} entries; at most {MaxAddedTokens} are possible");
        }

        foreach (var item in list.Items())
        {
            var text = item.Require("content").AsString();
            if (text.Length == 0)
            {
                continue;
            }

            var special = item.FindBoolean("special", false);
            var id = vocabulary.Find(text);
            if (id < 0)
            {
                id = item.Require("id").AsInt32();
                vocabulary.Add(text, id, item.File, item.Place);
            }

            tokens.Add(new AddedToken(
                id,
                text,
                special,
                item.FindBoolean("lstrip", false),
                item.FindBoolean("rstrip", false),
                item.FindBoolean("single_word", false),
                item.FindBoolean("normalized", !special)));
        }

        return tokens;
    }
}

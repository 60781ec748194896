using System.Text.Json.Nodes;
using HelixFlow.Engine.Tokenization;
using HelixFlow.TestKit.Formats;

namespace HelixFlow.Engine.Tests.Tokenization;

/// <summary>Tokenizers of every kind give the ids and texts that @huggingface/tokenizers gives.</summary>
public sealed class HuggingFaceDifferentialTests(NodeWitness witness) : IClassFixture<NodeWitness>
{
    private const int Texts = 1200;
    private const string SpmDecoder =
        """{"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}""";

    public static TheoryData<string> Families => [.. Documents.Keys];

    private static readonly Dictionary<string, Func<JsonObject>> Documents = new()
    {
        ["GPT-2"] = () => SmallTokenizers.ByteLevelBpe(Parse("""{"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}""")),
        ["GPT-2 with a space before"] = () => SmallTokenizers.ByteLevelBpe(Parse("""{"type": "ByteLevel", "add_prefix_space": true, "use_regex": true}""")),
        ["Llama 3"] = () => SmallTokenizers.ByteLevelBpe(SmallTokenizers.Split(SmallTokenizers.Llama3), pairs: true, ignoreMerges: true),
        ["Qwen 2"] = () => SmallTokenizers.ByteLevelBpe(SmallTokenizers.Split(SmallTokenizers.Qwen2), normalizer: Parse("""{"type": "NFC"}""")),
        ["StarCoder"] = () => SmallTokenizers.ByteLevelBpe(Parse(
            """{"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}]}""")),
        ["GPT-4o"] = () => SmallTokenizers.ByteLevelBpe(SmallTokenizers.Split(
            @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")),
        ["Llama 2"] = () => SmallTokenizers.SentencePieceBpe(
            Parse("""{"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}"""), null, Parse(SpmDecoder)),
        ["Gemma"] = () => SmallTokenizers.SentencePieceBpe(
            Parse("""{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}"""), null, Parse(SpmDecoder.Replace(", {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}", "", StringComparison.Ordinal))),
        ["Metaspace BPE"] = () => SmallTokenizers.SentencePieceBpe(
            null, Parse("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false}"""), Parse("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"}"""), byteFallback: false),
        ["Unigram"] = () => SmallTokenizers.Unigram(
            Parse("""{"type": "NFKC"}"""), Parse("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}"""), Parse("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}"""), byteFallback: false),
        ["DeepSeek"] = () => SmallTokenizers.ByteLevelBpe(Parse(
            """
            {"type": "Sequence", "pretokenizers": [
              {"type": "Split", "pattern": {"Regex": "\\p{N}{1,3}"}, "behavior": "Isolated", "invert": false},
              {"type": "Split", "pattern": {"Regex": "[一-龥぀-ゟ゠-ヿ]+"}, "behavior": "Isolated", "invert": false},
              {"type": "Split", "pattern": {"Regex": "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"}, "behavior": "Isolated", "invert": false},
              {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]}
            """)),
        ["RoBERTa"] = () =>
        {
            var document = SmallTokenizers.ByteLevelBpe(Parse("""{"type": "ByteLevel", "add_prefix_space": true, "use_regex": true}"""));
            document["post_processor"] = Parse("""{"type": "RobertaProcessing", "sep": ["<|im_end|>", 957], "cls": ["<|im_start|>", 956], "add_prefix_space": true, "trim_offsets": true}""");
            return document;
        },
        ["Template"] = () =>
        {
            var document = SmallTokenizers.ByteLevelBpe(SmallTokenizers.Split(SmallTokenizers.Qwen2));
            document["post_processor"] = Parse(
                """
                {"type": "Sequence", "processors": [{"type": "ByteLevel"}, {"type": "TemplateProcessing",
                  "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<|im_end|>", "type_id": 0}}],
                  "pair": [], "special_tokens": {"<|im_start|>": {"id": "<|im_start|>", "ids": [956], "tokens": ["<|im_start|>"]}, "<|im_end|>": {"id": "<|im_end|>", "ids": [957], "tokens": ["<|im_end|>"]}}}]}
                """);
            return document;
        },
        ["Suffix BPE"] = () => SmallTokenizers.SuffixBpe(
            Parse("""{"type": "Sequence", "normalizers": [{"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"}, {"type": "Replace", "pattern": {"Regex": "[0-9]+"}, "content": "7"}]}"""),
            Parse("""{"type": "WhitespaceSplit"}""")),
        ["Normalized added tokens"] = () =>
        {
            var document = SmallTokenizers.SuffixBpe(Parse("""{"type": "Lowercase"}"""), Parse("""{"type": "WhitespaceSplit"}"""));
            foreach (var token in document["added_tokens"]!.AsArray())
            {
                token!["normalized"] = (string)token["content"]! != "<|im_end|>";
                token["lstrip"] = (string)token["content"]! == "<|im_start|>";
            }

            return document;
        },
        ["Punctuation"] = () => SmallTokenizers.WordPiece(
            Parse("""{"type": "Sequence", "normalizers": [{"type": "Strip", "strip_left": true, "strip_right": true}, {"type": "NFD"}]}"""),
            Parse("""{"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Punctuation", "behavior": "Isolated"}]}""")),
        ["BERT uncased"] = () => SmallTokenizers.WordPiece(Parse("""{"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true}""")),
        ["BERT cased"] = () => SmallTokenizers.WordPiece(Parse("""{"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": false}""")),
    };

    [Theory]
    [MemberData(nameof(Families))]
    public void Ids_and_texts_agree(string family)
    {
        var document = Documents[family]();
        using var folder = new TempFolder();
        File.WriteAllText(folder["tokenizer.json"], document.ToJsonString());
        var tokenizer = Tokenizer.FromHuggingFace(folder.FullPath);
        var generator = new TextGenerator(7);
        var texts = Enumerable.Range(0, Texts).Select(_ => generator.Next(SmallTokenizers.Added)).Where(text => !IsKnownDifference(family, text)).ToList();
        Assert.True(texts.Count > Texts / 4, $"only {texts.Count} texts are left");

        var mine = texts.ConvertAll(text => tokenizer.Encode(text, addSpecial: true, parseSpecial: true));
        var (ids, decoded) = witness.Ask(document, new JsonObject { ["clean_up_tokenization_spaces"] = false }, texts, mine, special: true);

        for (var at = 0; at < texts.Count; at++)
        {
            Assert.True(ids[at].SequenceEqual(mine[at]), $"text {at} of {family}: {Show(texts[at])}\n theirs {Show(tokenizer, ids[at])}\n mine   {Show(tokenizer, mine[at])}");
            Assert.True(decoded[at] == tokenizer.Decode(mine[at], skipSpecial: false), $"text {at} of {family}: {Show(tokenizer, mine[at])}\n theirs {Show(decoded[at])}\n mine   {Show(tokenizer.Decode(mine[at], false))}");
        }
    }

    // Where the witness is known to differ from the reference implementation in Rust, which this project follows.
    private static bool IsKnownDifference(string family, string text) => family switch
    {
        // It takes only ASCII digits for digits.
        "StarCoder" => text.Any(c => !char.IsAscii(c) && char.IsNumber(c)) || text.EnumerateRunes().Any(rune => !rune.IsBmp && System.Text.Rune.IsNumber(rune)),

        // It looks at UTF-16 units and so misses the ideographs beyond the basic plane.
        "BERT uncased" or "BERT cased" => text.EnumerateRunes().Any(rune => rune.Value is >= 0x20000 and <= 0x2FA1F),

        // Lone surrogates belong to no class for it; the reference implementation cannot see them, and here they are U+FFFD.
        "DeepSeek" => text.EnumerateRunes().Contains(System.Text.Rune.ReplacementChar),

        // It leaves runs of punctuation together.
        "Punctuation" => text.EnumerateRunes().Contains(System.Text.Rune.ReplacementChar)
            || System.Text.RegularExpressions.Regex.IsMatch(text, @"[\p{P}$+<=>^`|~]{2}"),
        _ => false,
    };

    private static JsonNode Parse(string json) => JsonNode.Parse(json)!;

    private static string Show(string text) => string.Concat(text.Select(c => c is >= ' ' and <= '~' ? c.ToString() : $"\\u{(int)c:X4}"));

    private static string Show(Tokenizer tokenizer, int[] ids) => string.Join(" | ", ids.Select(id => $"{id}:{Show(tokenizer.TokenText(id))}"));
}

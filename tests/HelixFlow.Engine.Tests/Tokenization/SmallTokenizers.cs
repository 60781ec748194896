using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace HelixFlow.Engine.Tests.Tokenization;

/// <summary>Trains small tokenizers of every kind on generated text and writes them as tokenizer.json.</summary>
internal static class SmallTokenizers
{
    public const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
    public const string Llama3 = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    public const string Qwen2 = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    public static readonly string[] Added = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<tool>", "<|im_", " spaced "];

    private static readonly Lazy<(List<string> Tokens, List<(string Left, string Right)> Merges)> ByteLevelVocabulary = new(() =>
    {
        var alphabet = ByteAlphabet();
        var words = CorpusWords(" ?[^ ]+| +").Select(word => string.Concat(Encoding.UTF8.GetBytes(word).Select(value => alphabet[value])));
        return Train([.. alphabet.Select(c => c.ToString()).Order(StringComparer.Ordinal)], words, 700);
    });

    /// <summary>Byte-level BPE; the merges are those that pay best on the words of generated text.</summary>
    public static JsonObject ByteLevelBpe(JsonNode preTokenizer, bool pairs = false, bool ignoreMerges = false, JsonNode? normalizer = null)
    {
        var (tokens, merges) = ByteLevelVocabulary.Value;
        return Document(
            Bpe(tokens, merges, pairs, new JsonObject { ["ignore_merges"] = ignoreMerges }), preTokenizer, normalizer, new JsonObject { ["type"] = "ByteLevel" }, tokens.Count);
    }

    /// <summary>BPE over characters with the space mark and byte tokens, as Llama 2 has it.</summary>
    public static JsonObject SentencePieceBpe(JsonNode? normalizer, JsonNode? preTokenizer, JsonNode decoder, bool byteFallback = true, bool fuse = true)
    {
        List<string> tokens = ["<unk>", "<s>", "</s>"];
        if (byteFallback)
        {
            tokens.AddRange(Enumerable.Range(0, 256).Select(value => $"<0x{value:X2}>"));
        }

        var words = CorpusWords(" ?[^ ]+| +").Select(word => word.Replace(' ', '▁')).ToList();
        tokens.AddRange(words.SelectMany(word => word.EnumerateRunes()).Where(rune => rune.Value < 0x3000).Select(rune => rune.ToString()).Distinct());
        var (all, merges) = Train(tokens, words, 500);
        var model = Bpe(all, merges, false, new JsonObject { ["byte_fallback"] = byteFallback, ["fuse_unk"] = fuse, ["unk_token"] = "<unk>" });
        return Document(model, preTokenizer, normalizer, decoder, all.Count);
    }

    public static JsonObject Unigram(JsonNode? normalizer, JsonNode preTokenizer, JsonNode decoder, bool byteFallback)
    {
        var random = new Random(17);
        List<string> tokens = ["<unk>", "<s>", "</s>", "▁"];
        if (byteFallback)
        {
            tokens.AddRange(Enumerable.Range(0, 256).Select(value => $"<0x{value:X2}>"));
        }

        foreach (var word in CorpusWords(" ?[^ ]+").Select(word => word.Replace(' ', '▁')))
        {
            var runes = word.EnumerateRunes().Select(rune => rune.ToString()).ToArray();
            var start = random.Next(runes.Length);
            tokens.Add(string.Concat(runes[start..Math.Min(runes.Length, start + random.Next(1, 6))]));
        }

        tokens = [.. tokens.Distinct().Where(token => token.IndexOf('▁', StringComparison.Ordinal) <= 0)];
        var vocab = new JsonArray([.. tokens.Select(token => (JsonNode)new JsonArray(token, token.Length > 0 && token[0] == '<' ? 0.0 : -2 - (random.Next(640) / 64.0)))]);
        return Document(
            new JsonObject { ["type"] = "Unigram", ["unk_id"] = 0, ["byte_fallback"] = byteFallback, ["vocab"] = vocab }, preTokenizer, normalizer, decoder, tokens.Count);
    }

    /// <summary>BPE over characters whose last one carries a mark, as the first subword tokenizers had it.</summary>
    public static JsonObject SuffixBpe(JsonNode normalizer, JsonNode preTokenizer)
    {
        var words = CorpusWords(@"\w+|[^\w\s]+").Select(word => word.ToLowerInvariant()).ToList();
        var runes = words.SelectMany(word => word.EnumerateRunes()).Where(rune => rune.Value < 0x800).Select(rune => rune.ToString()).Distinct().ToList();
        List<string> tokens = ["<unk>", .. runes, .. runes.Select(rune => rune + "</w>")];
        var pairs = words.Where(word => word.All(c => c < 0x800) && word.Length > 1).Select(word => (word[^2].ToString(), word[^1] + "</w>")).Distinct().Take(150)
            .Concat(words.Where(word => word.All(c => c < 0x800) && word.Length > 2).Select(word => (word[0].ToString(), word[1].ToString())).Distinct().Take(150)).ToList();
        tokens.AddRange(pairs.Select(pair => pair.Item1 + pair.Item2));
        tokens = [.. tokens.Distinct()];
        var model = Bpe(tokens, pairs, true, new JsonObject { ["unk_token"] = "<unk>", ["end_of_word_suffix"] = "</w>", ["fuse_unk"] = false });
        return Document(model, preTokenizer, normalizer, new JsonObject { ["type"] = "BPEDecoder", ["suffix"] = "</w>" }, tokens.Count);
    }

    public static JsonObject WordPiece(JsonNode normalizer, JsonNode? preTokenizer = null)
    {
        var random = new Random(23);
        List<string> tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];
        foreach (var word in CorpusWords(@"\p{L}+|\p{N}|[^\s\p{L}]").Select(word => word.ToLowerInvariant()))
        {
            var runes = word.EnumerateRunes().Select(rune => rune.ToString()).ToArray();
            var cut = random.Next(1, runes.Length + 1);
            tokens.Add(string.Concat(runes[..cut]));
            tokens.Add("##" + string.Concat(runes[cut..]));
            tokens.AddRange(runes.Where(_ => random.Next(20) > 0));
            tokens.AddRange(runes.Where(_ => random.Next(20) > 0).Select(rune => "##" + rune));
        }

        tokens = [.. tokens.Where(token => token != "##").Distinct()];
        var document = Document(
            new JsonObject { ["type"] = "WordPiece", ["unk_token"] = "[UNK]", ["continuing_subword_prefix"] = "##", ["max_input_chars_per_word"] = 100, ["vocab"] = Vocab(tokens) },
            preTokenizer ?? new JsonObject { ["type"] = "BertPreTokenizer" },
            normalizer,
            new JsonObject { ["type"] = "WordPiece", ["prefix"] = "##", ["cleanup"] = true },
            tokens.Count);
        document["post_processor"] = JsonNode.Parse("""{"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}""");
        return document;
    }

    /// <summary>GPT-2's bytes-to-characters table, worked out from its definition.</summary>
    public static char[] ByteAlphabet()
    {
        var table = new char[256];
        var next = 256;
        for (var value = 0; value < 256; value++)
        {
            table[value] = value is > 32 and < 127 or > 160 and < 173 or > 173 ? (char)value : (char)next++;
        }

        return table;
    }

    public static JsonNode Split(string pattern) => new JsonObject
    {
        ["type"] = "Sequence",
        ["pretokenizers"] = new JsonArray(
            new JsonObject { ["type"] = "Split", ["pattern"] = new JsonObject { ["Regex"] = pattern }, ["behavior"] = "Isolated", ["invert"] = false },
            new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["use_regex"] = false }),
    };

    /// <summary>The most frequent pair, again and again; ties go to the pair that sorts first.</summary>
    public static (List<string> Tokens, List<(string Left, string Right)> Merges) Train(IEnumerable<string> alphabet, IEnumerable<string> words, int count)
    {
        var tokens = alphabet.ToList();
        var known = tokens.ToHashSet();
        var merges = new List<(string, string)>();
        var parts = words.GroupBy(word => word).Select(group => (Count: group.Count(), Symbols: group.Key.EnumerateRunes().Select(rune => rune.ToString()).ToList()))
            .Where(word => word.Symbols.All(known.Contains)).ToList();
        while (merges.Count < count)
        {
            var pairs = new Dictionary<(string Left, string Right), int>();
            foreach (var (times, symbols) in parts)
            {
                for (var at = 0; at + 1 < symbols.Count; at++)
                {
                    pairs[(symbols[at], symbols[at + 1])] = pairs.GetValueOrDefault((symbols[at], symbols[at + 1])) + times;
                }
            }

            if (pairs.Count == 0)
            {
                break;
            }

            var (left, right) = pairs.OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key.Left + pair.Key.Right, StringComparer.Ordinal).First().Key;
            merges.Add((left, right));
            if (known.Add(left + right))
            {
                tokens.Add(left + right);
            }

            foreach (var (_, symbols) in parts)
            {
                for (var at = 0; at + 1 < symbols.Count; at++)
                {
                    if (symbols[at] == left && symbols[at + 1] == right)
                    {
                        symbols[at] = left + right;
                        symbols.RemoveAt(at + 1);
                    }
                }
            }
        }

        return (tokens, merges);
    }

    public static List<string> CorpusWords(string pattern)
    {
        var generator = new TextGenerator(99);
        return [.. Enumerable.Range(0, 150).SelectMany(_ => Regex.Matches(generator.Next([], 14, odd: false), pattern)).Select(match => match.Value)];
    }

    private static JsonObject Bpe(List<string> tokens, List<(string Left, string Right)> merges, bool pairs, JsonObject more)
    {
        more["type"] = "BPE";
        more["vocab"] = Vocab(tokens);
        more["merges"] = new JsonArray([.. merges.Select(merge => pairs ? (JsonNode)new JsonArray(merge.Left, merge.Right) : $"{merge.Left} {merge.Right}")]);
        return more;
    }

    private static JsonObject Vocab(List<string> tokens) => new(tokens.Select((token, id) => KeyValuePair.Create(token, (JsonNode?)id)));

    private static JsonObject Document(JsonNode model, JsonNode? preTokenizer, JsonNode? normalizer, JsonNode decoder, int size) => new()
    {
        ["version"] = "1.0",
        ["added_tokens"] = new JsonArray([.. Added.Select((text, index) => (JsonNode)new JsonObject
        {
            ["id"] = size + index,
            ["content"] = text,
            ["special"] = text.StartsWith("<|", StringComparison.Ordinal),
            ["normalized"] = false,
            ["lstrip"] = false,
            ["rstrip"] = text == "<tool>",
            ["single_word"] = false,
        })]),
        ["normalizer"] = normalizer,
        ["pre_tokenizer"] = preTokenizer,
        ["post_processor"] = null,
        ["decoder"] = decoder,
        ["model"] = model,
    };
}

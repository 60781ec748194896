using System.Text;
using System.Text.Json.Nodes;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Tokenization;
using HelixFlow.TestKit.Formats;

namespace HelixFlow.Engine.Tests.Tokenization;

public sealed class HostileTokenizerTests
{
    [Theory]
    [InlineData("{}", "\"model\"")]
    [InlineData("[]", "the document should be an object, not a list")]
    [InlineData("{", "is not JSON")]
    [InlineData("""{"model": 3}""", "model should be an object, not a number")]
    [InlineData("""{"model": {"type": "Magic", "vocab": {}}}""", "supported are BPE, Unigram, WordPiece")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}""", "model.merges[0] names \"b\"")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": [["a", "b"]]}}""", "model.merges[0] makes \"ab\"")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a"]}}""", "model.merges[0] should be two tokens")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a"]]}}""", "model.merges[0] should be a list of two")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 2147483647}, "merges": []}}""", "the id 2147483647 of \"a\" is outside the vocabulary")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}""", "model.vocab.a is -1")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": []}}""", "both have the id 0")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {"\ud800": 0}, "merges": []}}""", "not valid Unicode")]
    [InlineData("""{"model": {"type": "Unigram", "vocab": [["a", "b"]]}}""", "model.vocab[0][1] should be a number")]
    [InlineData("""{"model": {"type": "Unigram", "unk_id": 7, "vocab": [["a", 0]]}}""", "model.unk_id is 7")]
    [InlineData("""{"model": {"type": "WordPiece", "vocab": {"a": 0}}}""", "unknown token \"[UNK]\"")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {}, "merges": []}, "normalizer": {"type": "Rot13"}}""", "normalizer is a normalizer of type \"Rot13\"")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {}, "merges": []}, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Nope"}]}}""", "pre_tokenizer.pretokenizers[0]")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {}, "merges": []}, "pre_tokenizer": {"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "("}}}""", "pre_tokenizer.pattern has the regular expression (")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {}, "merges": []}, "pre_tokenizer": {"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "[a&&b]"}}}""", "intersection")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {}, "merges": []}, "decoder": {"type": "CTC"}}""", "decoder is a decoder of type \"CTC\"")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {}, "merges": []}, "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}]}}""", "\"<s>\"")]
    [InlineData("""{"model": {"type": "BPE", "vocab": {}, "merges": []}, "normalizer": {"type": "Precompiled", "precompiled_charsmap": "/////w=="}}""", "precompiled_charsmap is not a character map")]
    public void Wrong_file_is_refused_with_file_and_property(string json, string message)
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder["tokenizer.json"], json);

        var exception = Assert.Throws<ModelFormatException>(() => Tokenizer.FromHuggingFace(folder.FullPath));

        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
        Assert.StartsWith(folder["tokenizer.json"], exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Missing_file_says_what_is_needed()
    {
        var exception = Assert.Throws<ModelFormatException>(() => Tokenizer.FromHuggingFace("/nowhere/at/all"));

        Assert.Contains("tokenizer.json", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Mutated_files_load_or_are_refused()
    {
        const int Seed = 11;
        var random = new Random(Seed);
        JsonObject[] documents =
        [
            SmallTokenizers.WordPiece(JsonNode.Parse("""{"type": "BertNormalizer"}""")!),
            SmallTokenizers.Unigram(JsonNode.Parse("""{"type": "NFKC"}"""), JsonNode.Parse("""{"type": "Metaspace"}""")!, JsonNode.Parse("""{"type": "Metaspace"}""")!, true),
            SmallTokenizers.ByteLevelBpe(SmallTokenizers.Split(SmallTokenizers.Llama3)),
        ];
        using var folder = new TempFolder();
        var path = folder["tokenizer.json"];
        var generator = new TextGenerator(Seed);
        for (var round = 0; round < 300; round++)
        {
            var document = documents[round % documents.Length].DeepClone().AsObject();
            var text = round % 2 == 0 ? MutateTree(document, random) : MutateText(document.ToJsonString(), random);
            File.WriteAllText(path, text);
            try
            {
                // What loads must also work.
                var tokenizer = Tokenizer.FromHuggingFace(path);
                tokenizer.Decode(tokenizer.Encode(generator.Next(SmallTokenizers.Added), true, true), false);
            }
            catch (ModelFormatException exception)
            {
                Assert.StartsWith(path, exception.Message, StringComparison.Ordinal);
            }
            catch (Exception exception) when (exception is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"seed {Seed}, round {round}: {exception}");
            }
        }
    }

    [Fact]
    public void Long_hostile_words_are_encoded_in_reasonable_time()
    {
        // Quadratic merging would take minutes here; there is no clock in this test.
        var tokenizer = StreamingDetokenizerTests.Load(SmallTokenizers.ByteLevelBpe(SmallTokenizers.Split(SmallTokenizers.Llama3)));
        var word = new string('e', 400_000);

        var ids = tokenizer.Encode(word, addSpecial: false, parseSpecial: false);

        Assert.Equal(word, tokenizer.Decode(ids, skipSpecial: false));
    }

    private static string MutateTree(JsonObject document, Random random)
    {
        JsonNode node = document;
        while (true)
        {
            var children = node switch
            {
                JsonObject map => map.Select(pair => pair.Value).OfType<JsonNode>().Where(child => child is JsonObject or JsonArray).ToList(),
                JsonArray list => [.. list.OfType<JsonNode>().Where(child => child is JsonObject or JsonArray)],
                _ => [],
            };
            if (children.Count == 0 || random.Next(3) == 0)
            {
                break;
            }

            node = children[random.Next(children.Count)];
        }

        JsonNode?[] values = [null, JsonValue.Create(-1), JsonValue.Create(1e300), JsonValue.Create(true), JsonValue.Create(""), JsonValue.Create("▁"), new JsonArray(), new JsonObject(), JsonValue.Create(int.MaxValue)];
        var value = values[random.Next(values.Length)];
        switch (node)
        {
            case JsonObject { Count: > 0 } map:
                map[map.ElementAt(random.Next(map.Count)).Key] = value;
                break;
            case JsonArray { Count: > 0 } list:
                list[random.Next(list.Count)] = value;
                break;
        }

        return document.ToJsonString();
    }

    private static string MutateText(string json, Random random)
    {
        var text = new StringBuilder(json);
        for (var edits = random.Next(1, 4); edits > 0; edits--)
        {
            var at = random.Next(text.Length);
            switch (random.Next(4))
            {
                case 0:
                    text.Length = at + 1;
                    break;
                case 1:
                    text.Remove(at, 1).Append(' ');
                    break;
                case 2:
                    text[at] = "\"{}[],:0-9\\u"[random.Next(12)];
                    break;
                default:
                    text.Insert(at, "\"");
                    break;
            }
        }

        return text.ToString();
    }
}

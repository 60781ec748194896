using System.Text.Json.Nodes;
using HelixFlow.Engine.Tokenization;
using HelixFlow.TestKit.Formats;

namespace HelixFlow.Engine.Tests.Tokenization;

public sealed class TokenizerTests
{
    private const string LlamaTemplate =
        """{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|im_start|>"}}, {"Sequence": {"id": "A"}}], "special_tokens": {"<|im_start|>": {"ids": [956]}}}""";

    [Fact]
    public void Special_tokens_are_text_unless_the_caller_asks_for_them()
    {
        var tokenizer = StreamingDetokenizerTests.Load(SmallTokenizers.ByteLevelBpe(SmallTokenizers.Split(SmallTokenizers.Llama3)));
        var start = tokenizer.FindToken("<|im_start|>")!.Value;

        Assert.Contains(start, tokenizer.Encode("a<|im_start|>b", addSpecial: false, parseSpecial: true));
        Assert.DoesNotContain(start, tokenizer.Encode("a<|im_start|>b", addSpecial: false, parseSpecial: false));
        Assert.Contains(tokenizer.FindToken("<tool>")!.Value, tokenizer.Encode("a<tool>b", addSpecial: false, parseSpecial: false));
        Assert.True(tokenizer.IsSpecial(start));
        Assert.Equal("ab", tokenizer.Decode(tokenizer.Encode("a<|im_start|>b", false, true), skipSpecial: true));
    }

    [Fact]
    public void Neighbouring_files_give_start_and_end_tokens()
    {
        using var folder = new TempFolder();
        var document = SmallTokenizers.ByteLevelBpe(SmallTokenizers.Split(SmallTokenizers.Llama3));
        document["post_processor"] = JsonNode.Parse(LlamaTemplate);
        File.WriteAllText(folder["tokenizer.json"], document.ToJsonString());
        File.WriteAllText(folder["tokenizer_config.json"], """{"bos_token": {"content": "<|im_start|>"}, "eos_token": "<tool>"}""");
        File.WriteAllText(folder["generation_config.json"], """{"eos_token_id": [3, 958, 99999]}""");

        var tokenizer = Tokenizer.FromHuggingFace(folder.FullPath);

        Assert.Equal(956, tokenizer.BosId);
        Assert.Equal(["$", "<tool>", "<|endoftext|>", "<|im_end|>"], tokenizer.EndIds.Select(tokenizer.TokenText).Order(StringComparer.Ordinal));
        Assert.Equal([956], tokenizer.Encode("", addSpecial: true, parseSpecial: false));
    }

    [Theory]
    [InlineData("LlamaTokenizerFast", true, 1)]
    [InlineData("LlamaTokenizerFast", false, 0)]
    [InlineData("PreTrainedTokenizerFast", false, 1)]
    public void Switch_for_the_start_token_counts_only_for_the_classes_that_read_it(string type, bool addBos, int count)
    {
        using var folder = new TempFolder();
        var document = SmallTokenizers.ByteLevelBpe(SmallTokenizers.Split(SmallTokenizers.Llama3));
        document["post_processor"] = JsonNode.Parse(LlamaTemplate);
        File.WriteAllText(folder["tokenizer.json"], document.ToJsonString());
        File.WriteAllText(
            folder["tokenizer_config.json"],
            new JsonObject { ["tokenizer_class"] = type, ["add_bos_token"] = addBos, ["bos_token"] = "<|im_start|>" }.ToJsonString());

        Assert.Equal(count, Tokenizer.FromHuggingFace(folder.FullPath).Encode("", addSpecial: true, parseSpecial: false).Length);
    }

    [Fact]
    public void Unknown_characters_of_a_unigram_vocabulary_become_their_bytes()
    {
        var tokenizer = StreamingDetokenizerTests.Load(SmallTokenizers.Unigram(
            null,
            JsonNode.Parse("""{"type": "Metaspace", "prepend_scheme": "never"}""")!,
            JsonNode.Parse("""{"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]}""")!,
            byteFallback: true));
        var generator = new TextGenerator(41);
        for (var round = 0; round < 500; round++)
        {
            var text = generator.Next([], odd: false);
            var ids = tokenizer.Encode(text, addSpecial: false, parseSpecial: false);
            Assert.Equal(text, tokenizer.Decode(ids, skipSpecial: false));
        }

        Assert.Equal(["<0xF0>", "<0x93>", "<0x80>", "<0x80>"], tokenizer.Encode("\U00013000", false, false).Select(tokenizer.TokenText));
    }

    [Theory]
    [InlineData("Isolated", "a|,|,|b|,")]
    [InlineData("Removed", "a|b")]
    [InlineData("MergedWithPrevious", "a,|,|b,")]
    [InlineData("MergedWithNext", "a|,|,b|,")]
    [InlineData("Contiguous", "a|,,|b|,")]
    public void Split_behaviours_cut_as_their_names_say(string behavior, string pieces)
    {
        // The words are whole tokens, so that the ids show the pieces; the expectations are those of the reference's own documentation.
        string[] words = ["[UNK]", "a", "b", ",", ",,", "a,", "b,", ",b", ",,b"];
        var tokenizer = StreamingDetokenizerTests.Load(new JsonObject
        {
            ["model"] = new JsonObject { ["type"] = "WordPiece", ["vocab"] = new JsonObject(words.Select((word, id) => KeyValuePair.Create(word, (JsonNode?)id))) },
            ["pre_tokenizer"] = new JsonObject { ["type"] = "Split", ["pattern"] = new JsonObject { ["String"] = "," }, ["behavior"] = behavior, ["invert"] = false },
        });

        Assert.Equal(pieces, string.Join('|', tokenizer.Encode("a,,b,", false, false).Select(tokenizer.TokenText)));
    }

    [Fact]
    public void Single_words_are_not_found_inside_words()
    {
        var document = SmallTokenizers.ByteLevelBpe(SmallTokenizers.Split(SmallTokenizers.Llama3));
        document["added_tokens"]!.AsArray().Add(JsonNode.Parse("""{"id": 2000, "content": "cat", "special": false, "normalized": false, "single_word": true}"""));
        var tokenizer = StreamingDetokenizerTests.Load(document);

        Assert.Contains(2000, tokenizer.Encode("a cat!", false, false));
        Assert.DoesNotContain(2000, tokenizer.Encode("cats concat", false, false));
    }

    [Fact]
    public async Task Threads_share_one_tokenizer()
    {
        var tokenizer = StreamingDetokenizerTests.Load(SmallTokenizers.ByteLevelBpe(SmallTokenizers.Split(SmallTokenizers.Qwen2)));
        var generator = new TextGenerator(51);
        var texts = Enumerable.Range(0, 300).Select(_ => generator.Next(SmallTokenizers.Added)).ToList();
        var expected = texts.ConvertAll(text => tokenizer.Encode(text, true, true));

        await Task.WhenAll(Enumerable.Range(0, 4).Select(seed => Task.Run(() =>
        {
            var random = new Random(seed);
            for (var round = 0; round < 1000; round++)
            {
                var at = random.Next(texts.Count);
                Assert.Equal(expected[at], tokenizer.Encode(texts[at], true, true));
            }
        })));
    }

    [Fact]
    public void Known_patterns_and_the_regular_expression_engine_cut_alike()
    {
        foreach (var pattern in new[] { SmallTokenizers.Gpt2, SmallTokenizers.Llama3, SmallTokenizers.Qwen2 })
        {
            // A group around the pattern hides it from the scanners.
            var scanned = StreamingDetokenizerTests.Load(SmallTokenizers.ByteLevelBpe(SmallTokenizers.Split(pattern)));
            var matched = StreamingDetokenizerTests.Load(SmallTokenizers.ByteLevelBpe(SmallTokenizers.Split($"(?:{pattern})")));
            var generator = new TextGenerator(61);
            for (var round = 0; round < 1000; round++)
            {
                var text = generator.Next(SmallTokenizers.Added);
                Assert.Equal(matched.Encode(text, false, true), scanned.Encode(text, false, true));
            }
        }
    }
}

using System.Text.Json.Nodes;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Tokenization;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Tests.Tokenization;

/// <summary>Two texts that are read together, and the vocabularies of encoders.</summary>
public sealed class TextPairTests(NodeWitness witness) : IClassFixture<NodeWitness>
{
    private static readonly string[] Texts = ["w1 w2", "What? w77, x9.", "", "WÖRTER w3 中文 w4", "a b c d e f w99"];

    [Theory]
    [InlineData("bert")]
    [InlineData("xlm-roberta")]
    public void A_pair_has_the_ids_that_the_witness_gives(string family)
    {
        using var folder = new TempFolder();
        RandomEncoder.WriteHuggingFace("nano", family, TensorType.F32, folder["m"]);
        Tokenizer tokenizer = Tokenizer.FromHuggingFace(folder["m"]);
        JsonNode document = JsonNode.Parse(File.ReadAllText(Path.Combine(folder["m"], "tokenizer.json")))!;

        // The witness takes an empty second text for none.
        (string First, string Second)[] pairs = [.. Texts.SelectMany(first => Texts.Where(second => second.Length > 0).Select(second => (first, second)))];

        int[][] expected = witness.AskPairs(document, pairs);

        for (int i = 0; i < pairs.Length; i++)
        {
            Assert.Equal(expected[i], tokenizer.EncodePair(pairs[i].First, pairs[i].Second, null, out _));
        }
    }

    [Theory]
    [InlineData("bert", 1)]
    [InlineData("xlm-roberta", 2)]
    public void Both_formats_give_a_pair_the_same_ids_and_the_second_text_begins_after_the_separators(string family, int separators)
    {
        using var folder = new TempFolder();
        RandomEncoder.WriteHuggingFace("nano", family, TensorType.F32, folder["m"]);
        RandomEncoder.Write("nano", family, TensorType.F32, folder["m.gguf"]);
        Tokenizer hugging = Tokenizer.FromHuggingFace(folder["m"]);
        using GgufFile file = GgufFile.Open(folder["m.gguf"]);
        Tokenizer gguf = Tokenizer.FromGguf(GgufVocabulary.Read(folder["m.gguf"], file.Metadata));

        int[] ids = hugging.EncodePair("w1 w2 w3", "w4 w5", null, out int second);

        Assert.Equal(1 + 3 + separators, second);
        Assert.Equal(second + 3, ids.Length);
        Assert.Equal(ids, gguf.EncodePair("w1 w2 w3", "w4 w5", null, out int same));
        Assert.Equal(second, same);
    }

    [Fact]
    public void Cutting_keeps_what_goes_around_texts_and_of_a_pair_the_first()
    {
        using var folder = new TempFolder();
        RandomEncoder.WriteHuggingFace("nano", "bert", TensorType.F32, folder["m"]);
        Tokenizer tokenizer = Tokenizer.FromHuggingFace(folder["m"]);
        int[] whole = tokenizer.Encode("w1 w2 w3 w4", addSpecial: true, parseSpecial: false);

        Assert.Equal([.. whole[..3], whole[^1]], tokenizer.EncodeCut("w1 w2 w3 w4", 4));
        Assert.Equal(whole, tokenizer.EncodeCut("w1 w2 w3 w4", 100));
        int[] pair = tokenizer.EncodePair("w1 w2", "w3 w4", null, out _);
        Assert.Equal([.. pair[..5], pair[^1]], tokenizer.EncodePair("w1 w2", "w3 w4", 6, out int second));
        Assert.Equal(4, second);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_vocabulary_file_alone_is_the_tokenizer_that_says_the_same(bool lowercase)
    {
        using var folder = new TempFolder();
        RandomEncoder.WriteHuggingFace("nano", "bert", TensorType.F32, folder["m"]);
        string path = Path.Combine(folder["m"], "tokenizer.json");
        JsonNode document = JsonNode.Parse(File.ReadAllText(path))!;
        document["normalizer"]!["lowercase"] = lowercase;
        File.WriteAllText(path, document.ToJsonString());
        Tokenizer expected = Tokenizer.FromHuggingFace(folder["m"]);
        File.WriteAllText(
            Path.Combine(folder["m"], "vocab.txt"),
            string.Concat(document["model"]!["vocab"]!.AsObject().OrderBy(entry => (int)entry.Value!).Select(entry => entry.Key + "\n")));
        File.WriteAllText(Path.Combine(folder["m"], "tokenizer_config.json"), $$"""{"do_lower_case":{{(lowercase ? "true" : "false")}}}""");
        File.Delete(path);

        Tokenizer actual = Tokenizer.FromHuggingFace(folder["m"]);

        foreach (string text in Texts)
        {
            Assert.Equal(expected.Encode(text, true, false), actual.Encode(text, true, false));
            Assert.Equal(expected.EncodePair(text, "w5", null, out _), actual.EncodePair(text, "w5", null, out _));
        }
    }
}

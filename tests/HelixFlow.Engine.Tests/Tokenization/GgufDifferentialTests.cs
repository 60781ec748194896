using System.Globalization;
using System.Text.Json.Nodes;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Tokenization;
using HelixFlow.LlamaCpp;
using HelixFlow.TestKit.Formats;

namespace HelixFlow.Engine.Tests.Tokenization;

/// <summary>Vocabularies inside GGUF files give the ids that llama.cpp gives.</summary>
public sealed class GgufDifferentialTests
{
    private const int Texts = 1000;
    private const int Normal = 1;
    private const int Unknown = 2;
    private const int Control = 3;
    private const int UserDefined = 4;
    private const int Byte = 6;

    // Not gpt-4o and tekken: llama.cpp only approximates their pattern (it takes every letter beyond a to z for a capital, and no marks).
    // HuggingFaceDifferentialTests covers that pattern.
    [Theory]
    [InlineData("gpt-2")]
    [InlineData("llama-bpe")]
    [InlineData("qwen2")]
    [InlineData("starcoder")]
    [InlineData("dbrx")]
    [InlineData("default")]
    [InlineData("deepseek-v3")]
    public void Byte_level_vocabularies_agree_with_llama_cpp(string pre)
    {
        var (tokens, types, merges) = ByteLevel();
        Compare(pre, new GgufWriter()
            .Add("tokenizer.ggml.model", "gpt2").Add("tokenizer.ggml.pre", pre)
            .Add("tokenizer.ggml.tokens", tokens).Add("tokenizer.ggml.token_type", types).Add("tokenizer.ggml.merges", merges)
            .Add("tokenizer.ggml.bos_token_id", (uint)(tokens.Length - 1)).Add("tokenizer.ggml.eos_token_id", (uint)(tokens.Length - 2)), tokens.Length);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void SentencePiece_vocabularies_agree_with_llama_cpp(bool spacePrefix)
    {
        var model = SmallTokenizers.SentencePieceBpe(null, null, new JsonObject { ["type"] = "Fuse" })["model"]!;
        var texts = model["vocab"]!.AsObject().Select(pair => pair.Key).Append("<|im_start|>").Append("<tool>").ToArray();
        var types = texts.Select((text, id) => text == "<tool>" ? UserDefined : id == 0 ? Unknown : id < 3 || text == "<|im_start|>" ? Control : id < 259 ? Byte : Normal).ToArray();
        var scores = texts.Select((_, id) => id < 259 ? 0f : -(float)(id - 259)).ToArray();
        Compare("llama", new GgufWriter()
            .Add("tokenizer.ggml.model", "llama").Add("tokenizer.ggml.pre", "default")
            .Add("tokenizer.ggml.tokens", texts).Add("tokenizer.ggml.token_type", types).Add("tokenizer.ggml.scores", scores)
            .Add("tokenizer.ggml.bos_token_id", 1u).Add("tokenizer.ggml.eos_token_id", 2u).Add("tokenizer.ggml.unknown_token_id", 0u)
            .Add("tokenizer.ggml.add_space_prefix", spacePrefix), texts.Length);
    }

    [Fact]
    public void Unigram_vocabularies_agree_with_llama_cpp()
    {
        var vocab = SmallTokenizers.Unigram(null, new JsonObject(), new JsonObject(), byteFallback: false)["model"]!["vocab"]!.AsArray();
        var texts = vocab.Select(pair => (string)pair![0]!).ToArray();
        var scores = vocab.Select(pair => (float)(double)pair![1]!).ToArray();
        var types = texts.Select((_, id) => id == 0 ? Unknown : id < 3 ? Control : Normal).ToArray();
        Compare("t5", new GgufWriter()
            .Add("tokenizer.ggml.model", "t5").Add("tokenizer.ggml.pre", "default")
            .Add("tokenizer.ggml.tokens", texts).Add("tokenizer.ggml.token_type", types).Add("tokenizer.ggml.scores", scores)
            .Add("tokenizer.ggml.eos_token_id", 2u).Add("tokenizer.ggml.unknown_token_id", 0u)
            .Add("tokenizer.ggml.add_space_prefix", true).Add("tokenizer.ggml.remove_extra_whitespaces", true), texts.Length);
    }

    [Fact]
    public void WordPiece_vocabularies_agree_with_llama_cpp()
    {
        var model = SmallTokenizers.WordPiece(new JsonObject())["model"]!;
        var texts = model["vocab"]!.AsObject().Select(pair => pair.Key).Select((text, id) => id < 4 ? text : text.StartsWith("##", StringComparison.Ordinal) ? text[2..] : "▁" + text).ToArray();
        var types = texts.Select((_, id) => id == 1 ? Unknown : id < 4 ? Control : Normal).ToArray();
        Compare("bert", new GgufWriter()
            .Add("tokenizer.ggml.model", "bert").Add("tokenizer.ggml.pre", "default")
            .Add("tokenizer.ggml.tokens", texts).Add("tokenizer.ggml.token_type", types)
            .Add("tokenizer.ggml.bos_token_id", 2u).Add("tokenizer.ggml.eos_token_id", 3u).Add("tokenizer.ggml.seperator_token_id", 3u)
            .Add("tokenizer.ggml.unknown_token_id", 1u), texts.Length);
    }

    [Fact]
    public void Unknown_pre_tokenizer_is_refused_with_the_known_ones()
    {
        var (tokens, types, merges) = ByteLevel();

        var exception = Assert.Throws<ModelFormatException>(() => Tokenizer.FromGguf(
            new GgufVocabulary("model.gguf", "gpt2", tokens) { Pre = "mystery", TokenTypes = types, Merges = merges }));

        Assert.Contains("\"mystery\"", exception.Message, StringComparison.Ordinal);
        Assert.Contains("llama-bpe", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("scores")]
    [InlineData("types")]
    [InlineData("merges")]
    [InlineData("bos")]
    [InlineData("model")]
    public void Inconsistent_vocabulary_is_refused(string wrong)
    {
        var (tokens, types, merges) = ByteLevel();
        var vocabulary = new GgufVocabulary("model.gguf", wrong == "model" ? "rwkv" : "gpt2", tokens)
        {
            TokenTypes = wrong == "types" ? [1] : types,
            Scores = wrong == "scores" ? [1] : null,
            Merges = wrong == "merges" ? ["no such"] : merges,
            BosId = wrong == "bos" ? tokens.Length : null,
        };

        var exception = Assert.Throws<ModelFormatException>(() => Tokenizer.FromGguf(vocabulary));

        Assert.StartsWith("model.gguf: tokenizer.ggml.", exception.Message, StringComparison.Ordinal);
    }

    private static (string[] Tokens, int[] Types, string[] Merges) ByteLevel()
    {
        var model = SmallTokenizers.ByteLevelBpe(SmallTokenizers.Split(SmallTokenizers.Gpt2))["model"]!;
        string[] tokens = [.. model["vocab"]!.AsObject().Select(pair => pair.Key), "<tool>", "<|im_start|>", "<|im_end|>", "<|endoftext|>"];
        return (tokens, [.. tokens.Select((_, id) => id < tokens.Length - 4 ? Normal : id == tokens.Length - 4 ? UserDefined : Control)], [.. model["merges"]!.AsArray().Select(merge => (string)merge!)]);
    }

    private static void Compare(string kind, GgufWriter writer, int vocabularySize)
    {
        Assert.SkipUnless(LlamaCppLibrary.IsInstalled, LlamaCppLibrary.HowToInstall);
        using var folder = new TempFolder();
        AddSmallestModel(writer, vocabularySize).Save(folder["model.gguf"]);
        using var file = GgufFile.Open(folder["model.gguf"]);
        var tokenizer = Tokenizer.FromGguf(GgufVocabulary.Read(file.Path, file.Metadata));
        using var witness = LlamaCppLibrary.Load().OpenModel(folder["model.gguf"]);
        var generator = new TextGenerator(21);
        for (var round = 0; round < Texts; round++)
        {
            var text = generator.Next(["<|im_start|>", "<|im_end|>", "<tool>"]);
            if (kind == "bert" && text.Any(c => c is '\v' or (>= '\uAC00' and <= '\uD7A3') || char.GetUnicodeCategory(c) == UnicodeCategory.SpacingCombiningMark))
            {
                // Of a Hangul syllable llama.cpp keeps only the first letter, it drops spacing marks, and a vertical tab is a space
                // to it; Hugging Face does none of this.
                continue;
            }

            var parse = round % 2 == 0;
            var theirs = witness.Tokenise(text, addSpecial: true, parse);
            var mine = tokenizer.Encode(text, addSpecial: true, parse);
            Assert.True(theirs.SequenceEqual(mine), $"text {round} of {kind}: {Show(text)}\n theirs {Show(tokenizer, theirs)}\n mine   {Show(tokenizer, mine)}");
        }
    }

    // llama.cpp wants a model around a vocabulary: one Llama layer of the smallest size.
    private static GgufWriter AddSmallestModel(GgufWriter writer, int vocabularySize)
    {
        const int Width = 32;
        writer.Add("general.architecture", "llama").Add("general.name", "vocabulary").Add("llama.context_length", 64u).Add("llama.embedding_length", (uint)Width)
            .Add("llama.block_count", 1u).Add("llama.feed_forward_length", (uint)Width).Add("llama.attention.head_count", 1u)
            .Add("llama.attention.layer_norm_rms_epsilon", 1e-5f).Add("llama.rope.dimension_count", (uint)Width);
        writer.AddTensor("token_embd.weight", [vocabularySize, Width], new float[vocabularySize * Width]);
        foreach (var norm in new[] { "output_norm", "blk.0.attn_norm", "blk.0.ffn_norm" })
        {
            writer.AddTensor(norm + ".weight", [Width], new float[Width]);
        }

        foreach (var matrix in new[] { "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down" })
        {
            writer.AddTensor($"blk.0.{matrix}.weight", [Width, Width], new float[Width * Width]);
        }

        return writer;
    }

    private static string Show(string text) => string.Concat(text.Select(c => c is >= ' ' and <= '~' ? c.ToString() : $"\\u{(int)c:X4}"));

    private static string Show(Tokenizer tokenizer, int[] ids) => string.Join(" | ", ids.Select(id => $"{id}:{Show(tokenizer.TokenText(id))}"));
}

using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Tests.Models;

public sealed class GgufModelConfigTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("llama", "llama", RopePairing.Adjacent)]
    [InlineData("qwen2", "qwen2", RopePairing.Halves)]
    [InlineData("qwen3", "qwen3", RopePairing.Halves)]
    [InlineData("gemma2", "gemma2", RopePairing.Halves)]
    [InlineData("gemma3", "gemma3", RopePairing.Halves)]
    [InlineData("phi3", "phi3", RopePairing.Halves)]
    public void Every_family_is_read(string family, string architecture, RopePairing pairing)
    {
        RandomModel.Write("nano", family, TensorType.F32, _folder["model.gguf"]);
        using var file = GgufFile.Open(_folder["model.gguf"]);

        var config = ModelConfig.FromGguf(file);

        Assert.Equal(architecture, config.Architecture);
        Assert.Equal((64, 4, 2, 16, 192, 512), (config.Hidden, config.Heads, config.KvHeads, config.HeadSize, config.FeedForward, config.Vocabulary));
        Assert.Equal(RandomModel.ContextLength, config.ContextLength);
        Assert.Equal(pairing, config.Rope.Pairing);
        Assert.Equal(0.25f, config.AttentionScale);
        Assert.Equal(0, config.NormOffset);
        Assert.Equal(family.StartsWith("gemma", StringComparison.Ordinal) ? 8 : 1, config.EmbeddingScale);
    }

    [Fact]
    public void Gemma_2_alternates_local_and_global_layers()
    {
        ModelConfig config = Read(Minimal("gemma2").Add("gemma2.attention.sliding_window", 512u));

        Assert.Equal([512, 0, 512, 0], config.Windows);
        Assert.Equal((50, 30), (config.AttentionSoftCap, config.FinalSoftCap));
        Assert.Equal(config.Rope, config.LocalRope);
    }

    [Fact]
    public void Gemma_3_has_five_local_layers_for_each_global_one()
    {
        ModelConfig config = Read(Minimal("gemma3", layers: 13)
            .Add("gemma3.attention.sliding_window", 1024u)
            .Add("gemma3.rope.freq_base", 1000000f)
            .Add("gemma3.rope.scaling.type", "linear")
            .Add("gemma3.rope.scaling.factor", 8f));

        Assert.Equal([5, 11], Enumerable.Range(0, 13).Where(layer => !config.IsLocal(layer)));
        Assert.Equal(new RopeScaling.Linear(8), config.Rope.Scaling);
        Assert.Equal((10000, null), (config.LocalRope.Base, config.LocalRope.Scaling));
    }

    [Theory]
    [InlineData("gemma2", 46)]
    [InlineData("gemma3", 62)]
    public void The_largest_Gemmas_scale_attention_by_hidden_over_heads(string architecture, int layers)
    {
        ModelConfig config = Read(Minimal(architecture, layers).Add($"{architecture}.attention.key_length", 8u).Add($"{architecture}.attention.value_length", 8u));

        Assert.Equal(8, config.HeadSize);
        Assert.Equal(1 / MathF.Sqrt(16), config.AttentionScale);
    }

    [Fact]
    public void Yarn_scaling_is_read_with_its_defaults()
    {
        ModelConfig config = Read(Minimal("qwen2")
            .Add("qwen2.rope.scaling.type", "yarn")
            .Add("qwen2.rope.scaling.factor", 4f)
            .Add("qwen2.rope.scaling.original_context_length", 32768u));

        Assert.Equal(new RopeScaling.Yarn(4, 32768, 32, 1, (float)((0.1 * Math.Log(4)) + 1)), config.Rope.Scaling);
    }

    [Fact]
    public void Head_size_defaults_to_hidden_over_heads()
    {
        Assert.Equal(16, Read(Minimal("llama")).HeadSize);
    }

    [Theory]
    [InlineData("mamba")]
    [InlineData("jina-bert-v2")]
    public void An_unsupported_architecture_is_named_beside_the_supported_ones(string architecture)
    {
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => Read(new GgufWriter().Add("general.architecture", architecture)));

        Assert.Contains($"'{architecture}'", error.Message, StringComparison.Ordinal);
        foreach (string supported in (string[])["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "bert", "xlm-roberta", "nomic-bert"])
        {
            Assert.Contains(supported, error.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("llama.block_count", 0u, "number of layers is 0")]
    [InlineData("llama.block_count", 2000000000u, "number of layers is 2000000000")]
    [InlineData("llama.embedding_length", 65u, "65 cannot be split over 4 attention heads")]
    [InlineData("llama.attention.head_count", 0u, "0 attention heads")]
    [InlineData("llama.attention.head_count_kv", 3u, "cannot share 3")]
    [InlineData("llama.attention.head_count_kv", 8u, "key/value heads is 8")]
    [InlineData("llama.attention.value_length", 12u, "values have 12")]
    [InlineData("llama.rope.dimension_count", 7u, "must be even")]
    [InlineData("llama.rope.dimension_count", 32u, "rotated elements is 32")]
    [InlineData("llama.context_length", 0u, "context length is 0")]
    [InlineData("llama.feed_forward_length", 0u, "feed-forward size is 0")]
    [InlineData("llama.expert_count", 8u, "mixture of 8 experts")]
    public void An_impossible_number_is_named(string key, uint value, string expected)
    {
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => Read(Minimal("llama", skip: key).Add(key, value)));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("llama.attention.layer_norm_rms_epsilon", float.NaN)]
    [InlineData("llama.rope.freq_base", -1f)]
    [InlineData("llama.rope.freq_base", float.PositiveInfinity)]
    [InlineData("llama.attention.scale", -3f)]
    public void An_impossible_fraction_is_refused(string key, float value)
    {
        Assert.Throws<ModelFormatException>(() => Read(Minimal("llama", skip: key).Add(key, value)));
    }

    [Fact]
    public void A_missing_value_is_named()
    {
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => Read(Minimal("llama", skip: "llama.block_count")));

        Assert.Contains("llama.block_count", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rope_factors_of_the_wrong_length_are_refused()
    {
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => Read(Minimal("llama").AddTensor("rope_freqs.weight", [4], [1, 1, 1, 1])));

        Assert.Contains("4 rope frequency divisors; 8 are expected", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_layer_count_per_layer_is_accepted_when_all_are_the_same()
    {
        GgufWriter same = Minimal("llama", skip: "llama.feed_forward_length").Add("llama.feed_forward_length", (int[])[192, 192, 192, 192]);
        GgufWriter different = Minimal("llama", skip: "llama.feed_forward_length").Add("llama.feed_forward_length", (int[])[192, 192, 64, 192]);

        Assert.Equal(192, Read(same).FeedForward);
        Assert.Contains("differs from layer to layer", Assert.Throws<ModelFormatException>(() => Read(different)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Random_values_are_accepted_or_refused_but_never_crash()
    {
        var random = new Random(20261120);
        string[] keys =
        [
            "block_count", "embedding_length", "feed_forward_length", "context_length", "attention.head_count", "attention.head_count_kv",
            "attention.key_length", "attention.value_length", "rope.dimension_count", "attention.sliding_window", "attention.sliding_window_pattern",
            "rope.scaling.original_context_length",
        ];
        string[] architectures = ["llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3"];
        int refused = 0;
        for (int round = 0; round < 500; round++)
        {
            string architecture = architectures[random.Next(architectures.Length)];
            string key = $"{architecture}.{keys[random.Next(keys.Length)]}";
            object value = random.Next(4) switch
            {
                0 => (uint)random.NextInt64(1L << 32),
                1 => random.Next(-5, 20),
                2 => (ulong)random.NextInt64(),
                _ => "text",
            };
            try
            {
                Read(Minimal(architecture, skip: key).Add(key, value));
            }
            catch (ModelFormatException)
            {
                refused++;
            }
        }

        Assert.InRange(refused, 200, 499);
    }

    private static GgufWriter Minimal(string architecture, int layers = 4, string skip = "")
    {
        var writer = new GgufWriter().Add("general.architecture", architecture);
        (string Key, object Value)[] values =
        [
            ("block_count", (uint)layers), ("embedding_length", 64u), ("feed_forward_length", 192u), ("context_length", 2048u),
            ("attention.head_count", 4u), ("attention.head_count_kv", 2u), ("attention.layer_norm_rms_epsilon", 1e-6f),
        ];
        foreach ((string key, object value) in values)
        {
            if ($"{architecture}.{key}" != skip)
            {
                writer.Add($"{architecture}.{key}", value);
            }
        }

        return writer.AddTensor("token_embd.weight", [10, 64], new float[640]);
    }

    private ModelConfig Read(GgufWriter writer)
    {
        writer.Save(_folder["config.gguf"]);
        using var file = GgufFile.Open(_folder["config.gguf"]);
        return ModelConfig.FromGguf(file);
    }
}

using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.TestKit.Formats;

namespace HelixFlow.Engine.Tests.Models;

public sealed class HuggingFaceModelConfigTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Llama_3_2_is_read()
    {
        ModelConfig config = Read("""
            {"model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
             "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256, "max_position_embeddings": 131072, "rms_norm_eps": 1e-05,
             "rope_theta": 500000.0, "hidden_act": "silu", "tie_word_embeddings": true, "attention_bias": false, "mlp_bias": false,
             "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"}}
            """);

        Assert.Equal((16, 2048, 32, 8, 64, 8192, 128256), (config.Layers, config.Hidden, config.Heads, config.KvHeads, config.HeadSize, config.FeedForward, config.Vocabulary));
        Assert.Equal(new RopeConfig(RopePairing.Halves, 64, 500000, new RopeScaling.Llama3(32, 1, 4, 8192)), config.Rope);
        Assert.Equal((131072, 1e-5f, 0.125f, true), (config.ContextLength, config.NormEpsilon, config.AttentionScale, config.TiedEmbeddings));
        Assert.All(config.Windows, window => Assert.Equal(0, window));
        Assert.False(config.QkvBias || config.OutputBias || config.FeedForwardBias || config.QueryKeyNorms || config.PostNorms);
    }

    [Fact]
    public void Transformers_5_writes_the_rope_into_one_object()
    {
        ModelConfig config = Read(Llama("""
            "rope_parameters": {"rope_theta": 12345.0, "rope_type": "linear", "factor": 2.0}
            """));

        Assert.Equal(new RopeConfig(RopePairing.Halves, 16, 12345, new RopeScaling.Linear(2)), config.Rope);
    }

    [Fact]
    public void Llama_with_biases_has_them_everywhere_it_says()
    {
        ModelConfig config = Read(Llama("\"attention_bias\": true, \"mlp_bias\": true"));

        Assert.True(config.QkvBias && config.OutputBias && config.FeedForwardBias);
    }

    [Theory]
    [InlineData("\"sliding_window\": 4096", 4096)]
    [InlineData("\"sliding_window\": null", 0)]
    public void Mistral_has_its_window_in_every_layer(string window, int expected)
    {
        ModelConfig config = Read(Llama(window).Replace("\"llama\"", "\"mistral\"", StringComparison.Ordinal));

        Assert.Equal(Enumerable.Repeat(expected, 4), config.Windows);
    }

    [Fact]
    public void Qwen_2_has_biases_and_uses_its_window_only_when_told()
    {
        const string Window = "\"sliding_window\": 4096, \"max_window_layers\": 3";
        string off = Llama(Window + ", \"use_sliding_window\": false").Replace("\"llama\"", "\"qwen2\"", StringComparison.Ordinal);
        string on = Llama(Window + ", \"use_sliding_window\": true").Replace("\"llama\"", "\"qwen2\"", StringComparison.Ordinal);

        Assert.Equal([0, 0, 0, 0], Read(off).Windows);
        Assert.Equal([0, 0, 0, 4096], Read(on).Windows);
        Assert.True(Read(on).QkvBias);
        Assert.False(Read(on).OutputBias);
    }

    [Fact]
    public void Yarn_extends_the_context_of_Qwen()
    {
        ModelConfig config = Read(Llama("""
            "rope_scaling": {"factor": 4.0, "original_max_position_embeddings": 32768, "type": "yarn"}
            """).Replace("\"llama\"", "\"qwen2\"", StringComparison.Ordinal));

        Assert.Equal(131072, config.ContextLength);
        Assert.IsType<RopeScaling.Yarn>(config.Rope.Scaling);
    }

    [Fact]
    public void Gemma_2_is_read()
    {
        ModelConfig config = Read("""
            {"model_type": "gemma2", "hidden_size": 3584, "intermediate_size": 14336, "num_hidden_layers": 42, "num_attention_heads": 16,
             "num_key_value_heads": 8, "head_dim": 256, "vocab_size": 256000, "max_position_embeddings": 8192, "rms_norm_eps": 1e-06,
             "rope_theta": 10000.0, "hidden_activation": "gelu_pytorch_tanh", "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0,
             "query_pre_attn_scalar": 224, "sliding_window": 4096, "torch_dtype": "float32"}
            """);

        Assert.Equal((50, 30), (config.AttentionSoftCap, config.FinalSoftCap));
        Assert.Equal([4096, 0, 4096, 0], config.Windows.Take(4));
        Assert.Equal(1 / MathF.Sqrt(224), config.AttentionScale);
        Assert.Equal(MathF.Sqrt(3584), config.EmbeddingScale);
        Assert.True(config.PostNorms && config.TiedEmbeddings && config.NormOffset == 1 && config.Activation == Activation.GeluTanh);
    }

    [Fact]
    public void Gemma_3_with_images_has_its_text_part_read_with_the_familys_defaults()
    {
        ModelConfig config = Read("""
            {"model_type": "gemma3", "torch_dtype": "bfloat16", "vision_config": {"hidden_size": 1152},
             "text_config": {"model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34,
                             "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024, "torch_dtype": "bfloat16"}}
            """);

        Assert.Equal((8, 4, 256, 262208, 131072), (config.Heads, config.KvHeads, config.HeadSize, config.Vocabulary, config.ContextLength));
        Assert.Equal([5, 11, 17, 23, 29], Enumerable.Range(0, 34).Where(layer => !config.IsLocal(layer)));
        Assert.Equal(new RopeConfig(RopePairing.Halves, 256, 1000000, new RopeScaling.Linear(8)), config.Rope);
        Assert.Equal(new RopeConfig(RopePairing.Halves, 256, 10000), config.LocalRope);
        Assert.Equal((0f, 0f), (config.AttentionSoftCap, config.FinalSoftCap));

        // sqrt(2560) = 50.596 has no bfloat16; 50.5 is the nearest.
        Assert.Equal(50.5f, config.EmbeddingScale);
    }

    [Fact]
    public void Layer_types_are_read_where_they_are_listed()
    {
        ModelConfig config = Read(Llama("""
            "sliding_window": 32, "use_sliding_window": true, "layer_types": ["full_attention", "sliding_attention", "full_attention", "sliding_attention"]
            """).Replace("\"llama\"", "\"qwen3\"", StringComparison.Ordinal));

        Assert.Equal([0, 32, 0, 32], config.Windows);
        Assert.True(config.QueryKeyNorms);
    }

    [Fact]
    public void Phi_3_with_a_long_context_is_read()
    {
        ModelConfig config = Read(Llama("""
            "original_max_position_embeddings": 4096, "sliding_window": 262144, "partial_rotary_factor": 0.5,
            "rope_scaling": {"type": "su", "short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [1.0, 2.0, 3.0, 4.0]}
            """).Replace("\"llama\"", "\"phi3\"", StringComparison.Ordinal).Replace("2048", "131072", StringComparison.Ordinal));

        RopeScaling.LongRope scaling = Assert.IsType<RopeScaling.LongRope>(config.Rope.Scaling);
        Assert.Equal(8, config.Rope.RotatedElements);
        Assert.Equal([1, 2, 3, 4], scaling.LongDivisors);
        Assert.Equal(4096, scaling.OriginalContext);
        Assert.Equal((float)Math.Sqrt(1 + (Math.Log(32) / Math.Log(4096))), scaling.Magnitude);
        Assert.True(config.FusedProjections);
    }

    [Theory]
    [InlineData("{\"model_type\": \"mamba\"}", "'mamba' is not supported; supported are llama, mistral, qwen2, qwen3, gemma2, gemma3, phi3, bert, xlm-roberta, nomic-bert")]
    [InlineData("{}", "'model_type' is missing")]
    [InlineData("[1]", "JSON Array")]
    [InlineData("{\"model_type\": ", "not valid JSON")]
    [InlineData("{\"model_type\": \"llama\", \"num_hidden_layers\": \"four\"}", "'num_hidden_layers' is \"four\"; an integer is expected")]
    [InlineData("{\"model_type\": \"llama\", \"quantization_config\": {\"quant_method\": \"gptq\"}}", "quantization_config")]
    public void A_bad_file_says_what_is_wrong(string json, string expected)
    {
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => Read(json));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Contains("config.json", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"hidden_act\": \"relu\"", "'relu' is not supported")]
    [InlineData("\"rope_scaling\": {\"rope_type\": \"spiral\"}", "'spiral' is not supported")]
    [InlineData("\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 0}", "rope scaling factor is 0")]
    [InlineData("\"rope_scaling\": {\"rope_type\": \"longrope\", \"short_factor\": [1], \"long_factor\": [1, 2]}", "1 short rope factors; 8 are expected")]
    [InlineData("\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 4, \"high_freq_factor\": 4, \"original_max_position_embeddings\": 8}", "high frequency factor")]
    [InlineData("\"partial_rotary_factor\": 1.5", "partial_rotary_factor is 1.5")]
    [InlineData("\"head_dim\": -16", "head size is -16")]
    [InlineData("\"num_key_value_heads\": 0", "key/value heads is 0")]
    [InlineData("\"rms_norm_eps\": 1e999", "norm epsilon")]
    public void A_bad_value_says_what_is_wrong(string extra, string expected)
    {
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => Read(Llama(extra)));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_json_is_accepted_or_refused_but_never_crashes()
    {
        var random = new Random(20261120);
        string json = Llama("\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 2.0}, \"layer_types\": [\"full_attention\"]");
        int refused = 0;
        for (int round = 0; round < 1000; round++)
        {
            char[] damaged = json.ToCharArray();
            for (int i = random.Next(1, 4); i > 0; i--)
            {
                damaged[random.Next(damaged.Length)] = "0123456789-.eE\"{}[],: ax"[random.Next(23)];
            }

            try
            {
                Read(new string(damaged));
            }
            catch (ModelFormatException)
            {
                refused++;
            }
        }

        Assert.InRange(refused, 500, 1000);
    }

    // A later duplicate of a property wins, so that extra values replace these.
    private static string Llama(string extra) => $$"""
        {"model_type": "llama", "hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 4, "num_attention_heads": 4,
         "vocab_size": 100, "max_position_embeddings": 2048, {{extra}}}
        """;

    private ModelConfig Read(string json)
    {
        File.WriteAllText(_folder["config.json"], json);
        return ModelConfig.FromHuggingFace(_folder.FullPath);
    }
}

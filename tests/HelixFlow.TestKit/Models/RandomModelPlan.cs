using HelixFlow.Engine.Formats;

namespace HelixFlow.TestKit.Models;

/// <summary>What the files of a random model contain: metadata or configuration, and tensors.</summary>
/// <remarks>
/// Scales are chosen so that the model is no more sensitive than a trained one, and its output still depends on all it has read. Embeddings
/// have a size of 1, and what the layers add to them comes to about half of that, their last matrices being scaled by 1/sqrt(2 * layers) as
/// in GPT-2's initialisation: with larger additions the rounding of activations to 8 bits, which every engine does in its own order, would
/// alone move the logits by several percent. The last norm's weights have random signs, or a model whose embeddings are tied to the output
/// would repeat its last token for ever.
/// </remarks>
internal sealed class RandomModelPlan
{
    private const float NormEpsilon = 1e-5f;
    private const float Llama3Factor = 8;

    private readonly string _name;
    private readonly RandomModelShape _shape;
    private readonly RandomModelFamily _family;

    public RandomModelPlan(string preset, string family)
    {
        // Without the family: llama.cpp expects certain tokens in a model that calls itself phi3.
        _name = $"random-{preset}";
        _family = RandomModelFamily.Of(family);
        RandomModelShape shape = RandomModelShape.Of(preset);
        _shape = shape with { Layers = Math.Max(shape.Layers, _family.MinLayers) };
        Tensors = [.. ListTensors()];
    }

    public IReadOnlyList<RandomTensor> Tensors { get; }

    public IEnumerable<(string Key, object Value)> GgufMetadata(TensorType type)
    {
        string prefix = _family.GgufName;
        yield return ("general.architecture", prefix);
        yield return ("general.name", _name);
        yield return ("general.file_type", type switch { TensorType.F32 => 0u, TensorType.F16 => 1u, TensorType.Q4_0 => 2u, TensorType.Q8_0 => 7u, _ => 32u });
        yield return ($"{prefix}.context_length", (uint)RandomModel.ContextLength);
        yield return ($"{prefix}.embedding_length", (uint)_shape.Hidden);
        yield return ($"{prefix}.block_count", (uint)_shape.Layers);
        yield return ($"{prefix}.feed_forward_length", (uint)_shape.FeedForward);
        yield return ($"{prefix}.attention.head_count", (uint)_shape.Heads);
        yield return ($"{prefix}.attention.head_count_kv", (uint)_shape.KvHeads);
        yield return ($"{prefix}.attention.key_length", (uint)_shape.HeadSize);
        yield return ($"{prefix}.attention.value_length", (uint)_shape.HeadSize);
        yield return ($"{prefix}.attention.layer_norm_rms_epsilon", NormEpsilon);
        yield return ($"{prefix}.rope.dimension_count", (uint)_shape.HeadSize);
        yield return ($"{prefix}.rope.freq_base", _family.RopeBase);
        yield return ($"{prefix}.vocab_size", (uint)_shape.Vocabulary);
        if (_family.Window > 0)
        {
            yield return ($"{prefix}.attention.sliding_window", (uint)_family.Window);
        }

        if (_family.AttentionCap > 0)
        {
            yield return ($"{prefix}.attn_logit_softcapping", _family.AttentionCap);
            yield return ($"{prefix}.final_logit_softcapping", _family.FinalCap);
        }

        if (_family.LinearRopeFactor is { } factor)
        {
            yield return ($"{prefix}.rope.scaling.type", "linear");
            yield return ($"{prefix}.rope.scaling.factor", factor);
        }

        if (_family.HasLongRope)
        {
            yield return ($"{prefix}.rope.scaling.original_context_length", (uint)RandomModel.OriginalContext);
            yield return ($"{prefix}.rope.scaling.attn_factor", LongRopeMagnitude());
        }

        foreach ((string, object) entry in Tokenizer())
        {
            yield return entry;
        }
    }

    public Dictionary<string, object?> HuggingFaceConfig(TensorType type)
    {
        var config = new Dictionary<string, object?>
        {
            ["architectures"] = new[] { _family.ClassName },
            ["model_type"] = _family.HuggingFaceName,
            ["hidden_size"] = _shape.Hidden,
            ["num_hidden_layers"] = _shape.Layers,
            ["num_attention_heads"] = _shape.Heads,
            ["num_key_value_heads"] = _shape.KvHeads,
            ["head_dim"] = _shape.HeadSize,
            ["intermediate_size"] = _shape.FeedForward,
            ["vocab_size"] = _shape.Vocabulary,
            ["max_position_embeddings"] = RandomModel.ContextLength,
            ["rms_norm_eps"] = NormEpsilon,
            ["rope_theta"] = _family.RopeBase,
            ["tie_word_embeddings"] = _family.IsTied,
            ["torch_dtype"] = type switch { TensorType.BF16 => "bfloat16", TensorType.F16 => "float16", _ => "float32" },
        };
        config[_family.IsGemma ? "hidden_activation" : "hidden_act"] = _family.IsGemma ? "gelu_pytorch_tanh" : "silu";
        if (_family.IsGemma)
        {
            config["query_pre_attn_scalar"] = _shape.HeadSize;
            config["sliding_window"] = _family.Window;
            config["attn_logit_softcapping"] = _family.AttentionCap == 0 ? null : _family.AttentionCap;
            config["final_logit_softcapping"] = _family.FinalCap == 0 ? null : _family.FinalCap;
        }

        if (_family.LinearRopeFactor is { } factor)
        {
            config["rope_scaling"] = new Dictionary<string, object> { ["rope_type"] = "linear", ["factor"] = factor };
        }

        if (_family.HasLlama3Rope)
        {
            config["rope_scaling"] = new Dictionary<string, object>
            {
                ["rope_type"] = "llama3",
                ["factor"] = Llama3Factor,
                ["low_freq_factor"] = 1.0,
                ["high_freq_factor"] = 4.0,
                ["original_max_position_embeddings"] = RandomModel.OriginalContext,
            };
        }

        if (_family.HasLongRope)
        {
            config["original_max_position_embeddings"] = RandomModel.OriginalContext;
            config["rope_scaling"] = new Dictionary<string, object>
            {
                ["type"] = "longrope", ["short_factor"] = LongRopeFactors(1.02), ["long_factor"] = LongRopeFactors(1.5),
            };
        }

        return config;
    }

    /// <summary>The tensors by which GGUF expresses rope scaling; in a Hugging Face model it is a part of the configuration.</summary>
    public IEnumerable<(string Name, float[] Values)> RopeFactorTensors()
    {
        if (_family.HasLlama3Rope)
        {
            yield return ("rope_freqs.weight", Llama3Divisors());
        }

        if (_family.HasLongRope)
        {
            yield return ("rope_factors_long.weight", LongRopeFactors(1.5));
            yield return ("rope_factors_short.weight", LongRopeFactors(1.02));
        }
    }

    private IEnumerable<RandomTensor> ListTensors()
    {
        int hidden = _shape.Hidden;
        float offset = _family.IsGemma ? 1 : 0;
        float branch = 1 / MathF.Sqrt(2 * _shape.Layers);
        yield return Matrix("token_embd", "model.embed_tokens", _shape.Vocabulary, hidden) with
        {
            Deviation = _family.IsGemma ? 1 / MathF.Sqrt(hidden) : 1,
        };
        yield return Norm("output_norm", "model.norm", hidden) with { Mean = 0, Deviation = 1 };
        if (!_family.IsTied)
        {
            yield return Matrix("output", "lm_head", _shape.Vocabulary, hidden);
        }

        for (int i = 0; i < _shape.Layers; i++)
        {
            foreach (RandomTensor tensor in ListAttention().Concat(ListFeedForward()))
            {
                yield return tensor with { GgufName = $"blk.{i}.{tensor.GgufName}", HuggingFaceName = $"model.layers.{i}.{tensor.HuggingFaceName}" };
            }
        }

        RandomTensor Norm(string gguf, string huggingFace, int length) =>
            new($"{gguf}.weight", $"{huggingFace}.weight", RandomTensorKind.Norm, length) { Mean = 1, HuggingFaceOffset = offset };

        RandomTensor Bias(string gguf, string huggingFace, int length) => new($"{gguf}.bias", $"{huggingFace}.bias", RandomTensorKind.Bias, length);

        RandomTensor Matrix(string gguf, string huggingFace, int rows, int columns) =>
            new($"{gguf}.weight", $"{huggingFace}.weight", RandomTensorKind.Matrix, rows, columns) { Deviation = 1 / MathF.Sqrt(columns) };

        RandomTensor Branch(RandomTensor tensor) => tensor with { Mean = tensor.Mean * branch / 2, Deviation = tensor.Deviation * branch };

        IEnumerable<RandomTensor> ListAttention()
        {
            int queryRows = _shape.Heads * _shape.HeadSize;
            int kvRows = _shape.KvHeads * _shape.HeadSize;
            int interleaved = _family.GgufName == "llama" ? _shape.HeadSize : 0;
            yield return Norm("attn_norm", "input_layernorm", hidden);
            if (_family.IsFused)
            {
                yield return Matrix("attn_qkv", "self_attn.qkv_proj", queryRows + (2 * kvRows), hidden);
            }
            else
            {
                yield return Matrix("attn_q", "self_attn.q_proj", queryRows, hidden) with { InterleavedHeadSize = interleaved };
                yield return Matrix("attn_k", "self_attn.k_proj", kvRows, hidden) with { InterleavedHeadSize = interleaved };
                yield return Matrix("attn_v", "self_attn.v_proj", kvRows, hidden);
            }

            if (_family.HasQkvBias)
            {
                yield return Bias("attn_q", "self_attn.q_proj", queryRows);
                yield return Bias("attn_k", "self_attn.k_proj", kvRows);
                yield return Bias("attn_v", "self_attn.v_proj", kvRows);
            }

            if (_family.HasQueryKeyNorms)
            {
                yield return Norm("attn_q_norm", "self_attn.q_norm", _shape.HeadSize);
                yield return Norm("attn_k_norm", "self_attn.k_norm", _shape.HeadSize);
            }

            yield return Branch(Matrix("attn_output", "self_attn.o_proj", hidden, queryRows));
            if (_family.IsGemma)
            {
                yield return Branch(Norm("post_attention_norm", "post_attention_layernorm", hidden));
            }
        }

        IEnumerable<RandomTensor> ListFeedForward()
        {
            yield return Norm("ffn_norm", _family.IsGemma ? "pre_feedforward_layernorm" : "post_attention_layernorm", hidden);
            if (_family.IsFused)
            {
                yield return Matrix("ffn_up", "mlp.gate_up_proj", 2 * _shape.FeedForward, hidden);
            }
            else
            {
                yield return Matrix("ffn_gate", "mlp.gate_proj", _shape.FeedForward, hidden);
                yield return Matrix("ffn_up", "mlp.up_proj", _shape.FeedForward, hidden);
            }

            yield return Branch(Matrix("ffn_down", "mlp.down_proj", hidden, _shape.FeedForward));
            if (_family.IsGemma)
            {
                // Smaller still: llama.cpp computes GELU in half precision, which should stay below the 1e-4 allowed in float32.
                yield return Branch(Norm("post_ffw_norm", "post_feedforward_layernorm", hidden) with { Mean = 0.4f });
            }
        }
    }

    private IEnumerable<(string Key, object Value)> Tokenizer()
    {
        string[] tokens = ["<unk>", "<s>", "</s>", .. Enumerable.Range(33, 94).Select(code => ((char)code).ToString()), "\u0120", "ab"];
        tokens = [.. tokens, .. Enumerable.Range(tokens.Length, _shape.Vocabulary - tokens.Length).Select(id => $"t{id}")];
        var types = new int[_shape.Vocabulary];
        types.AsSpan().Fill(1);
        types.AsSpan(0, 3).Fill(3);
        yield return ("tokenizer.ggml.model", "gpt2");
        yield return ("tokenizer.ggml.pre", "default");
        yield return ("tokenizer.ggml.bos_token_id", 1u);
        yield return ("tokenizer.ggml.eos_token_id", 2u);
        yield return ("tokenizer.ggml.tokens", tokens);
        yield return ("tokenizer.ggml.token_type", types);
        yield return ("tokenizer.ggml.merges", (string[])["a b"]);
    }

    /// <summary>Llama 3's scaling as the divisors that llama.cpp's converter writes, by Meta's formula over wavelengths.</summary>
    private float[] Llama3Divisors()
    {
        var divisors = new float[_shape.HeadSize / 2];
        for (int i = 0; i < divisors.Length; i++)
        {
            double wavelength = 2 * Math.PI * Math.Pow(_family.RopeBase, 2.0 * i / _shape.HeadSize);
            double smooth = ((RandomModel.OriginalContext / wavelength) - 1) / (4 - 1);
            divisors[i] = (float)(wavelength < RandomModel.OriginalContext / 4.0 ? 1
                : wavelength > RandomModel.OriginalContext ? Llama3Factor
                : 1 / (((1 - smooth) / Llama3Factor) + smooth));
        }

        return divisors;
    }

    private float[] LongRopeFactors(double growth) =>
        [.. Enumerable.Range(0, _shape.HeadSize / 2).Select(i => (float)Math.Round(Math.Pow(growth, i), 4))];

    private static float LongRopeMagnitude() =>
        (float)Math.Sqrt(1 + (Math.Log((double)RandomModel.ContextLength / RandomModel.OriginalContext) / Math.Log(RandomModel.OriginalContext)));
}

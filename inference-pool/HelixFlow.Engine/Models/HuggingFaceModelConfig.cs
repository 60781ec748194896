using System.Collections.Immutable;
using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Models;

/// <summary>Reads a <see cref="ModelConfig"/> from a config.json as transformers writes it, versions 4 and 5.</summary>
/// <remarks>Values that a file leaves out have the defaults of the family's configuration class in transformers.</remarks>
internal sealed class HuggingFaceModelConfig
{
    private readonly ConfigJson _json;
    private readonly ModelFamily _family;

    private HuggingFaceModelConfig(ConfigJson json, ModelFamily family)
    {
        _json = json;
        _family = family;
    }

    public static ModelConfig Read(string path)
    {
        using var root = ConfigJson.Open(path);
        string type = root.String("model_type");
        ModelFamily family = ModelFamily.FromHuggingFace(type) ?? throw root.Error(ModelFamily.Unsupported(type));
        if (root.Has("quantization_config"))
        {
            throw root.Error("the weights are quantised in a way that is not supported (quantization_config); use the unquantised model or a GGUF file");
        }

        // A model that also takes images describes its language part in an object of its own.
        ConfigJson text = root.Object("text_config") ?? root;
        return new HuggingFaceModelConfig(text, family).Read().Validated(path);
    }

    private ModelConfig Read()
    {
        int layers = _json.Int("num_hidden_layers");
        int hidden = _json.Int("hidden_size");
        int heads = _json.Int("num_attention_heads", _family.IsGemma ? 8 : null);
        int headSize = _json.Int("head_dim", _family.IsGemma ? 256 : DefaultHeadSize(hidden, heads));
        int context = _json.Int("max_position_embeddings", _family.Name == "gemma3" ? 131072 : 8192);
        bool hasBias = _json.Bool("attention_bias", false);
        CheckActivation();
        RopeConfig rope = ReadRope(headSize, context, "full_attention", "rope_theta", _family.Name == "gemma3" ? 1e6f : 1e4f);
        return new ModelConfig
        {
            Architecture = _family.Name,
            Layers = layers,
            Hidden = hidden,
            Heads = heads,
            KvHeads = _json.Int("num_key_value_heads", _family.IsGemma ? 4 : heads),
            HeadSize = headSize,
            FeedForward = _json.Int("intermediate_size"),
            Vocabulary = _json.Int("vocab_size", _family.Name switch { "gemma2" => 256000, "gemma3" => 262208, _ => null }),
            ContextLength = rope.Scaling is RopeScaling.Yarn yarn ? Math.Max(context, (int)Math.Min(yarn.OriginalContext * (double)yarn.Factor, 1 << 28)) : context,
            NormEpsilon = _json.Float("rms_norm_eps", 1e-6f),
            Rope = rope,
            LocalRope = _family.Name == "gemma3" ? ReadLocalRope(rope, headSize, context) : rope,
            AttentionScale = 1 / MathF.Sqrt(_family.IsGemma ? _json.Float("query_pre_attn_scalar", 256) : headSize),
            AttentionSoftCap = _json.Float("attn_logit_softcapping", _family.Name == "gemma2" && !_json.IsNull("attn_logit_softcapping") ? 50 : 0),
            FinalSoftCap = _json.Float("final_logit_softcapping", _family.Name == "gemma2" && !_json.IsNull("final_logit_softcapping") ? 30 : 0),
            Windows = Windows(layers),
            Activation = _family.Activation,
            EmbeddingScale = _family.IsGemma ? RoundAsStored(MathF.Sqrt(hidden)) : 1,
            NormOffset = _family.IsGemma ? 1 : 0,
            TiedEmbeddings = _json.Bool("tie_word_embeddings", _family.IsGemma),
            QkvBias = _family.QkvBias || hasBias,
            OutputBias = hasBias,
            FeedForwardBias = _json.Bool("mlp_bias", false),
            QueryKeyNorms = _family.QueryKeyNorms,
            PostNorms = _family.IsGemma,
            FusedProjections = _family.FusedProjections,
        };
    }

    private int DefaultHeadSize(int hidden, int heads)
    {
        if (_json.Has("head_dim"))
        {
            return 0;
        }

        return heads > 0 && hidden % heads == 0
            ? hidden / heads
            : throw _json.Error($"hidden_size {hidden} cannot be split over {heads} attention heads, and head_dim is not given");
    }

    private void CheckActivation()
    {
        string expected = _family.IsGemma ? "gelu_pytorch_tanh" : "silu";
        string found = _json.String("hidden_activation", _json.String("hidden_act", expected));
        if (found != expected)
        {
            throw _json.Error($"the activation '{found}' is not supported in this family; '{expected}' is");
        }
    }

    private ImmutableArray<int> Windows(int layers)
    {
        int window = _json.Int("sliding_window", _family.Name switch { "gemma2" => 4096, "gemma3" => 1024, _ => 0 });
        if (_family.Name is "qwen2" or "qwen3" && !_json.Bool("use_sliding_window", false))
        {
            window = 0;
        }

        if (_json.Strings("layer_types") is { } types && _family.Name is not ("mistral" or "phi3"))
        {
            return [.. types.Select(type => type switch
            {
                "full_attention" => 0,
                "sliding_attention" => window,
                _ => throw _json.Error($"the layer type '{type}' is not supported; full_attention and sliding_attention are"),
            })];
        }

        return _family.Name switch
        {
            "gemma2" => LayerWindows.Periodic(layers, window, 2),
            "gemma3" => LayerWindows.Periodic(layers, window, _json.Int("sliding_window_pattern", 6)),
            "qwen2" or "qwen3" => LayerWindows.From(layers, window, _json.Int("max_window_layers", 28)),
            "mistral" or "phi3" => LayerWindows.Periodic(layers, window, 1),
            _ => LayerWindows.Periodic(layers, 0, 1),
        };
    }

    private RopeConfig ReadLocalRope(RopeConfig global, int headSize, int context) =>
        _json.Object("rope_parameters")?.Object("sliding_attention") is null
            ? global with { Base = _json.Float("rope_local_base_freq", 10000), Scaling = null }
            : ReadRope(headSize, context, "sliding_attention", "rope_local_base_freq", 10000);

    private RopeConfig ReadRope(int headSize, int context, string layerType, string baseName, float defaultBase)
    {
        // transformers 5 has base and scaling in one object, for some families one such object for each type of layer.
        ConfigJson? parameters = _json.Object("rope_parameters");
        parameters = parameters?.Object(layerType) ?? parameters;
        float frequencyBase = parameters is not null && parameters.Has("rope_theta") ? parameters.Float("rope_theta") : _json.Float(baseName, defaultBase);
        float rotatedPart = parameters is not null && parameters.Has("partial_rotary_factor")
            ? parameters.Float("partial_rotary_factor")
            : _json.Float("partial_rotary_factor", 1);
        int rotated = rotatedPart is > 0 and <= 1
            ? (int)(headSize * rotatedPart)
            : throw _json.Error(FormattableString.Invariant($"partial_rotary_factor is {rotatedPart}; it must be above 0 and at most 1"));
        ConfigJson? scaling = parameters ?? _json.Object("rope_scaling");
        return new RopeConfig(RopePairing.Halves, rotated, frequencyBase, scaling is null ? null : ReadScaling(scaling, context));
    }

    private RopeScaling? ReadScaling(ConfigJson scaling, int context)
    {
        string type = scaling.String("rope_type", scaling.String("type", "default"));
        int original = scaling.Int("original_max_position_embeddings", _json.Int("original_max_position_embeddings", context));
        switch (type)
        {
            // "dynamic" changes the frequencies only beyond the context length, which is never exceeded here.
            case "default":
            case "dynamic":
                return null;
            case "linear":
                return new RopeScaling.Linear(scaling.Float("factor"));
            case "llama3":
                return new RopeScaling.Llama3(
                    scaling.Float("factor"), scaling.Float("low_freq_factor"), scaling.Float("high_freq_factor"), original);
            case "yarn":
                float factor = scaling.Float("factor");
                float magnitude = scaling.Float("attention_factor", RopeScaling.Yarn.DefaultMagnitude(factor));
                return new RopeScaling.Yarn(factor, original, scaling.Float("beta_fast", 32), scaling.Float("beta_slow", 1), magnitude);
            case "longrope":
            case "su":
                double extension = scaling.Has("factor") ? scaling.Float("factor") : (double)context / Math.Max(original, 1);
                return new RopeScaling.LongRope(
                    scaling.Floats("short_factor"),
                    scaling.Floats("long_factor"),
                    original,
                    scaling.Float("attention_factor", RopeScaling.LongRope.DefaultMagnitude(extension, original)));
            default:
                throw _json.Error($"the rope scaling '{type}' is not supported; supported are default, linear, dynamic, llama3, yarn and longrope");
        }
    }

    /// <summary>
    /// Gemma multiplies embeddings by a number of the weights' own type, and was trained so: with bfloat16 weights sqrt(3072) is 55.5.
    /// </summary>
    private float RoundAsStored(float value) => _json.String("dtype", _json.String("torch_dtype", "float32")) switch
    {
        "bfloat16" => RoundToBFloat16(value),
        "float16" => (float)(Half)value,
        _ => value,
    };

    /// <summary>To nearest, ties to even; for positive finite values.</summary>
    private static float RoundToBFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return BitConverter.UInt32BitsToSingle((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000);
    }
}

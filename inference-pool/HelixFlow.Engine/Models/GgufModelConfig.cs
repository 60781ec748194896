using System.Collections.Immutable;
using System.Globalization;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Models;

/// <summary>Reads a <see cref="ModelConfig"/> from GGUF metadata (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).</summary>
internal sealed class GgufModelConfig
{
    private readonly GgufFile _file;
    private readonly ModelFamily _family;

    private GgufModelConfig(GgufFile file, ModelFamily family)
    {
        _file = file;
        _family = family;
    }

    public static ModelConfig Read(GgufFile file)
    {
        string architecture = file.Metadata.GetString("general.architecture");
        ModelFamily family = ModelFamily.FromGguf(architecture)
            ?? throw new ModelFormatException(file.Path, null, ModelFamily.Unsupported(architecture));
        return new GgufModelConfig(file, family).Read().Validated(file.Path);
    }

    private ModelConfig Read()
    {
        if (Int("expert_count", 0) > 0)
        {
            throw Error($"is a mixture of {Int("expert_count")} experts, which is not supported");
        }

        int layers = Int("block_count");
        int hidden = Int("embedding_length");
        int heads = Uniform("attention.head_count");
        int headSize = Int("attention.key_length", DefaultHeadSize(hidden, heads));
        if (Int("attention.value_length", headSize) is var valueSize && valueSize != headSize)
        {
            throw Error($"keys have {headSize} elements per head but values have {valueSize}; both must be the same");
        }

        RopeConfig rope = ReadRope(headSize);
        return new ModelConfig
        {
            Architecture = _family.Name,
            Layers = layers,
            Hidden = hidden,
            Heads = heads,
            KvHeads = Uniform("attention.head_count_kv", heads),
            HeadSize = headSize,
            FeedForward = Uniform("feed_forward_length"),
            Vocabulary = Vocabulary(),
            ContextLength = Int("context_length"),
            NormEpsilon = Float("attention.layer_norm_rms_epsilon"),
            Rope = rope,
            LocalRope = _family.Name == "gemma3" ? rope with { Base = Float("rope.freq_base_swa", 10000), Scaling = null } : rope,
            AttentionScale = AttentionScale(layers, hidden, heads, headSize),
            AttentionSoftCap = Float("attn_logit_softcapping", _family.Name == "gemma2" ? 50 : 0),
            FinalSoftCap = Float("final_logit_softcapping", _family.Name == "gemma2" ? 30 : 0),
            Windows = Windows(layers),
            Activation = _family.Activation,
            EmbeddingScale = _family.IsGemma ? MathF.Sqrt(hidden) : 1,
            TiedEmbeddings = !Has("output.weight"),
            QkvBias = _family.QkvBias || Has("blk.0.attn_q.bias"),
            OutputBias = Has("blk.0.attn_output.bias"),
            FeedForwardBias = Has("blk.0.ffn_gate.bias"),
            QueryKeyNorms = _family.QueryKeyNorms,
            PostNorms = _family.IsGemma,
            FusedProjections = _family.FusedProjections && !Has("blk.0.attn_q.weight"),
        };
    }

    private int DefaultHeadSize(int hidden, int heads)
    {
        if (!_file.Metadata.Contains(Key("attention.key_length")) && (heads <= 0 || hidden % heads != 0))
        {
            throw Error($"a hidden size of {hidden} cannot be split over {heads} attention heads, and no key length is given");
        }

        return heads <= 0 ? 0 : hidden / heads;
    }

    /// <summary>The 27-billion models of Gemma 2 and 3 scale by hidden/heads; GGUF tells them apart by their number of layers only.</summary>
    private float AttentionScale(int layers, int hidden, int heads, int headSize)
    {
        bool scaledByHidden = (_family.Name, layers) is ("gemma2", 46) or ("gemma3", 62);
        float usual = 1 / MathF.Sqrt(scaledByHidden ? hidden / Math.Max(heads, 1) : headSize);
        return Float("attention.scale", 0) is var given && given != 0 ? given : usual;
    }

    private ImmutableArray<int> Windows(int layers)
    {
        int window = Int("attention.sliding_window", _family.Name == "gemma2" ? 4096 : 0);
        int period = _family.Name switch { "gemma2" => 2, "gemma3" => 6, _ => 1 };
        if (!_file.Metadata.IsArray(Key("attention.sliding_window_pattern")))
        {
            return LayerWindows.Periodic(layers, window, Int("attention.sliding_window_pattern", period));
        }

        throw Error($"{Key("attention.sliding_window_pattern")} is an array; a period is expected");
    }

    private RopeConfig ReadRope(int headSize)
    {
        RopePairing pairing = _family.GgufName == "llama" ? RopePairing.Adjacent : RopePairing.Halves;
        var rope = new RopeConfig(pairing, Int("rope.dimension_count", headSize), Float("rope.freq_base", 10000));
        return rope with { Scaling = ReadRopeScaling() };
    }

    private RopeScaling? ReadRopeScaling()
    {
        if (_file.Tensors.TryGetValue("rope_freqs.weight", out StoredTensor? divisors))
        {
            return new RopeScaling.Divisors(Floats(divisors));
        }

        if (_file.Tensors.TryGetValue("rope_factors_long.weight", out StoredTensor? longFactors))
        {
            int original = Int("rope.scaling.original_context_length", Int("context_length"));
            ImmutableArray<float> shortFactors = Floats(Tensor("rope_factors_short.weight"));
            return new RopeScaling.LongRope(shortFactors, Floats(longFactors), original, Float("rope.scaling.attn_factor", 1));
        }

        string type = _file.Metadata.GetString(Key("rope.scaling.type"), _file.Metadata.Contains(Key("rope.scale_linear")) ? "linear" : "none");
        switch (type)
        {
            case "none":
            case "longrope":
                return null;
            case "linear":
                return Float("rope.scaling.factor", Float("rope.scale_linear", 1)) is var linear && linear is 0 or 1 ? null : new RopeScaling.Linear(linear);
            case "yarn":
                float factor = Float("rope.scaling.factor");
                float magnitude = RopeScaling.Yarn.DefaultMagnitude(factor) * Float("rope.scaling.attn_factor", 1);
                return new RopeScaling.Yarn(
                    factor,
                    Int("rope.scaling.original_context_length", Int("context_length")),
                    Float("rope.scaling.yarn_beta_fast", 32),
                    Float("rope.scaling.yarn_beta_slow", 1),
                    magnitude);
            default:
                throw Error($"the rope scaling '{type}' is not supported; supported are none, linear, yarn, longrope and Llama 3's");
        }
    }

    private int Vocabulary()
    {
        StoredTensor table = Tensor("token_embd.weight");
        return table.Shape.Length == 2
            ? (int)Math.Min(table.Shape[0], int.MaxValue)
            : throw Error($"tensor 'token_embd.weight' has {table.Shape.Length} dimensions; 2 are expected");
    }

    private unsafe ImmutableArray<float> Floats(StoredTensor tensor)
    {
        if (tensor.Type != TensorType.F32 || tensor.Shape.Length != 1)
        {
            throw Error($"tensor '{tensor.Name}' is {tensor.Type} with {tensor.Shape.Length} dimensions; an F32 vector is expected");
        }

        return [.. new ReadOnlySpan<float>(tensor.Data, tensor.Columns)];
    }

    private StoredTensor Tensor(string name) =>
        _file.Tensors.TryGetValue(name, out StoredTensor? tensor) ? tensor : throw Error($"tensor '{name}' is missing");

    private bool Has(string tensor) => _file.Tensors.ContainsKey(tensor);

    /// <summary>A value that may be written per layer, which is supported only if all layers have the same.</summary>
    private int Uniform(string name, int? fallback = null)
    {
        if (!_file.Metadata.IsArray(Key(name)))
        {
            return Int(name, fallback);
        }

        int[] values = _file.Metadata.GetInt32Array(Key(name));
        return values.Length > 0 && values.AsSpan().IndexOfAnyExcept(values[0]) < 0
            ? values[0]
            : throw Error($"{Key(name)} differs from layer to layer, which is not supported");
    }

    private int Int(string name, int? fallback = null) => _file.Metadata.GetInt32(Key(name), fallback);

    private float Float(string name, float? fallback = null) => _file.Metadata.GetFloat(Key(name), fallback);

    private string Key(string name) => string.Create(CultureInfo.InvariantCulture, $"{_family.GgufName}.{name}");

    private ModelFormatException Error(string reason) => new(_file.Path, null, reason);
}

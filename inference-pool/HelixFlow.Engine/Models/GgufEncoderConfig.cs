using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Models;

/// <summary>Reads an <see cref="EncoderConfig"/> from GGUF metadata, as llama.cpp's converter writes it.</summary>
internal static class GgufEncoderConfig
{
    /// <summary>The values of general.architecture that are encoders here; XLM-RoBERTa is stored as bert, with its table of positions cut.</summary>
    public static bool IsEncoder(string architecture) => architecture is "bert" or "nomic-bert";

    public static EncoderConfig Read(GgufFile file)
    {
        string architecture = file.Metadata.GetString("general.architecture");
        bool nomic = architecture == "nomic-bert";
        bool fused = Has("blk.0.attn_qkv.weight");
        int hidden = Int("embedding_length");
        int heads = Int("attention.head_count");
        int context = Int("context_length");
        StoredTensor? head = Find("cls.output.weight");
        if (Int("expert_count", 0) > 0)
        {
            throw Error($"is a mixture of {Int("expert_count")} experts, which is not supported");
        }

        if (fused && Has("blk.0.attn_qkv.bias"))
        {
            throw Error("has a bias for query, key and value together, which is not supported");
        }

        return new EncoderConfig
        {
            Architecture = architecture,
            Layers = Int("block_count"),
            Hidden = hidden,
            Heads = heads,
            FeedForward = Int("feed_forward_length"),
            Vocabulary = RowsOf("token_embd.weight") ?? throw Error("tensor 'token_embd.weight' is missing"),
            ContextLength = context,
            NormEpsilon = file.Metadata.GetFloat(Key("attention.layer_norm_epsilon")),
            TokenTypes = RowsOf("token_types.weight") ?? 0,
            PositionRows = nomic ? 0 : RowsOf("position_embd.weight") ?? throw Error("tensor 'position_embd.weight' is missing"),
            Rope = nomic ? new RopeConfig(RopePairing.Halves, Int("rope.dimension_count", heads > 0 ? hidden / heads : 0), file.Metadata.GetFloat(Key("rope.freq_base"), 10000)) : null,
            Activation = nomic ? Activation.Silu : Activation.GeluErf,
            Gated = Has("blk.0.ffn_gate.weight"),
            FusedProjections = fused,
            Biases = Has("blk.0.attn_output.bias"),
            Labels = head is null ? 0 : head.Rows,
            HeadDense = Has("cls.weight"),
            Pooling = PoolingOf(file) ?? Pooling.Mean,
        }.Validated(file.Path);

        int Int(string name, int? fallback = null) => file.Metadata.GetInt32(Key(name), fallback);

        string Key(string name) => $"{architecture}.{name}";

        bool Has(string tensor) => file.Tensors.ContainsKey(tensor);

        StoredTensor? Find(string tensor) => file.Tensors.GetValueOrDefault(tensor);

        int? RowsOf(string tensor) => Find(tensor)?.Rows;

        ModelFormatException Error(string reason) => new(file.Path, null, reason);
    }

    /// <summary>What the file says of pooling, for encoders and decoders alike; null for nothing, or for no pooling.</summary>
    public static Pooling? PoolingOf(GgufFile file) =>
        file.Metadata.GetInt32($"{file.Metadata.GetString("general.architecture")}.pooling_type", -1) switch
        {
            1 => Pooling.Mean,
            2 or 4 => Pooling.First, // 4 ranks by a head on the first token
            3 => Pooling.Last,
            _ => null,
        };
}

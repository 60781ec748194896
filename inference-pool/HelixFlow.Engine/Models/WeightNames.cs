namespace HelixFlow.Engine.Models;

/// <summary>What the weights of a decoder are called in a file. Layer names follow "<see cref="LayerPrefix"/>N.".</summary>
/// <remarks>A weight's name gets ".weight" or ".bias" appended.</remarks>
internal sealed record WeightNames
{
    public static readonly WeightNames Gguf = new()
    {
        Embedding = "token_embd",
        OutputNorm = "output_norm",
        Output = "output",
        LayerPrefix = "blk.",
        AttentionNorm = "attn_norm",
        Query = "attn_q",
        Key = "attn_k",
        Value = "attn_v",
        QueryKeyValue = "attn_qkv",
        QueryNorm = "attn_q_norm",
        KeyNorm = "attn_k_norm",
        AttentionOutput = "attn_output",
        PostAttentionNorm = "post_attention_norm",
        FeedForwardNorm = "ffn_norm",
        Gate = "ffn_gate",
        Up = "ffn_up",
        GateUp = "ffn_up",
        Down = "ffn_down",
        PostFeedForwardNorm = "post_ffw_norm",
    };

    public static readonly WeightNames HuggingFace = new()
    {
        Embedding = "model.embed_tokens",
        OutputNorm = "model.norm",
        Output = "lm_head",
        LayerPrefix = "model.layers.",
        AttentionNorm = "input_layernorm",
        Query = "self_attn.q_proj",
        Key = "self_attn.k_proj",
        Value = "self_attn.v_proj",
        QueryKeyValue = "self_attn.qkv_proj",
        QueryNorm = "self_attn.q_norm",
        KeyNorm = "self_attn.k_norm",
        AttentionOutput = "self_attn.o_proj",
        PostAttentionNorm = "post_attention_layernorm",
        FeedForwardNorm = "post_attention_layernorm",
        Gate = "mlp.gate_proj",
        Up = "mlp.up_proj",
        GateUp = "mlp.gate_up_proj",
        Down = "mlp.down_proj",
        PostFeedForwardNorm = "post_feedforward_layernorm",
    };

    // What models that also take images put before or in place of "model."; models saved without their output layer have no prefix.
    private static readonly string[] HuggingFacePrefixes = ["model.", "language_model.model.", "model.language_model.", "language_model.", ""];

    public required string Embedding { get; init; }

    public required string OutputNorm { get; init; }

    public required string Output { get; init; }

    public required string LayerPrefix { get; init; }

    public required string AttentionNorm { get; init; }

    public required string Query { get; init; }

    public required string Key { get; init; }

    public required string Value { get; init; }

    public required string QueryKeyValue { get; init; }

    public required string QueryNorm { get; init; }

    public required string KeyNorm { get; init; }

    public required string AttentionOutput { get; init; }

    public required string PostAttentionNorm { get; init; }

    public required string FeedForwardNorm { get; init; }

    public required string Gate { get; init; }

    public required string Up { get; init; }

    public required string GateUp { get; init; }

    public required string Down { get; init; }

    public required string PostFeedForwardNorm { get; init; }

    /// <summary>The names in a Hugging Face model, whose tensors' common prefix is found by its embedding table.</summary>
    /// <param name="config">In families with post norms "post_attention_layernorm" is one; in the others it comes before the feed-forward layer.</param>
    /// <param name="contains">Whether the file has a tensor.</param>
    public static WeightNames ForHuggingFace(ModelConfig config, Func<string, bool> contains)
    {
        WeightNames names = config.PostNorms ? HuggingFace with { FeedForwardNorm = "pre_feedforward_layernorm" } : HuggingFace;
        string? prefix = Array.Find(HuggingFacePrefixes, candidate => contains($"{candidate}embed_tokens.weight"));
        if (prefix is null or "model.")
        {
            return names;
        }

        return names with
        {
            Embedding = $"{prefix}embed_tokens",
            OutputNorm = $"{prefix}norm",
            LayerPrefix = $"{prefix}layers.",
            Output = contains("language_model.lm_head.weight") ? "language_model.lm_head" : names.Output,
        };
    }
}

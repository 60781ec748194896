namespace HelixFlow.Engine.Models;

/// <summary>What the weights of an encoder are called in a file. Layer names follow "<see cref="LayerPrefix"/>N.".</summary>
/// <remarks>A weight's name gets ".weight" or ".bias" appended.</remarks>
internal sealed record EncoderNames
{
    public static readonly EncoderNames Gguf = new()
    {
        Tokens = "token_embd",
        Positions = "position_embd",
        Types = "token_types",
        EmbeddingNorm = "token_embd_norm",
        LayerPrefix = "blk.",
        Query = "attn_q",
        Key = "attn_k",
        Value = "attn_v",
        QueryKeyValue = "attn_qkv",
        AttentionOutput = "attn_output",
        AttentionNorm = "attn_output_norm",
        Up = "ffn_up",
        Gate = "ffn_gate",
        Down = "ffn_down",
        OutputNorm = "layer_output_norm",
        HeadDense = "cls",
        HeadOutput = "cls.output",
    };

    private static readonly EncoderNames Bert = new()
    {
        Tokens = "embeddings.word_embeddings",
        Positions = "embeddings.position_embeddings",
        Types = "embeddings.token_type_embeddings",
        EmbeddingNorm = "embeddings.LayerNorm",
        LayerPrefix = "encoder.layer.",
        Query = "attention.self.query",
        Key = "attention.self.key",
        Value = "attention.self.value",
        QueryKeyValue = "",
        AttentionOutput = "attention.output.dense",
        AttentionNorm = "attention.output.LayerNorm",
        Up = "intermediate.dense",
        Gate = "",
        Down = "output.dense",
        OutputNorm = "output.LayerNorm",
        HeadDense = "pooler.dense",
        HeadOutput = "classifier",
    };

    private static readonly EncoderNames Nomic = new()
    {
        Tokens = "embeddings.word_embeddings",
        Positions = "",
        Types = "embeddings.token_type_embeddings",
        EmbeddingNorm = "emb_ln",
        LayerPrefix = "encoder.layers.",
        Query = "",
        Key = "",
        Value = "",
        QueryKeyValue = "attn.Wqkv",
        AttentionOutput = "attn.out_proj",
        AttentionNorm = "norm1",
        Up = "mlp.fc11",
        Gate = "mlp.fc12",
        Down = "mlp.fc2",
        OutputNorm = "norm2",
        HeadDense = "",
        HeadOutput = "",
    };

    // A model with a head keeps its encoder under the name of the family.
    private static readonly string[] Prefixes = ["", "bert.", "roberta.", "xlm_roberta.", "model."];

    public required string Tokens { get; init; }

    public required string Positions { get; init; }

    public required string Types { get; init; }

    public required string EmbeddingNorm { get; init; }

    public required string LayerPrefix { get; init; }

    public required string Query { get; init; }

    public required string Key { get; init; }

    public required string Value { get; init; }

    public required string QueryKeyValue { get; init; }

    public required string AttentionOutput { get; init; }

    public required string AttentionNorm { get; init; }

    public required string Up { get; init; }

    public required string Gate { get; init; }

    public required string Down { get; init; }

    public required string OutputNorm { get; init; }

    public required string HeadDense { get; init; }

    public required string HeadOutput { get; init; }

    /// <summary>The names in a Hugging Face model, whose tensors' common prefix is found by its embedding table.</summary>
    public static EncoderNames ForHuggingFace(EncoderConfig config, Func<string, bool> contains)
    {
        EncoderNames names = config.Architecture switch
        {
            "nomic-bert" => Nomic,
            "xlm-roberta" => Bert with { HeadDense = "classifier.dense", HeadOutput = "classifier.out_proj" },
            _ => Bert,
        };
        string prefix = Array.Find(Prefixes, candidate => contains($"{candidate}{names.Tokens}.weight")) ?? "";
        return names with
        {
            Tokens = prefix + names.Tokens,
            Positions = prefix + names.Positions,
            Types = prefix + names.Types,
            EmbeddingNorm = prefix + names.EmbeddingNorm,
            LayerPrefix = prefix + names.LayerPrefix,
            HeadDense = config.Architecture == "bert" ? prefix + names.HeadDense : names.HeadDense,
        };
    }
}

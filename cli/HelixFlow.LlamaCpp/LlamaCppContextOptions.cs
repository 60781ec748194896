namespace HelixFlow.LlamaCpp;

/// <summary>How llama.cpp runs a model.</summary>
public sealed record LlamaCppContextOptions
{
    /// <summary>Positions of each sequence; default 1024. LongRoPE's factors are chosen by it.</summary>
    public int ContextLength { get; init; } = 1024;

    /// <summary>The most sequences; default 1.</summary>
    public int Sequences { get; init; } = 1;

    /// <summary>Threads; default 1: more wait for one another by spinning, which on a busy machine takes far longer than the work.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Whether keys and values are kept in float32 instead of float16.</summary>
    public bool FloatCache { get; init; }

    /// <summary>How embeddings are pooled: 0 none, 1 mean, 2 the first token's, 3 the last one's, 4 by the classification head; null for what the model says.</summary>
    public int? Pooling { get; init; }

    /// <summary>Whether attention runs as one fused operation; null for llama.cpp's own choice.</summary>
    public bool? FlashAttention { get; init; }
}

using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Models;

/// <summary>What the supported families of decoders differ in, apart from what a model's own file says.</summary>
/// <param name="Name">The family's name in error messages and in <see cref="ModelConfig.Architecture"/>.</param>
/// <param name="GgufName">The value of general.architecture in GGUF; Mistral models are stored as llama there.</param>
/// <param name="HuggingFaceNames">The values of model_type in config.json.</param>
internal sealed record ModelFamily(string Name, string GgufName, params string[] HuggingFaceNames)
{
    private static readonly ModelFamily[] All =
    [
        new("llama", "llama", "llama"),
        new("mistral", "llama", "mistral"),
        new("qwen2", "qwen2", "qwen2") { QkvBias = true },
        new("qwen3", "qwen3", "qwen3") { QueryKeyNorms = true },
        new("gemma2", "gemma2", "gemma2") { IsGemma = true },
        new("gemma3", "gemma3", "gemma3_text", "gemma3") { IsGemma = true, QueryKeyNorms = true },
        new("phi3", "phi3", "phi3") { FusedProjections = true },
    ];

    /// <summary>Queries, keys and values always have a bias.</summary>
    public bool QkvBias { get; init; }

    /// <summary>Queries and keys are normalised per head before they are rotated.</summary>
    public bool QueryKeyNorms { get; init; }

    /// <summary>Query, key and value projections are stored as one matrix, gate and up projections as another.</summary>
    public bool FusedProjections { get; init; }

    /// <summary>Norms after attention and feed-forward too, GELU, embeddings scaled by sqrt(hidden), norm weights stored less 1 (Hugging Face).</summary>
    public bool IsGemma { get; init; }

    public Activation Activation => IsGemma ? Activation.GeluTanh : Activation.Silu;

    public static string SupportedNames { get; } = string.Join(", ", All.Select(family => family.Name).Concat(["bert", "xlm-roberta", "nomic-bert"]));

    public static ModelFamily? FromGguf(string architecture) => Array.Find(All, family => family.GgufName == architecture);

    public static ModelFamily? FromHuggingFace(string modelType) => Array.Find(All, family => family.HuggingFaceNames.Contains(modelType));

    public static string Unsupported(string found) => $"the architecture '{found}' is not supported; supported are {SupportedNames}";
}

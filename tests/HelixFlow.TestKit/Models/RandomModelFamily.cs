namespace HelixFlow.TestKit.Models;

/// <summary>What a family's models have besides the plain Llama layout, and how a random model of it is configured.</summary>
/// <param name="GgufName">general.architecture.</param>
/// <param name="HuggingFaceName">model_type.</param>
/// <param name="ClassName">The entry of architectures in config.json.</param>
internal sealed record RandomModelFamily(string GgufName, string HuggingFaceName, string ClassName)
{
    private static readonly Dictionary<string, RandomModelFamily> All = new()
    {
        ["llama"] = new("llama", "llama", "LlamaForCausalLM") { IsTied = true, RopeBase = 500000 },
        ["llama3"] = new("llama", "llama", "LlamaForCausalLM") { IsTied = true, RopeBase = 500000, HasLlama3Rope = true },
        ["mistral"] = new("llama", "mistral", "MistralForCausalLM"),
        ["qwen2"] = new("qwen2", "qwen2", "Qwen2ForCausalLM") { IsTied = true, HasQkvBias = true, RopeBase = 1000000 },
        ["qwen3"] = new("qwen3", "qwen3", "Qwen3ForCausalLM") { IsTied = true, HasQueryKeyNorms = true, RopeBase = 1000000 },
        ["gemma2"] = new("gemma2", "gemma2", "Gemma2ForCausalLM") { IsTied = true, IsGemma = true, Window = 64, AttentionCap = 5, FinalCap = 3 },
        ["gemma3"] = new("gemma3", "gemma3_text", "Gemma3ForCausalLM")
        {
            IsTied = true, IsGemma = true, Window = 48, HasQueryKeyNorms = true, RopeBase = 1000000, LinearRopeFactor = 8, MinLayers = 7,
        },
        ["phi3"] = new("phi3", "phi3", "Phi3ForCausalLM") { IsFused = true },
        ["phi3long"] = new("phi3", "phi3", "Phi3ForCausalLM") { IsFused = true, HasLongRope = true },
    };

    /// <summary>The names that <see cref="Of"/> knows.</summary>
    public static IReadOnlyCollection<string> Names => All.Keys;

    public bool IsTied { get; init; }

    public bool IsGemma { get; init; }

    public bool IsFused { get; init; }

    public bool HasQkvBias { get; init; }

    public bool HasQueryKeyNorms { get; init; }

    public bool HasLlama3Rope { get; init; }

    public bool HasLongRope { get; init; }

    public float RopeBase { get; init; } = 10000;

    public float? LinearRopeFactor { get; init; }

    /// <summary>The sliding window, much shorter than a real model's so that short prompts reach beyond it; 0 for none.</summary>
    public int Window { get; init; }

    /// <summary>Soft caps, tighter than a real model's so that random scores feel them; 0 for none.</summary>
    public float AttentionCap { get; init; }

    public float FinalCap { get; init; }

    /// <summary>At least so many layers, so that each kind of layer occurs.</summary>
    public int MinLayers { get; init; }

    public static RandomModelFamily Of(string name) => All.TryGetValue(name, out RandomModelFamily? family)
        ? family
        : throw new ArgumentException($"'{name}' is not a family; there are {string.Join(", ", All.Keys)}", nameof(name));
}

using System.Collections.Immutable;
using System.Numerics;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Models;

/// <summary>A decoder's shape and the flags by which one implementation runs all families. Immutable; its values have been checked.</summary>
public sealed record ModelConfig
{
    /// <summary>The family: llama, mistral, qwen2, qwen3, gemma2, gemma3 or phi3.</summary>
    public required string Architecture { get; init; }

    public required int Layers { get; init; }

    /// <summary>Elements of a token's state between layers.</summary>
    public required int Hidden { get; init; }

    /// <summary>Query heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Key and value heads; divides <see cref="Heads"/>.</summary>
    public required int KvHeads { get; init; }

    /// <summary>Elements of a head; heads * headSize need not be <see cref="Hidden"/>.</summary>
    public required int HeadSize { get; init; }

    /// <summary>Elements of the feed-forward layer's inner state.</summary>
    public required int FeedForward { get; init; }

    /// <summary>Rows of the embedding table: token ids are 0 to this less 1.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>The most positions the model was made for.</summary>
    public required int ContextLength { get; init; }

    /// <summary>Added to the mean square in every norm.</summary>
    public required float NormEpsilon { get; init; }

    public required RopeConfig Rope { get; init; }

    /// <summary>The rotary embedding of layers with a sliding window where it differs (Gemma 3); otherwise the same as <see cref="Rope"/>.</summary>
    public required RopeConfig LocalRope { get; init; }

    /// <summary>Multiplies the attention scores; usually 1/sqrt(headSize).</summary>
    public required float AttentionScale { get; init; }

    /// <summary>Soft cap of the attention scores (Gemma 2); 0 for none.</summary>
    public float AttentionSoftCap { get; init; }

    /// <summary>Soft cap of the logits (Gemma 2); 0 for none.</summary>
    public float FinalSoftCap { get; init; }

    /// <summary>For each layer, how many positions a token sees, its own included; 0 for all.</summary>
    public required ImmutableArray<int> Windows { get; init; }

    /// <summary>How the gate of the feed-forward layer is activated.</summary>
    public required Activation Activation { get; init; }

    /// <summary>Multiplies embeddings: sqrt(hidden) for Gemma, 1 for the others.</summary>
    public float EmbeddingScale { get; init; } = 1;

    /// <summary>Added to every norm weight when it is loaded: 1 for Gemma in safetensors, which stores w - 1.</summary>
    public float NormOffset { get; init; }

    /// <summary>Logits are computed with the embedding table.</summary>
    public bool TiedEmbeddings { get; init; }

    /// <summary>Query, key and value projections have biases.</summary>
    public bool QkvBias { get; init; }

    /// <summary>Attention's output projection has a bias.</summary>
    public bool OutputBias { get; init; }

    /// <summary>The three feed-forward projections have biases.</summary>
    public bool FeedForwardBias { get; init; }

    /// <summary>Queries and keys are normalised per head before they are rotated (Qwen3, Gemma 3).</summary>
    public bool QueryKeyNorms { get; init; }

    /// <summary>The results of attention and feed-forward are normalised before they are added to the residual (Gemma).</summary>
    public bool PostNorms { get; init; }

    /// <summary>Query, key and value weights are one matrix, gate and up weights another (Phi-3).</summary>
    public bool FusedProjections { get; init; }

    /// <summary>Whether a layer looks through a sliding window.</summary>
    public bool IsLocal(int layer) => Windows[layer] != 0;

    /// <summary>Reads the configuration of a GGUF model.</summary>
    /// <exception cref="ModelFormatException">The architecture is not supported, or a value is missing or makes no sense.</exception>
    public static ModelConfig FromGguf(GgufFile file) => GgufModelConfig.Read(file);

    /// <summary>Reads the config.json of a Hugging Face model.</summary>
    /// <param name="path">The file, or the folder it lies in.</param>
    /// <exception cref="ModelFormatException">The architecture is not supported, or a value is missing or makes no sense.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    public static ModelConfig FromHuggingFace(string path) =>
        HuggingFaceModelConfig.Read(Directory.Exists(path) ? Path.Combine(path, "config.json") : path);

    /// <summary>Returns this configuration if its values make sense together; sizes are bounded so that products of them cannot overflow.</summary>
    internal ModelConfig Validated(string path)
    {
        Check(Layers, 1, 1024, "the number of layers");
        Check(Hidden, 1, 1 << 18, "the hidden size");
        Check(Heads, 1, 1 << 12, "the number of attention heads");
        Check(KvHeads, 1, Heads, "the number of key/value heads");
        Check(HeadSize, 2, 1 << 12, "the head size");
        Check(FeedForward, 1, 1 << 20, "the feed-forward size");
        Check(Vocabulary, 1, 1 << 24, "the vocabulary size");
        Check(ContextLength, 1, 1 << 28, "the context length");
        Check(NormEpsilon, 0, 1, "the norm epsilon");
        Check(AttentionScale, 1e-6f, 1e3f, "the attention scale");
        Check(AttentionSoftCap, 0, 1e6f, "the soft cap of attention scores");
        Check(FinalSoftCap, 0, 1e6f, "the soft cap of logits");
        Check(EmbeddingScale, 1e-6f, 1e6f, "the embedding scale");
        if (Heads % KvHeads != 0)
        {
            throw Error($"{Heads} attention heads cannot share {KvHeads} key/value heads evenly");
        }

        if (Windows.Length != Layers)
        {
            throw Error($"{Windows.Length} layers have an attention type, but the model has {Layers} layers");
        }

        foreach (int window in Windows)
        {
            Check(window, 0, int.MaxValue, "a sliding window");
        }

        CheckRope(Rope);
        CheckRope(LocalRope);
        return this;

        void CheckRope(RopeConfig rope)
        {
            Check(rope.RotatedElements, 2, HeadSize, "the number of rotated elements");
            if (rope.RotatedElements % 2 != 0)
            {
                throw Error($"the number of rotated elements is {rope.RotatedElements}; it must be even");
            }

            Check(rope.Base, 1e-3f, 1e12f, "the rope base");
            switch (rope.Scaling)
            {
                case null:
                    break;
                case RopeScaling.Linear linear:
                    Check(linear.Factor, 1e-3f, 1e6f, "the rope scaling factor");
                    break;
                case RopeScaling.Divisors divisors:
                    CheckDivisors(divisors.Values, rope, "rope frequency divisors");
                    break;
                case RopeScaling.Llama3 llama3:
                    Check(llama3.Factor, 1e-3f, 1e6f, "the rope scaling factor");
                    Check(llama3.LowFrequencyFactor, 1e-3f, 1e6f, "the low frequency factor of rope scaling");
                    Check(llama3.HighFrequencyFactor, MathF.BitIncrement(llama3.LowFrequencyFactor), 1e6f, "the high frequency factor of rope scaling");
                    Check(llama3.OriginalContext, 1, 1 << 28, "the original context length of rope scaling");
                    break;
                case RopeScaling.LongRope longRope:
                    CheckDivisors(longRope.ShortDivisors, rope, "short rope factors");
                    CheckDivisors(longRope.LongDivisors, rope, "long rope factors");
                    Check(longRope.OriginalContext, 1, 1 << 28, "the original context length of rope scaling");
                    Check(longRope.Magnitude, 1e-3f, 1e3f, "the magnitude of rope scaling");
                    break;
                case RopeScaling.Yarn yarn:
                    Check(yarn.Factor, 1e-3f, 1e6f, "the rope scaling factor");
                    Check(yarn.OriginalContext, 1, 1 << 28, "the original context length of rope scaling");
                    Check(yarn.BetaSlow, 1e-3f, 1e6f, "beta_slow of rope scaling");
                    Check(yarn.BetaFast, yarn.BetaSlow, 1e6f, "beta_fast of rope scaling");
                    Check(yarn.Magnitude, 1e-3f, 1e3f, "the magnitude of rope scaling");
                    break;
            }
        }

        void CheckDivisors(ImmutableArray<float> values, RopeConfig rope, string what)
        {
            if (values.Length != rope.RotatedElements / 2)
            {
                throw Error($"there are {values.Length} {what}; {rope.RotatedElements / 2} are expected, half the number of rotated elements");
            }

            foreach (float value in values)
            {
                Check(value, 1e-6f, 1e6f, $"one of the {what}");
            }
        }

        void Check<T>(T value, T min, T max, string what)
            where T : INumber<T>
        {
            // The negated form refuses NaN as well.
            if (!(value >= min && value <= max))
            {
                throw Error(FormattableString.Invariant($"{what} is {value}; {min} to {max} is possible"));
            }
        }

        ModelFormatException Error(string reason) => new(path, null, reason);
    }
}

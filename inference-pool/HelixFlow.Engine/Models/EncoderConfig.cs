using System.Numerics;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Models;

/// <summary>
/// The shape of an encoder (BERT and its relatives) and the flags by which one implementation runs all of them. Every token sees the whole text;
/// norms come after attention and feed-forward. Immutable; its values have been checked.
/// </summary>
public sealed record EncoderConfig
{
    /// <summary>The family: bert, xlm-roberta or nomic-bert.</summary>
    public required string Architecture { get; init; }

    public required int Layers { get; init; }

    /// <summary>Elements of a token's state, and of a text's vector.</summary>
    public required int Hidden { get; init; }

    /// <summary>Attention heads; divides <see cref="Hidden"/>.</summary>
    public required int Heads { get; init; }

    /// <summary>Elements of the feed-forward layer's inner state.</summary>
    public required int FeedForward { get; init; }

    /// <summary>Rows of the embedding table: token ids are 0 to this less 1.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>The most tokens of a text, special ones included.</summary>
    public required int ContextLength { get; init; }

    /// <summary>Added to the variance in every norm.</summary>
    public required float NormEpsilon { get; init; }

    /// <summary>Rows of the table of token types, which tell the first text of a pair from the second; 0 for no such table.</summary>
    public required int TokenTypes { get; init; }

    /// <summary>Rows of the table of positions; 0 for a rotary embedding in its place.</summary>
    public required int PositionRows { get; init; }

    /// <summary>The row of the first token's position: 2 for RoBERTa's relatives as Hugging Face stores them, 0 for the others.</summary>
    public int FirstPosition { get; init; }

    /// <summary>The rotary embedding; null where positions are added to the tokens.</summary>
    public RopeConfig? Rope { get; init; }

    /// <summary>How the feed-forward layer, or its gate, is activated.</summary>
    public required Activation Activation { get; init; }

    /// <summary>The feed-forward layer has a gate (nomic-bert).</summary>
    public bool Gated { get; init; }

    /// <summary>Query, key and value weights are one matrix.</summary>
    public bool FusedProjections { get; init; }

    /// <summary>Projections have biases; norms always have.</summary>
    public bool Biases { get; init; }

    /// <summary>Scores that the classification head gives a pair of texts: 1, or 0 for a model without a head.</summary>
    public int Labels { get; init; }

    /// <summary>The head puts the first token's state through a dense layer with tanh before it scores.</summary>
    public bool HeadDense { get; init; }

    /// <summary>How a text's vector is made of its tokens' states.</summary>
    public required Pooling Pooling { get; init; }

    /// <summary>Elements of a head.</summary>
    public int HeadSize => Hidden / Heads;

    /// <summary>Returns this configuration if its values make sense together; sizes are bounded so that products of them cannot overflow.</summary>
    internal EncoderConfig Validated(string path)
    {
        Check(Layers, 1, 1024, "the number of layers");
        Check(Hidden, 2, 1 << 16, "the hidden size");
        Check(Heads, 1, 1 << 10, "the number of attention heads");
        Check(FeedForward, 1, 1 << 18, "the feed-forward size");
        Check(Vocabulary, 1, 1 << 24, "the vocabulary size");
        Check(ContextLength, 2, 1 << 17, "the context length");
        Check(NormEpsilon, 0, 1, "the norm epsilon");
        Check(TokenTypes, 0, 1 << 10, "the number of token types");
        if (Labels > 1)
        {
            throw Error($"has a head of {Labels} labels; one that ranks has a single score, and classification is not supported");
        }

        if (Hidden % Heads != 0)
        {
            throw Error($"a hidden size of {Hidden} cannot be split over {Heads} attention heads");
        }

        if (Rope is null)
        {
            Check(PositionRows, ContextLength + FirstPosition, 1 << 18, "the number of positions");
        }
        else
        {
            Check(Rope.RotatedElements, 2, HeadSize, "the number of rotated elements");
            Check(Rope.Base, 1e-3f, 1e12f, "the rope base");
            if (Rope.RotatedElements % 2 != 0)
            {
                throw Error($"the number of rotated elements is {Rope.RotatedElements}; it must be even");
            }
        }

        return this;

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

using HelixFlow.Engine.Models;

namespace HelixFlow.Engine.Execution;

/// <summary>A text, or a pair of texts, for an encoder. Not changed by the engine; may be reused.</summary>
public sealed class EncoderRequest
{
    /// <inheritdoc cref="SequenceRequest.RequestId"/>
    public required string RequestId { get; init; }

    /// <summary>Token ids, at least one. The memory must not change before <see cref="EncoderEngine.RunAsync"/> returns its task.</summary>
    public required ReadOnlyMemory<int> Tokens { get; init; }

    /// <summary>Where the second text of a pair begins in <see cref="Tokens"/>; null for a single text.</summary>
    public int? SecondText { get; init; }

    /// <summary>How states become a vector; a model with a classification head takes the first token's in any case.</summary>
    public Pooling Pooling { get; init; } = Pooling.Mean;

    /// <inheritdoc cref="SequenceRequest.Priority"/>
    public int Priority { get; init; }

    /// <inheritdoc cref="SequenceRequest.Project"/>
    public string Project { get; init; } = "";
}

using HelixFlow.Engine.Models;
using HelixFlow.Engine.Sampling;

namespace HelixFlow.Engine.Execution;

/// <summary>A text to embed. Not changed by the engine; may be reused.</summary>
public sealed class EmbeddingRequest
{
    /// <inheritdoc cref="SequenceRequest.RequestId"/>
    public required string RequestId { get; init; }

    /// <summary>Token ids, at least one. The memory must not change before <see cref="InferenceEngine.EmbedAsync"/> returns its task.</summary>
    public required ReadOnlyMemory<int> Tokens { get; init; }

    /// <summary>How states become a vector. A decoder refuses <see cref="Pooling.First"/>: its first token has seen nothing of the text.</summary>
    public Pooling Pooling { get; init; } = Pooling.Last;

    /// <inheritdoc cref="SequenceRequest.Priority"/>
    public int Priority { get; init; }

    /// <inheritdoc cref="SequenceRequest.Project"/>
    public string Project { get; init; } = "";

    /// <inheritdoc cref="SequenceRequest.CacheSalt"/>
    public string CacheSalt { get; init; } = "";

    /// <summary>The same as a prompt without output.</summary>
    internal SequenceRequest ToSequence() => new()
    {
        RequestId = RequestId,
        Prompt = Tokens,
        Priority = Priority,
        Project = Project,
        CacheSalt = CacheSalt,
        Sampling = SamplingOptions.Greedy,
    };
}

/// <summary>What became of an <see cref="EmbeddingRequest"/>.</summary>
public sealed record EmbeddingResult
{
    /// <summary>Whether it was taken.</summary>
    public required SubmitOutcome Outcome { get; init; }

    /// <summary>The text's vector, of length 1 (0 if all states were 0); empty when it was refused or failed.</summary>
    public ReadOnlyMemory<float> Vector { get; init; }

    /// <summary>Tokens that were found in the prefix cache.</summary>
    public int CachedTokens { get; init; }

    /// <summary>What failed, or what is wrong with an invalid request; null when there is a vector.</summary>
    public string? Error { get; init; }
}

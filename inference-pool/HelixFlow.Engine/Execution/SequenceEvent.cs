using HelixFlow.Engine.Sampling;

namespace HelixFlow.Engine.Execution;

/// <summary>Why a choice ended.</summary>
public enum FinishReason
{
    /// <summary>An end token or a stop id was sampled.</summary>
    Stop,

    /// <summary>The most tokens asked for, or the context's end, was reached.</summary>
    Length,

    /// <summary>The consumer cancelled the choice, or the engine was disposed.</summary>
    Cancelled,

    /// <summary>The engine failed; the event's error says why.</summary>
    Error,
}

/// <summary>What kind of <see cref="SequenceEvent"/> it is.</summary>
public enum SequenceEventKind
{
    Token,
    Finished,
}

/// <summary>Something that happened to one choice of a request: a token, or its end.</summary>
public readonly struct SequenceEvent
{
    public SequenceEventKind Kind { get; private init; }

    /// <summary>The choice, 0 to the request's count - 1.</summary>
    public int Choice { get; private init; }

    /// <summary>The sampled token; of a Finished event the end token or stop id that ended the choice, else -1.</summary>
    public int Token { get; private init; }

    /// <summary>The token's log probability under the raw logits; NaN unless the request asked for log probabilities.</summary>
    public float Logprob { get; private init; }

    /// <summary>The most probable alternatives, best first; empty unless asked for. Stays valid.</summary>
    public ReadOnlyMemory<TokenLogprob> TopLogprobs { get; private init; }

    /// <summary>Why the choice ended; meaningful for Finished.</summary>
    public FinishReason Reason { get; private init; }

    /// <summary>Tokens sampled for the choice so far, this one and a stop token included.</summary>
    public int GeneratedTokens { get; private init; }

    /// <summary>What failed, when the reason is Error.</summary>
    public string? Error { get; private init; }

    internal static SequenceEvent Sampled(int choice, int token, int generated, float logprob, ReadOnlyMemory<TokenLogprob> top) =>
        new() { Kind = SequenceEventKind.Token, Choice = choice, Token = token, GeneratedTokens = generated, Logprob = logprob, TopLogprobs = top };

    internal static SequenceEvent Finished(int choice, FinishReason reason, int generated, int stopToken = -1, string? error = null) =>
        new()
        {
            Kind = SequenceEventKind.Finished,
            Choice = choice,
            Reason = reason,
            Token = stopToken,
            GeneratedTokens = generated,
            Logprob = float.NaN,
            Error = error,
        };
}

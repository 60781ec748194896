using System.Diagnostics;
using HelixFlow.Engine.Sampling;
using HelixFlow.Engine.Scheduling;
using HelixFlow.Engine.Speculation;

namespace HelixFlow.Engine.Execution;

/// <summary>One choice of a request: the sequence that is scheduled, how to sample its tokens, and where they go; or a text to embed.</summary>
internal sealed class Generation : Sequence
{
    private const int TopChunkTokens = 64;

    private readonly int[] _stopIds;
    private Memory<TokenLogprob> _topLogprobs; // unused rest of the current chunk

    public Generation(
        SequenceRequest request,
        ReadOnlySpan<int> prompt,
        SequenceStream stream,
        SamplerState sampling,
        int[] stopIds,
        int maxLength,
        double weight,
        long arrival,
        int choice)
        : base(prompt, maxLength, request.Priority, arrival, choice, request.CacheSalt)
    {
        Stream = stream;
        TopLogprobs = request.TopLogprobs;
        Project = request.Project;
        Weight = weight;
        Sampling = sampling;
        _stopIds = stopIds;
    }

    public SequenceStream Stream { get; }

    public SamplerState Sampling { get; }

    public int? TopLogprobs { get; }

    /// <summary>Set: what its text must look like, and where it is in that.</summary>
    public ConstrainedText? Constraint { get; init; }

    /// <summary>Set: no tokens are sampled, and the prompt's states go here.</summary>
    public StatePool? Pool { get; init; }

    /// <summary>Guesses at its next tokens; null until some were wanted.</summary>
    public PromptLookup? Lookup { get; set; }

    /// <summary>What its constraint forces; null until that was looked for.</summary>
    public ForcedRun? Forced { get; set; }

    /// <summary>Where a second model is with it; null until some of its guesses were wanted, and again when it has left the batch.</summary>
    public DraftSequence? Draft { get; set; }

    /// <summary>Tokens sampled, a stop token and resumed ones included.</summary>
    public int Generated { get; set; }

    /// <summary>Whether its Finished event was emitted.</summary>
    public bool HasEnded { get; set; }

    /// <summary>Whether it counts against the engine's bound on waiting ones: it has a prompt to run and has not started.</summary>
    public bool CountsAsWaiting { get; set; }

    /// <summary>Takes over what was generated elsewhere, as if it had been sampled here.</summary>
    public void Resume(ReadOnlySpan<int> tokens)
    {
        foreach (int token in tokens)
        {
            Sampling.Accept(token);
            bool follows = Constraint?.TryAccept(token) ?? true;
            Debug.Assert(follows, "the request was refused otherwise");
            Append(token);
        }

        Generated = tokens.Length;
    }

    public bool IsStop(int token) => _stopIds.AsSpan().Contains(token);

    /// <summary>Memory for one token's alternatives, never reused; cut from chunks so that few tokens allocate.</summary>
    public Memory<TokenLogprob> TakeTopLogprobs(int count)
    {
        if (_topLogprobs.Length < count)
        {
            _topLogprobs = new TokenLogprob[count * Math.Min(TopChunkTokens, Math.Max(1, MaxLength - Length))];
        }

        Memory<TokenLogprob> taken = _topLogprobs[..count];
        _topLogprobs = _topLogprobs[count..];
        return taken;
    }
}

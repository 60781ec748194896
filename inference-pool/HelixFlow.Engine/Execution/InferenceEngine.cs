using HelixFlow.Engine.Models;

namespace HelixFlow.Engine.Execution;

/// <summary>
/// Runs requests on one model replica with continuous batching: a thread of its own repeats schedule → run the batch → sample → emit.
/// </summary>
/// <remarks>
/// All public members are thread-safe and none blocks on a step. The runner is used by the engine thread only; the caller owns it and
/// disposes it after the engine.
/// </remarks>
public sealed class InferenceEngine : IAsyncDisposable
{
    public InferenceEngine(IModelRunner runner, EngineOptions options) => throw new NotImplementedException();

    /// <summary>Most tokens of prompt and output together: the model's context length, or the key/value store if that is smaller.</summary>
    public int MaxSequenceTokens => throw new NotImplementedException();

    /// <summary>Most choices that one request may ask for.</summary>
    public int MaxChoices => throw new NotImplementedException();

    /// <summary>Hands a request in. Never blocks and never throws for what a caller sent.</summary>
    public SubmitOutcome Submit(SequenceRequest request, out SequenceStream? stream) => throw new NotImplementedException();

    /// <summary>What the engine was doing at the end of its latest step. Lock-free.</summary>
    public EngineSnapshot Snapshot() => throw new NotImplementedException();

    /// <summary>Refuses new requests from now on and completes when all accepted ones have ended.</summary>
    public Task DrainAsync(CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Stops after the current step; whatever still runs or waits ends as Cancelled.</summary>
    public ValueTask DisposeAsync() => throw new NotImplementedException();
}

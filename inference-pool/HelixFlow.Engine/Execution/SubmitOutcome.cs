namespace HelixFlow.Engine.Execution;

/// <summary>What became of a request that was handed to <see cref="InferenceEngine.Submit"/>.</summary>
public enum SubmitOutcome
{
    /// <summary>It waits or runs; its stream ends with one terminal event per choice.</summary>
    Accepted,

    /// <summary>Too many requests wait already; try again later or elsewhere.</summary>
    Overloaded,

    /// <summary>Prompt and output together need more positions than the model, or the key/value store, has.</summary>
    ContextLengthExceeded,

    /// <summary>Its fields contradict the model or their ranges; <see cref="InferenceEngine.FindProblem"/> says how.</summary>
    InvalidRequest,

    /// <summary>The engine finishes what it has and takes no more.</summary>
    Draining,

    /// <summary>The device failed repeatedly; the engine has stopped.</summary>
    Faulted,
}

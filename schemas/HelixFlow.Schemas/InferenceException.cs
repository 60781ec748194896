namespace HelixFlow.Schemas;

/// <summary>Why the inference service refused a request or could not finish it.</summary>
public enum InferenceError
{
    /// <summary>A field has an impossible value; <see cref="InferenceException.Field"/> names it.</summary>
    InvalidArgument,

    /// <summary>No such model.</summary>
    ModelNotFound,

    /// <summary>Prompt plus requested output do not fit the model's context.</summary>
    ContextLengthExceeded,

    /// <summary>The queue is full; try again after <see cref="InferenceException.RetryAfter"/>.</summary>
    Overloaded,

    /// <summary>The node is starting, draining or gone: another one, or the same later, may serve the request.</summary>
    Unavailable,

    /// <summary>The node failed; the request may be retried.</summary>
    Internal,

    /// <summary>The model cannot be loaded: it is damaged, or needs more memory than there is.</summary>
    ModelUnavailable,

    /// <summary>The request's time ran out.</summary>
    DeadlineExceeded,

    /// <summary>The operation exists but not for this model or in this build.</summary>
    Unsupported,
}

/// <summary>A refusal by the inference service that a caller can act on.</summary>
public sealed class InferenceException(InferenceError error, string message, string? field = null, Exception? innerException = null)
    : Exception(message, innerException)
{
    public InferenceError Error { get; } = error;

    /// <summary>The request's field that is at fault, in the proto's spelling; null when none is.</summary>
    public string? Field { get; } = field;

    /// <summary>How long to wait before trying again; null when that would not help.</summary>
    public TimeSpan? RetryAfter { get; init; }
}

namespace HelixFlow.Gateway.Ollama;

/// <summary>Fetches models for <c>POST /api/pull</c>; a host that has no place for them registers none, and pulls are refused. Thread-safe.</summary>
public interface IModelPuller
{
    /// <summary>Fetches a model and tells how far it is; ends when the model is stored.</summary>
    /// <exception cref="ModelPullException">It cannot be had, for a reason that the client may know.</exception>
    IAsyncEnumerable<PullProgress> PullAsync(string source, CancellationToken cancellationToken);
}

/// <summary>How far a pull is.</summary>
/// <param name="Status">What happens, for people.</param>
/// <param name="TotalBytes">Bytes to fetch; null while that is not known.</param>
/// <param name="DoneBytes">Bytes that are there.</param>
public readonly record struct PullProgress(string Status, long? TotalBytes, long DoneBytes);

/// <summary>A model cannot be fetched; the message says why.</summary>
public sealed class ModelPullException(string message, Exception? innerException = null) : Exception(message, innerException);

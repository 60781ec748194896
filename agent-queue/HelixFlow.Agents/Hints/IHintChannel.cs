namespace HelixFlow.Agents.Hints;

/// <summary>A way by which the processes on one journal's database tell each other where it is worth looking.</summary>
/// <remarks>One caller sends and one listens, at the same time. What is lost costs latency: nothing is repeated.</remarks>
public interface IHintChannel : IAsyncDisposable
{
    /// <summary>What carries the hints, for logs and metrics.</summary>
    string Name { get; }

    /// <summary>Sends hints; completes when the channel has taken them over.</summary>
    /// <exception cref="Exception">It has not, or whether it has is not known.</exception>
    Task SendAsync(IReadOnlyCollection<JournalHint> hints, CancellationToken cancellationToken);

    /// <summary>Listens until it is cancelled, and connects again when the connection breaks.</summary>
    /// <param name="connected">Called when it listens, the first time and again: what was sent before may have been missed.</param>
    /// <param name="heard">Called with each hint of another process.</param>
    /// <param name="failed">Called when the connection could not be made or has broken.</param>
    /// <param name="cancellationToken">Ends it.</param>
    Task ListenAsync(Action connected, Action<JournalHint> heard, Action<Exception> failed, CancellationToken cancellationToken);
}

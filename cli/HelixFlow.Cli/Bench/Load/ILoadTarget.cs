namespace HelixFlow.Cli.Bench.Load;

/// <summary>What is put under load: a server behind HTTP, which tests replace by a script.</summary>
internal interface ILoadTarget
{
    /// <summary>Makes a request and writes into the trace what happened, failures too. Thread-safe.</summary>
    /// <exception cref="OperationCanceledException">The request was given up.</exception>
    Task SendAsync(RequestTrace trace, LoadClock clock, CancellationToken cancellationToken);
}

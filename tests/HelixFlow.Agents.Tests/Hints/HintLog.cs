using System.Collections.Concurrent;
using HelixFlow.Agents.Hints;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Agents.Tests.Hints;

/// <summary>What a relay and its channel log.</summary>
internal sealed class HintLog : ILogger<HintRelay>, ILogger<RabbitHints>
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(120);

    private readonly ConcurrentDictionary<int, TaskCompletionSource> _events = new();

    public ConcurrentQueue<string> Lines { get; } = new();

    /// <summary>Waits until an event was logged.</summary>
    public Task UntilAsync(int id) => Of(id).Task.WaitAsync(Guard, TestContext.Current.CancellationToken);

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        Lines.Enqueue($"{eventId.Id} {formatter(state, exception)} {exception}");
        Of(eventId.Id).TrySetResult();
    }

    private TaskCompletionSource Of(int id) => _events.GetOrAdd(id, static _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
}

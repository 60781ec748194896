using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Tests;

/// <summary>A line of a log.</summary>
internal sealed record LogLine(LogLevel Level, string Message, Exception? Exception);

/// <summary>Keeps what is logged. Thread-safe.</summary>
internal sealed class CapturedLog : ILoggerProvider
{
    private readonly ConcurrentQueue<LogLine> _lines = new();

    public LogLine[] Lines => [.. _lines];

    public ILogger CreateLogger(string categoryName) => new Capture(_lines);

    public void Dispose()
    {
    }

    private sealed class Capture(ConcurrentQueue<LogLine> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            lines.Enqueue(new LogLine(logLevel, formatter(state, exception), exception));
    }
}

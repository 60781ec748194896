using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Limits;

namespace HelixFlow.Gateway.Sockets;

/// <summary>What is spoken over one socket. Messages come one at a time; what they start runs beside them.</summary>
/// <param name="connection">The socket.</param>
/// <param name="limits">Those of the project whose socket it is; null for none.</param>
internal abstract class SocketSession(SocketConnection connection, ProjectLimits? limits)
{
    private readonly Lock _lock = new();
    private readonly HashSet<Task> _running = [];

    /// <summary>Whether something runs, so that silence says nothing about the client.</summary>
    public bool IsBusy
    {
        get
        {
            lock (_lock)
            {
                return _running.Count > 0;
            }
        }
    }

    protected SocketConnection Connection { get; } = connection;

    protected ProjectLimits? Limits { get; } = limits;

    /// <summary>Says what the server has to say first.</summary>
    public virtual ValueTask OpenAsync() => ValueTask.CompletedTask;

    /// <summary>Deals with a message, a JSON object that is valid during the call.</summary>
    /// <exception cref="OpenAiException">It is refused; <see cref="RefuseAsync"/> tells the client.</exception>
    public abstract ValueTask ReceiveAsync(JsonElement message);

    /// <summary>Tells the client that a message was refused.</summary>
    /// <param name="error">Why.</param>
    /// <param name="message">The message; undefined when it is no JSON object.</param>
    public abstract ValueTask RefuseAsync(OpenAiError error, JsonElement message);

    /// <summary>Tells the client that the socket has lasted as long as it may.</summary>
    public abstract ValueTask ExpireAsync(TimeSpan lifetime);

    /// <summary>Completes when nothing runs any more.</summary>
    public async Task DrainAsync()
    {
        while (true)
        {
            Task[] running;
            lock (_lock)
            {
                running = [.. _running];
            }

            if (running.Length == 0)
            {
                return;
            }

            await Task.WhenAll(running);
        }
    }

    /// <summary>Counts a request against the project's limits.</summary>
    /// <exception cref="OpenAiException">There have been too many.</exception>
    protected void TakeRequest() => Limits?.TakeRequest();

    /// <summary>Runs something beside the messages, for the project's account. It must not fail, and must end when the client has gone.</summary>
    protected void Run(Func<Task> run)
    {
        var begin = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task task = RunAsync(begin.Task, run);
        lock (_lock)
        {
            _running.Add(task);
        }

        _ = task.ContinueWith(Forget, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        begin.SetResult();
    }

    private async Task RunAsync(Task begin, Func<Task> run)
    {
        await begin;
        if (Limits is not null)
        {
            RateLimits.Enter(Limits);
        }

        await run();
    }

    private void Forget(Task task)
    {
        lock (_lock)
        {
            _running.Remove(task);
        }
    }
}

using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Hints;
using HelixFlow.Agents.Http;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.Agents.Tests.Hints;

/// <summary>What one process has of the agent queue: a journal, its way to other processes, and workers that look for jobs once an hour where no hint tells them to.</summary>
internal sealed class DispatchProcess : IAsyncDisposable
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan Never = TimeSpan.FromHours(1);

    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly CancellationTokenSource _stopping = new();
    private readonly IHintChannel? _channel;
    private readonly List<Task> _work = [];
    private readonly Action<JournalHint> _note;
    private readonly Action<string> _ready;
    private readonly Action<string> _changed;
    private readonly Action<string> _cancelling;
    private volatile TaskCompletionSource _news = New();

    /// <param name="journal">The process's own, or in one process the one that all share.</param>
    /// <param name="channel">Null within one process.</param>
    /// <param name="logger">Of the relay.</param>
    public DispatchProcess(Agents.Journal.Journal journal, IHintChannel? channel, ILogger<HintRelay>? logger = null)
    {
        Journal = journal;
        _channel = channel;
        _note = Told.Enqueue;
        _ready = type => Note(JournalHintKind.Ready, type);
        _changed = id => Note(JournalHintKind.Changed, id);
        _cancelling = id => Note(JournalHintKind.Cancelling, id);
        journal.Told += _note;
        journal.Ready += _ready;
        journal.Changed += _changed;
        journal.Cancelling += _cancelling;
        if (channel is not null)
        {
            var metrics = new HintMetrics(_services.GetRequiredService<IMeterFactory>());
            _work.Add(new HintRelay(journal, channel, metrics, TimeProvider.System, logger ?? NullLogger<HintRelay>.Instance).RunAsync(_stopping.Token));
        }
    }

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public Agents.Journal.Journal Journal { get; }

    public ConcurrentDictionary<JournalHint, bool> Heard { get; } = new();

    public ConcurrentQueue<JournalHint> Told { get; } = new();

    /// <summary>Waits until a hint was heard, of this process or another.</summary>
    public async Task HearsAsync(JournalHintKind kind, string text)
    {
        while (true)
        {
            Task news = _news.Task;
            if (Heard.ContainsKey(new JournalHint(kind, text)))
            {
                return;
            }

            await news.WaitAsync(Guard, Token);
        }
    }

    public void StartWorker(int slots, params IJobType[] types) => StartWorker(slots, Never, types);

    public void StartWorker(int slots, TimeSpan pollInterval, params IJobType[] types) => _work.Add(new Worker(
        Journal, types, new WorkerOptions { Slots = slots, PollInterval = pollInterval, TickInterval = Never, DrainLimit = TimeSpan.Zero },
        new WorkerMetrics(_services.GetRequiredService<IMeterFactory>()), TimeProvider.System, NullLogger<Worker>.Instance).RunAsync(_stopping.Token));

    /// <summary>Asks for a job whose worker gives its next sign of life in twenty minutes.</summary>
    public async Task<string> RequestAsync(string type, string input = "1") => (await Journal.RequestAsync(
        new RunRequest { Project = "p", Type = type, Input = Encoding.UTF8.GetBytes(input), Options = new RunOptions { LeaseMs = 3_600_000 } }, Token)).Run!.Id;

    /// <summary>Follows a job as those do who read its events over HTTP, but looks once an hour where no hint tells it to; the result is its state at the end.</summary>
    public async Task<RunState> UntilEndedAsync(string id)
    {
        using var guard = CancellationTokenSource.CreateLinkedTokenSource(Token);
        guard.CancelAfter(Guard);
        using var changes = new JobChanges(Journal);
        var feed = new JobFeed(Journal, changes, new AgentOptions { EventPollInterval = Never }, TimeProvider.System);
        await foreach (List<NumberedEvent> _ in feed.EventsAsync("p", id, 0, guard.Token))
        {
        }

        return (await Journal.GetAsync("p", id, Token))!.State;
    }

    public async Task<string[]> KindsAsync(string id) => [.. (await Journal.EventsAsync("p", id, 0, 10_000, Token)).Select(static numbered => numbered.Event.Kind)];

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await Task.WhenAll(_work);
        Journal.Told -= _note;
        Journal.Ready -= _ready;
        Journal.Changed -= _changed;
        Journal.Cancelling -= _cancelling;
        if (_channel is not null)
        {
            await _channel.DisposeAsync();
        }

        _stopping.Dispose();
        await _services.DisposeAsync();
    }

    private void Note(JournalHintKind kind, string text)
    {
        Heard[new JournalHint(kind, text)] = true;
        Interlocked.Exchange(ref _news, New()).TrySetResult();
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

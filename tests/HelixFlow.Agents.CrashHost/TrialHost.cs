using System.Diagnostics.Metrics;
using System.Text.Json;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Hints;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;
using HelixFlow.Schemas;
using HelixFlow.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.Agents.CrashHost;

/// <summary>A worker, and whoever asks it for jobs, in a process that may be killed at any time.</summary>
/// <remarks>It is told what to do line by line until its standard input ends.</remarks>
internal sealed class TrialHost : IAsyncDisposable
{
    private readonly TrialHostOptions _options;
    private readonly ShiftedTime _time = new();
    private readonly KillingDatabase? _database; // null for a worker whose journal is a server's
    private readonly Journal.Journal? _journal;
    private readonly TrialConnection? _connection;
    private readonly RepeatingJournal _calls;
    private readonly FileStream _repeats;
    private readonly Lock _output = new();

    private TrialHost(TrialHostOptions options)
    {
        _options = options;
        string repeats = Path.Combine(options.Folder, $"repeats {options.Name} {Environment.ProcessId}");
        _repeats = new FileStream(repeats, FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 0);
        if (options.Role == TrialRole.Remote)
        {
            _connection = new TrialConnection(options, _time);
        }
        else
        {
            IDatabase store = options.Connection is { } connection
                ? PostgresDatabase.Open(connection, SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/postgres/agents"))
                : SqliteDatabase.Open(Path.Combine(options.Folder, "agents.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/agents"));
            _database = new KillingDatabase(new WitnessedDatabase(store), 0, false);
            _journal = new Journal.Journal(_database, new BlobFolder(Path.Combine(options.Folder, "blobs")), _time, Sharing());
        }

        _calls = new RepeatingJournal((IRunJournal?)_journal ?? _connection!.Journal, options.RepeatPercent, new Random(options.Seed), CountRepeat);
        SetClock(options.OffsetMs);
    }

    /// <summary>How the projects of a trial share their queues.</summary>
    public static JournalOptions Sharing() => new() { Weights = { ["a"] = 1, ["b"] = 3 } };

    /// <summary>Works until its standard input ends; then it is stopped as an operator stops it.</summary>
    public static async Task RunAsync(string options)
    {
        await using var host = new TrialHost(JsonSerializer.Deserialize(options, TrialJson.Default.TrialHostOptions)!);
        await host.WorkAsync().ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        _connection?.Dispose();
        if (_database is not null)
        {
            await _database.DisposeAsync().ConfigureAwait(false);
        }

        await _repeats.DisposeAsync().ConfigureAwait(false);
    }

    private async Task WorkAsync()
    {
        string effects = Directory.CreateDirectory(Path.Combine(_options.Folder, "effects")).FullName;
        await using ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var options = new WorkerOptions
        {
            Name = $"{_options.Name}/{Environment.ProcessId}", Slots = _options.Slots, DrainLimit = TimeSpan.FromMilliseconds(100),
            PollInterval = TimeSpan.FromMilliseconds(200), TickInterval = TimeSpan.FromMilliseconds(50),
        };
        IJobType[] types = [new TrialJob(effects), new CrashChild(effects)];
        var worker = new Worker(_calls, types, options, new WorkerMetrics(services.GetRequiredService<IMeterFactory>()), _time, NullLogger<Worker>.Instance);
        using var stopping = new CancellationTokenSource();
        await using IHintChannel? hints = _options.Broker is { } broker ? new RabbitHints(RabbitAddress.Parse(broker), _journal!, _time, NullLogger<RabbitHints>.Instance)
            : _options.Connection is { } connection ? new PostgresHints(connection, _time) : null;
        HintRelay? relay = hints is null ? null
            : new HintRelay(_journal!, hints, new HintMetrics(services.GetRequiredService<IMeterFactory>()), _time, NullLogger<HintRelay>.Instance);
        Task carrying = relay?.RunAsync(stopping.Token)
            ?? _connection?.Journal.FollowAsync(options.Name, types.Select(static type => type.Name), stopping.Token) ?? Task.CompletedTask;
        bool isServer = _options.Role == TrialRole.Server;
        await using TrialServer? server = isServer ? await TrialServer.StartAsync(_journal!, _options.Port).ConfigureAwait(false) : null;
        Task working = worker.RunAsync(stopping.Token);
        Answer(new TrialAnswer(0));
        while (await Console.In.ReadLineAsync(CancellationToken.None).ConfigureAwait(false) is { } line)
        {
            _ = ObeyAsync(JsonSerializer.Deserialize(line, TrialJson.Default.TrialOrder)!);
        }

        await stopping.CancelAsync().ConfigureAwait(false);
        await working.ConfigureAwait(false);
        await carrying.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task ObeyAsync(TrialOrder order)
    {
        try
        {
            Answer(await DoAsync(order, CancellationToken.None).ConfigureAwait(false) with { Number = order.Number });
        }
        catch (Exception exception)
        {
            Answer(new TrialAnswer(order.Number, Problem: exception.ToString()));
        }
    }

    private async Task<TrialAnswer> DoAsync(TrialOrder order, CancellationToken cancellationToken)
    {
        if (order.OffsetMs is { } offset && !order.IsOwnClock)
        {
            SetClock(offset);
        }
        else if (order.OffsetMs is { } own)
        {
            _time.OffsetMs = own;
        }

        if (order.DieAt != 0)
        {
            (_database is null ? (Action<int, bool>)_calls.Arm : _database.Arm)(Math.Abs(order.DieAt), order.DieAt < 0);
        }

        return _journal is { } journal ? await DoAsync(journal, order, cancellationToken).ConfigureAwait(false) : new TrialAnswer(order.Number);
    }

    private async Task<TrialAnswer> DoAsync(Journal.Journal journal, TrialOrder order, CancellationToken cancellationToken)
    {
        var done = new TrialAnswer(order.Number);
        if (order.Submit is { } request)
        {
            RunStart start = await journal.RequestAsync(request.ToRequest(), cancellationToken).ConfigureAwait(false);
            return done with { Run = start.Run!.Id, Problem = start.Kind is RunStartKind.Created or RunStartKind.Existing ? null : start.Kind.ToString() };
        }

        if (order.Signal is { } told)
        {
            await journal.SignalAsync(order.Project!, told, TrialJob.Signal, JsonElement.Parse("1"), cancellationToken).ConfigureAwait(false);
        }

        if (order.Cancel is { } unwanted)
        {
            await journal.CancelAsync(order.Project!, unwanted, "trial", cancellationToken).ConfigureAwait(false);
        }

        for (int i = 0; i < order.Hints; i++)
        {
            journal.Hear(new JournalHint(JournalHintKind.Ready, i % 2 == 0 ? "" : TrialJob.TypeName));
            journal.Hear(new JournalHint(JournalHintKind.Changed, order.HintedRun!));
            journal.Hear(new JournalHint(JournalHintKind.Cancelling, order.HintedRun!));
        }

        return order.IsQuestion ? await LookAsync(done, cancellationToken).ConfigureAwait(false) : done;
    }

    private Task<TrialAnswer> LookAsync(TrialAnswer done, CancellationToken cancellationToken) => _database!.ReadAsync(
        session => done with
        {
            Open = (int)session.Number("select count(*) from runs where state < 4"),
            Parked = session.Query("select id from runs where state = 3", static row => row.GetString(0)),
        },
        cancellationToken);

    // PostgreSQL's clock is that of all who use it; SQLite has only that of its process.
    private void SetClock(long offset)
    {
        _time.OffsetMs = offset;
        if (_journal is not null)
        {
            _journal.ClockSkewMs = _options.Connection is null ? 0 : offset;
        }
    }

    private void CountRepeat()
    {
        lock (_repeats)
        {
            _repeats.WriteByte(1);
        }
    }

    private void Answer(TrialAnswer answer)
    {
        string line = JsonSerializer.Serialize(answer, TrialJson.Default.TrialAnswer);
        lock (_output)
        {
            Console.Out.WriteLine(line);
        }
    }
}

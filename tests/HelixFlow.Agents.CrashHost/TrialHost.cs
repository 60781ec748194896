using System.Diagnostics.Metrics;
using System.Text.Json;
using System.Text.Json.Serialization;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Hints;
using HelixFlow.Agents.Journal;
using HelixFlow.Schemas;
using HelixFlow.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.Agents.CrashHost;

/// <summary>How a host of a trial is started: its first and only argument, as JSON.</summary>
/// <param name="Connection">PostgreSQL's connection string; null for SQLite in the folder.</param>
/// <param name="Folder">Where the database, the blobs and the effects are.</param>
/// <param name="Name">The worker's name.</param>
/// <param name="RepeatPercent">How many of the worker's calls are sent twice.</param>
/// <param name="Seed">Says which.</param>
/// <param name="OffsetMs">How far the clock is ahead.</param>
internal sealed record TrialHostOptions(string? Connection, string Folder, string Name, int RepeatPercent, int Seed, long OffsetMs);

/// <summary>A line that a host is told. What is null is not meant.</summary>
/// <param name="Number">Comes back with the answer.</param>
internal sealed record TrialOrder(long Number)
{
    /// <summary>Asks for a job.</summary>
    public TrialRequest? Submit { get; init; }

    /// <summary>Sends the signal to the run with this id.</summary>
    public string? Signal { get; init; }

    /// <summary>Cancels the run with this id.</summary>
    public string? Cancel { get; init; }

    /// <summary>The project of the run.</summary>
    public string? Project { get; init; }

    /// <summary>Puts the clock so far ahead: the journal's, or with <see cref="IsOwnClock"/> only this machine's.</summary>
    public long? OffsetMs { get; init; }

    /// <inheritdoc cref="OffsetMs" />
    public bool IsOwnClock { get; init; }

    /// <summary>Kills the process at this write, counted from now; negative for before its commit.</summary>
    public int DieAt { get; init; }

    /// <summary>Delivers every kind of hint so often, about this run and about all types.</summary>
    public int Hints { get; init; }

    /// <inheritdoc cref="Hints" />
    public string? HintedRun { get; init; }

    /// <summary>Asks what is open.</summary>
    public bool IsQuestion { get; init; }
}

/// <summary>A job of a trial.</summary>
internal sealed record TrialRequest(string Key, string Project, string Type, RunPriority Priority, IReadOnlyList<TrialMove> Moves, long LeaseMs)
{
    /// <summary>As the journal takes it.</summary>
    public RunRequest ToRequest() => new()
    {
        Project = Project, Type = Type, Input = TrialJob.InputOf(Moves), Key = Key, Priority = Priority,
        Options = new RunOptions { BackoffMs = 1, MaxBackoffMs = 5, MaxAttempts = 1000, LeaseMs = LeaseMs },
    };
}

/// <summary>What a host answers.</summary>
/// <param name="Number">That of the order; 0 when the host is ready.</param>
/// <param name="Run">The run that was asked for.</param>
/// <param name="Open">Runs that have not ended.</param>
/// <param name="Parked">Those of them that wait for a decision.</param>
/// <param name="Problem">What went wrong.</param>
internal sealed record TrialAnswer(long Number, string? Run = null, int Open = 0, IReadOnlyList<string>? Parked = null, string? Problem = null);

/// <summary>A worker, and whoever asks it for jobs, in a process that may be killed at any time. It is told what to do line by line until its standard input ends.</summary>
internal sealed class TrialHost : IAsyncDisposable
{
    private readonly TrialHostOptions _options;
    private readonly ShiftedTime _time = new();
    private readonly KillingDatabase _database;
    private readonly Journal.Journal _journal;
    private readonly Lock _output = new();

    private TrialHost(TrialHostOptions options)
    {
        _options = options;
        IDatabase store = options.Connection is { } connection
            ? PostgresDatabase.Open(connection, SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/postgres/agents"))
            : SqliteDatabase.Open(Path.Combine(options.Folder, "agents.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/agents"));
        _database = new KillingDatabase(new WitnessedDatabase(store), 0, false);
        _journal = new Journal.Journal(_database, new BlobFolder(Path.Combine(options.Folder, "blobs")), _time, Sharing());
        SetClock(options.OffsetMs);
    }

    private bool IsServed => _options.Connection is not null;

    /// <summary>How the projects of a trial share their queues.</summary>
    public static JournalOptions Sharing() => new() { Weights = { ["a"] = 1, ["b"] = 3 } };

    /// <summary>Works until its standard input ends; then it is stopped as an operator stops it.</summary>
    public static async Task RunAsync(string options)
    {
        await using var host = new TrialHost(JsonSerializer.Deserialize(options, TrialJson.Default.TrialHostOptions)!);
        await host.WorkAsync().ConfigureAwait(false);
    }

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    private async Task WorkAsync()
    {
        string effects = Directory.CreateDirectory(Path.Combine(_options.Folder, "effects")).FullName;
        using var repeats = new FileStream(Path.Combine(_options.Folder, $"repeats {_options.Name} {Environment.ProcessId}"), FileMode.CreateNew, FileAccess.Write, FileShare.Read, 0);
        var calls = new RepeatingJournal(_journal, _options.RepeatPercent, new Random(_options.Seed), () =>
        {
            lock (repeats)
            {
                repeats.WriteByte(1);
            }
        });
        await using ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var worker = new Worker(
            calls, [new TrialJob(effects), new CrashChild(effects)],
            new WorkerOptions
            {
                Name = $"{_options.Name}/{Environment.ProcessId}", Slots = 2, DrainLimit = TimeSpan.FromMilliseconds(100), PollInterval = TimeSpan.FromMilliseconds(200),
                TickInterval = TimeSpan.FromMilliseconds(50),
            },
            new WorkerMetrics(services.GetRequiredService<IMeterFactory>()), _time, NullLogger<Worker>.Instance);
        using var stopping = new CancellationTokenSource();
        await using PostgresHints? hints = IsServed ? new PostgresHints(_options.Connection!, _journal, _time, NullLogger<PostgresHints>.Instance) : null;
        Task carrying = hints?.RunAsync(stopping.Token) ?? Task.CompletedTask;
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
        var done = new TrialAnswer(order.Number);
        if (order.Submit is { } request)
        {
            RunStart start = await _journal.RequestAsync(request.ToRequest(), cancellationToken).ConfigureAwait(false);
            return done with { Run = start.Run!.Id, Problem = start.Kind is RunStartKind.Created or RunStartKind.Existing ? null : start.Kind.ToString() };
        }

        if (order.Signal is { } told)
        {
            await _journal.SignalAsync(order.Project!, told, TrialJob.Signal, JsonElement.Parse("1"), cancellationToken).ConfigureAwait(false);
        }

        if (order.Cancel is { } unwanted)
        {
            await _journal.CancelAsync(order.Project!, unwanted, "trial", cancellationToken).ConfigureAwait(false);
        }

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
            _database.Arm(Math.Abs(order.DieAt), order.DieAt < 0);
        }

        for (int i = 0; i < order.Hints; i++)
        {
            _journal.Hear(new JournalHint(JournalHintKind.Ready, i % 2 == 0 ? "" : TrialJob.TypeName));
            _journal.Hear(new JournalHint(JournalHintKind.Changed, order.HintedRun!));
            _journal.Hear(new JournalHint(JournalHintKind.Cancelling, order.HintedRun!));
        }

        return order.IsQuestion ? await LookAsync(done, cancellationToken).ConfigureAwait(false) : done;
    }

    private Task<TrialAnswer> LookAsync(TrialAnswer done, CancellationToken cancellationToken) => _database.ReadAsync(
        session => done with
        {
            Open = (int)session.Number("select count(*) from runs where state < 4"),
            Parked = session.Query("select id from runs where state = 3", static row => row.GetString(0)),
        },
        cancellationToken);

    // A server's clock is everybody's; SQLite has only that of its process.
    private void SetClock(long offset)
    {
        _time.OffsetMs = offset;
        _journal.ClockSkewMs = IsServed ? offset : 0;
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

[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault)]
[JsonSerializable(typeof(TrialHostOptions))]
[JsonSerializable(typeof(TrialOrder))]
[JsonSerializable(typeof(TrialAnswer))]
internal sealed partial class TrialJson : JsonSerializerContext;

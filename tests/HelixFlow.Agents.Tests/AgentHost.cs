using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;
using HelixFlow.Schemas;
using HelixFlow.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using System.Diagnostics.Metrics;

namespace HelixFlow.Agents.Tests;

/// <summary>A journal in a folder of its own, and workers on it.</summary>
internal sealed class AgentHost : IAsyncDisposable
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(120);

    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-agents-").FullName;
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly SqliteDatabase _file;
    private readonly BlobFolder _blobs;

    public AgentHost()
    {
        _file = SqliteDatabase.Open(Path.Combine(_folder, "agents.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/agents"));
        _blobs = new BlobFolder(Path.Combine(_folder, "blobs"));
        Database = new BreakableDatabase(_file);
        Journal = NewJournal();
    }

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public BreakableDatabase Database { get; }

    public Agents.Journal.Journal Journal { get; }

    /// <summary>Another one on the same database, as another process has it: it gets no hints of the first.</summary>
    public Agents.Journal.Journal NewJournal() => new(Database, _blobs, TimeProvider.System, new JournalOptions());

    /// <summary>One whose database a test stands before.</summary>
    public Agents.Journal.Journal NewJournal(IDatabase database) => new(database, _blobs, TimeProvider.System, new JournalOptions());

    public Worker NewWorker(WorkerOptions options, params IJobType[] types) =>
        new(Journal, types, options, new WorkerMetrics(_services.GetRequiredService<IMeterFactory>()), TimeProvider.System, NullLogger<Worker>.Instance);

    public async Task<string> RequestAsync(string type, string input = "null", RunOptions? options = null, string? forkOf = null) => (await Journal.RequestAsync(
        new RunRequest { Project = "p", Type = type, Input = Encoding.UTF8.GetBytes(input), Options = options ?? new RunOptions(), ForkOf = forkOf }, Token)).Run!.Id;

    public async Task<RunRecord> GetAsync(string id) => (await Journal.GetAsync("p", id, Token))!;

    public async Task<string> OutputAsync(string id) => Encoding.UTF8.GetString(await Journal.ReadAsync((await GetAsync(id)).Output!, Token));

    public async Task<string[]> KindsAsync(string id) => [.. (await Journal.EventsAsync("p", id, 0, 10_000, Token)).Select(static numbered => numbered.Event.Kind)];

    /// <summary>Waits until a run is as it should be.</summary>
    public async Task<RunRecord> UntilAsync(string id, Func<RunRecord, bool> isThere)
    {
        using var guard = CancellationTokenSource.CreateLinkedTokenSource(Token);
        guard.CancelAfter(Guard);
        while (true)
        {
            RunRecord run = (await Journal.GetAsync("p", id, guard.Token))!;
            if (isThere(run))
            {
                return run;
            }

            await Task.Delay(5, guard.Token);
        }
    }

    public Task<RunRecord> UntilEndedAsync(string id) => UntilAsync(id, static run => run.HasEnded);

    /// <summary>Claims the next run of a type, as a worker of its own does.</summary>
    public async Task<Claim> ClaimAsync(string type) => Assert.Single(await Journal.ClaimAsync("test", [type], 1, Token));

    /// <summary>Runs code as one attempt at a claimed run, and ends the run with what it returns.</summary>
    public async Task<Run> AttemptAsync(string type, Func<Run, Task<JsonElement>> code)
    {
        Claim claim = await ClaimAsync(type);
        Run run = await Run.OpenAsync(Journal, claim, TimeProvider.System, Token);
        JsonElement output = await run.DoAsync((run, _) => code(run), Token);
        await run.FlushAsync();
        Assert.True(await Journal.SucceedAsync(claim.Lease, Encoding.UTF8.GetBytes(output.GetRawText()), Token));
        return run;
    }

    /// <summary>Runs code as one attempt that ends in a crash: nobody tells the journal. The lease runs out, and the wait for the next attempt passes.</summary>
    public async Task CrashAsync(string type, Func<Run, Task<JsonElement>> code)
    {
        Claim claim = await ClaimAsync(type);
        Run run = await Run.OpenAsync(Journal, claim, TimeProvider.System, Token);
        await Assert.ThrowsAsync<Crash>(() => run.DoAsync((run, _) => code(run), Token));
        await PassAsync(31_000);
        await PassAsync(400_000);
    }

    /// <summary>Time passes, and what is due is done.</summary>
    public async Task PassAsync(long milliseconds)
    {
        Journal.ClockSkewMs += milliseconds;
        while (await Journal.TickAsync(1000, Token))
        {
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _file.DisposeAsync();
        await _services.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}

/// <summary>Thrown where a process would die.</summary>
internal sealed class Crash : Exception;

/// <summary>A job type whose code a test gives.</summary>
internal sealed class TestJob(string name, Func<Run, CancellationToken, Task<JsonElement>> code) : IJobType
{
    public string Name => name;

    public string Description => "A test's.";

    public JsonElement InputSchema { get; } = JsonElement.Parse("{}");

    public JsonElement OutputSchema { get; } = JsonElement.Parse("{}");

    public Task<JsonElement> RunAsync(Run run, CancellationToken cancellationToken) => code(run, cancellationToken);
}

/// <summary>A database that cannot be reached for some writes.</summary>
internal sealed class BreakableDatabase(IDatabase database) : IDatabase
{
    private int _left;
    private int _lost;
    private int _broken;

    public SqlDialect Dialect => database.Dialect;

    /// <summary>Writes that were refused, or whose answer was lost.</summary>
    public int Broken => Volatile.Read(ref _broken);

    /// <summary>Refuses the next writes.</summary>
    public void Refuse(int writes) => Volatile.Write(ref _left, writes);

    /// <summary>Does the next writes, but says that it broke off.</summary>
    public void LoseAnswers(int writes) => Volatile.Write(ref _lost, writes);

    public async Task<T> WriteAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken)
    {
        if (Take(ref _left))
        {
            throw new StorageException(StorageFailure.Unavailable, "It cannot be reached.");
        }

        bool isLost = Take(ref _lost);
        T result = await database.WriteAsync(work, cancellationToken);
        return isLost ? throw new StorageException(StorageFailure.Unavailable, "It has broken off.") : result;
    }

    public Task<T> ReadAsync<T>(Func<SqlSession, T> work, CancellationToken cancellationToken) => database.ReadAsync(work, cancellationToken);

    public ValueTask DisposeAsync() => database.DisposeAsync();

    private bool Take(ref int counter)
    {
        if (Volatile.Read(ref counter) <= 0 || Interlocked.Decrement(ref counter) < 0)
        {
            return false;
        }

        Interlocked.Increment(ref _broken);
        return true;
    }
}

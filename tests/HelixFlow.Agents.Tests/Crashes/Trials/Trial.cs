using System.Text;
using HelixFlow.Agents.CrashHost;
using HelixFlow.Agents.Journal;
using HelixFlow.Storage;
using HelixFlow.TestServers;

namespace HelixFlow.Agents.Tests.Crashes.Trials;

/// <summary>Does the jobs of a fault schedule with real processes while its faults happen, and asks the oracle about what they leave.</summary>
internal sealed partial class Trial : IDisposable
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(600);
    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(20);

    private readonly FaultSchedule _schedule;
    private readonly TrialSource _source;
    private readonly TrialStore _store;
    private readonly TrialTally _tally;
    private readonly CancellationTokenSource _guard;
    private readonly SemaphoreSlim _starting = new(1);
    private readonly TrialProcess?[] _hosts;
    private readonly RabbitServer? _broker;
    private Task _brokerStarts = Task.CompletedTask;
    private readonly List<Acknowledgement> _acknowledged = []; // also its lock
    private readonly HashSet<string> _cancelled = new(StringComparer.Ordinal); // also its lock
    private readonly List<Violation> _problems = []; // also its lock
    private long _offsetMs;
    private long _highestOffsetMs;
    private bool _isOver;

    private Trial(FaultSchedule schedule, TrialSource source, TrialStore store, RabbitServer? broker, TrialTally tally, CancellationToken cancellationToken)
    {
        (_schedule, _source, _store, _broker, _tally) = (schedule, source, store, broker, tally);
        _hosts = new TrialProcess?[schedule.Hosts];
        _guard = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _guard.CancelAfter(Guard);
    }

    private CancellationToken Token => _guard.Token;

    /// <summary>What the oracle objects to.</summary>
    public static async Task<List<Violation>> RunAsync(FaultSchedule schedule, TrialSource source, TrialTally tally, CancellationToken cancellationToken)
    {
        await using TrialStore store = await source.MakeAsync();
        using var trial = new Trial(schedule, source, store, schedule.HasBroker ? await source.BrokerAsync() : null, tally, cancellationToken);
        try
        {
            return await trial.RunAsync();
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return [new Violation("ends", $"Not all jobs have ended within {Guard.TotalSeconds} s: {await trial.DescribeAsync()}"), .. trial._problems];
        }
    }

    public void Dispose()
    {
        _guard.Dispose();
        _starting.Dispose();
    }

    private async Task<List<Violation>> RunAsync()
    {
        Task[] keepers = [.. Enumerable.Range(0, _hosts.Length).Select(KeepAsync)];
        try
        {
            await Task.WhenAll(SubmitAllAsync(), HappenAsync());
            await HealAsync();
            await EndAsync();
        }
        finally
        {
            await AloneAsync(() =>
            {
                _isOver = true;
                return Task.CompletedTask;
            });
            await Task.WhenAll(keepers);
            await _brokerStarts;
        }

        await using IDatabase database = _store.Open();
        Evidence evidence = await Evidence.LoadAsync(_store, database, _acknowledged, _cancelled);
        Count(evidence);
        return [.. Oracle.Check(evidence), .. _problems];
    }

    private void Count(Evidence evidence)
    {
        JournalEvent[] events = [.. evidence.Runs.SelectMany(static run => run.Events).Select(static numbered => numbered.Event)];
        _tally.Add("schedules");
        _tally.Add("jobs", evidence.Runs.Count);
        _tally.Add("events", events.Length);
        _tally.Add("claims", events.Count(static happened => happened is JournalEvent.AttemptStarted));
        _tally.Add("attempts lost", events.Count(static happened => happened is JournalEvent.AttemptFailed { Error.Code: "worker_lost" }));
        _tally.Add("steps parked", events.Count(static happened => happened is JournalEvent.StepParked));
        _tally.Add("calls sent twice", Directory.EnumerateFiles(_store.Folder, "repeats *").Sum(static path => new FileInfo(path).Length));
        var order = new QueueOrder(evidence.Runs, evidence.Queue, TrialHost.Sharing().AgeingMs);
        _ = order.Check().Count();
        _tally.Add("claims compared", order.Compared);
        _tally.Add("claims excused", order.Excused);
    }

    /// <summary>Starts a host anew whenever it has ended, as a supervisor does.</summary>
    private async Task KeepAsync(int index)
    {
        for (int start = 0; ; start++)
        {
            await _starting.WaitAsync(CancellationToken.None);
            TrialProcess host;
            try
            {
                if (_isOver)
                {
                    return;
                }

                host = TrialProcess.Start(new TrialHostOptions(
                    RoleOf(index), _store.Port, _store.Connection, _broker?.Address().ToString(), _store.Folder, $"host{index}", _schedule.SlotsPerHost,
                    _schedule.RepeatPercent, unchecked((_schedule.Seed * 31) + start), _offsetMs));
                _hosts[index] = host;
            }
            finally
            {
                _starting.Release();
            }

            string? problem = await host.Ended;
            host.Dispose();
            _tally.Add("processes");
            if (problem is not null && !MayFail(problem))
            {
                lock (_problems)
                {
                    _problems.Add(new Violation("hosts", problem));
                }
            }
        }
    }

    private TrialRole RoleOf(int index) => _schedule.Kind != TrialKind.Protocol ? TrialRole.Alone : index == 0 ? TrialRole.Server : TrialRole.Remote;

    // While a database server or the process with the journal is away.
    private bool MayFail(string problem) => _schedule.Kind != TrialKind.Embedded && problem.Contains(nameof(StorageException), StringComparison.Ordinal);

    /// <summary>Does something while no host lives, nor is started.</summary>
    private async Task AloneAsync(Func<Task> work)
    {
        await _starting.WaitAsync(CancellationToken.None);
        try
        {
            foreach (TrialProcess? host in _hosts)
            {
                if (host is { Ended.IsCompleted: false })
                {
                    host.Kill();
                }
            }

            await Task.WhenAll(_hosts.OfType<TrialProcess>().Select(static host => host.Ended));
            await work();
        }
        finally
        {
            _starting.Release();
        }
    }

    private async Task SubmitAllAsync()
    {
        var pace = new Random(_schedule.Seed);
        for (int i = 0; i < _schedule.Jobs.Count; i++)
        {
            await SubmitAsync(_schedule.Jobs[i], i);
            if (i >= _schedule.Jobs.Count / 2)
            {
                await Task.Delay(pace.Next(60), Token);
            }
        }
    }

    private async Task SubmitAsync(TrialRequest job, int number)
    {
        string run = (await AskAsync(number, new TrialOrder(0) { Submit = job })).Run!;
        lock (_acknowledged)
        {
            _acknowledged.Add(new Acknowledgement(job, run));
        }

        for (int i = job.Moves.Count(static move => move == TrialMove.Signal); i > 0; i--)
        {
            await AskAsync(number, new TrialOrder(0) { Signal = run, Project = job.Project });
        }
    }

    /// <summary>Asks a host, and another one when that is gone or its database cannot be reached, until one answers.</summary>
    private async Task<TrialAnswer> AskAsync(int first, TrialOrder order)
    {
        for (int attempt = first; ; attempt++)
        {
            if (_hosts[_schedule.Kind == TrialKind.Protocol ? 0 : attempt % _hosts.Length] is { Ended.IsCompleted: false } host)
            {
                try
                {
                    TrialAnswer answer = await host.AskAsync(order, Token);
                    if (answer.Problem is null)
                    {
                        return answer;
                    }

                    if (!MayFail(answer.Problem))
                    {
                        lock (_problems)
                        {
                            _problems.Add(new Violation("hosts", answer.Problem));
                        }
                    }
                }
                catch (HostGoneException)
                {
                }
            }

            await Task.Delay(Soon, Token);
        }
    }

    /// <summary>The clock goes right from here on: what was to happen at a time by a clock that was ahead happens soon.</summary>
    private async Task HealAsync() => await SetClockAsync(_highestOffsetMs);

    /// <summary>Waits until all runs have ended; somebody decides what became of steps that are in doubt.</summary>
    private async Task EndAsync()
    {
        while (true)
        {
            TrialAnswer look = await AskAsync(0, new TrialOrder(0) { IsQuestion = true });
            if (look.Open == 0)
            {
                return;
            }

            if (look.Parked is { Count: > 0 })
            {
                await AloneAsync(DecideAsync); // whoever decides makes sure first that nobody is still at it
            }

            await Task.Delay(Soon, Token);
        }
    }

    /// <summary>What has not ended.</summary>
    private async Task<string> DescribeAsync()
    {
        await using IDatabase database = _store.Open();
        return await database.ReadAsync(
            session => $"by a clock that is {_offsetMs} ms ahead of {DateTimeOffset.UtcNow.ToUnixTimeMilliseconds()}: " + string.Join("; ", session.Query(
                """
                select id || ' ' || type || ', state ' || state || ', fence ' || fence || ', worker ' || coalesce(worker, 'none') || ', lease ' || lease_until ||
                  ', not before ' || not_before || ', signal ' || coalesce(signal, 'none') || ', waits for ' || waits_for || ', events ' ||
                  (select string_agg(kind, ' ') from (select kind from events where run = number order by seq desc limit 12) as last)
                from runs where state < 4
                """,
                static row => row.GetString(0))),
            CancellationToken.None);
    }

    private async Task DecideAsync()
    {
        await using IDatabase database = _store.Open();
        Agents.Journal.Journal journal = _store.JournalOn(database, _offsetMs);
        List<(string Project, string Run, string Address)> doubts = await database.ReadAsync(
            static session => session.Query(
                "select project, id, address from runs join steps on run = number where runs.state = 3 and steps.state = 0",
                static row => (row.GetString(0), row.GetString(1), row.GetString(2))),
            Token);
        foreach ((string project, string run, string address) in doubts)
        {
            Effect? done = Effect.In(_store.Effects).Find(effect => effect.Run == run && effect.Address == address);
            ReadOnlyMemory<byte>? output = done is null ? (ReadOnlyMemory<byte>?)null : new ReadOnlyMemory<byte>(Encoding.UTF8.GetBytes($"\"{done.Name}\""));
            await journal.DecideStepAsync(project, run, address, output, "somebody", Token);
            _tally.Add("decisions");
        }
    }
}

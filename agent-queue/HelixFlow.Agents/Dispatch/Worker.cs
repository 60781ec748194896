using System.Collections.Concurrent;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Agents.Dispatch;

/// <summary>Claims runs from a journal, here or elsewhere, and does them in this process, as many at a time as it has slots.</summary>
/// <remarks>
/// The journal is asked when a hint says that there is something, when a slot becomes free, and now and then without a hint. Four loops: one claims,
/// one says for all runs that they live, one says that the worker is there, one does what is due in the journal. A worker that is killed loses nothing: its leases run out, and another
/// one goes on after the last recorded step. Start each worker once; several may share a journal.
/// </remarks>
public sealed partial class Worker
{
    private static readonly TimeSpan LongestBeatWait = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestFailureWait = TimeSpan.FromSeconds(5);
    private const int DueAtOnce = 200;

    private readonly IRunJournal _journal;
    private readonly Dictionary<string, IJobType> _types;
    private readonly string _name;
    private readonly string _program;
    private readonly int _slots;
    private readonly Func<string, int?>? _mostOfType;
    private readonly TimeSpan _drainLimit;
    private readonly TimeSpan _cancelLimit;
    private readonly TimeSpan _pollInterval;
    private readonly TimeSpan _tickInterval;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly RunExecution _execution;
    private readonly WakeSignal _claimSoon;
    private readonly WakeSignal _beatSoon;
    private readonly ConcurrentDictionary<string, ActiveRun> _active = new(StringComparer.Ordinal);
    private int _running;
    private long _nextBeat = long.MaxValue;

    /// <exception cref="ArgumentException">There is no slot, two types have the same name, or a type is asked for that is not among those given.</exception>
    public Worker(IRunJournal journal, IEnumerable<IJobType> types, WorkerOptions options, WorkerMetrics metrics, TimeProvider time, ILogger<Worker> logger)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Slots, 1);
        Dictionary<string, IJobType> all = types.ToDictionary(static type => type.Name, StringComparer.Ordinal);
        _types = options.Types is null ? all : options.Types.ToDictionary(
            static name => name,
            name => all.GetValueOrDefault(name) ?? throw new ArgumentException($"There is no job type {name}; there are {string.Join(", ", all.Keys.Order(StringComparer.Ordinal))}."),
            StringComparer.Ordinal);
        _journal = journal;
        _name = options.Name;
        _program = options.Program;
        _slots = options.Slots;
        _mostOfType = options.MostOfType;
        _drainLimit = options.DrainLimit;
        _cancelLimit = options.CancelLimit;
        _pollInterval = options.PollInterval;
        _tickInterval = options.TickInterval;
        _time = time;
        _logger = logger;
        _execution = new RunExecution(journal, metrics, time, logger);
        _claimSoon = new WakeSignal(time);
        _beatSoon = new WakeSignal(time);
    }

    /// <summary>Runs that it does at this moment.</summary>
    public int Running => Volatile.Read(ref _running);

    /// <summary>Works until it is stopped: then it claims nothing more, lets its runs finish for a while, and hands back those that have not.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        using var ended = new CancellationTokenSource();
        _journal.Ready += OnReady;
        _journal.Cancelling += OnCancelling;
        Task ticks = TickAsync(ended.Token);
        Task beats = BeatAsync(ended.Token);
        Task presence = PresentAsync(ended.Token);
        Log.Started(_logger, _name, _slots, string.Join(", ", _types.Keys));
        try
        {
            await ClaimAsync(stopping).ConfigureAwait(false);
            await DrainAsync().ConfigureAwait(false);
        }
        finally
        {
            _journal.Ready -= OnReady;
            _journal.Cancelling -= OnCancelling;
            await ended.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(ticks, beats, presence).ConfigureAwait(false);
            await LeaveAsync().ConfigureAwait(false);
            Log.Stopped(_logger, _name);
        }
    }

    private async Task ClaimAsync(CancellationToken stopping)
    {
        TimeSpan failureWait = TimeSpan.Zero;
        while (!stopping.IsCancellationRequested)
        {
            int free = _slots - Running;
            try
            {
                if (free > 0 && await ClaimAsync(free, stopping).ConfigureAwait(false) == free)
                {
                    continue;
                }

                failureWait = TimeSpan.Zero;
                await _claimSoon.WaitAsync(_pollInterval, stopping).ConfigureAwait(false);
            }
            catch (Exception exception) when (!stopping.IsCancellationRequested)
            {
                if (failureWait == TimeSpan.Zero)
                {
                    Log.ClaimFailed(_logger, exception, _name); // once, however long it lasts
                }

                failureWait = Longer(failureWait);
                await PauseAsync(failureWait, stopping).ConfigureAwait(false);
            }
            catch (Exception)
            {
                return; // it stops, and whatever was asked for at this moment may fail
            }
        }
    }

    private async Task<int> ClaimAsync(int most, CancellationToken stopping)
    {
        long askedAt = ActiveRun.Now(_time);
        Dictionary<string, int> room = Room(most);
        if (room.Count == 0)
        {
            return 0;
        }

        IReadOnlyList<Claim> claims = await _journal.ClaimAsync(_name, room, most, stopping).ConfigureAwait(false);
        foreach (Claim claim in claims)
        {
            var run = new ActiveRun(claim, askedAt, _time);
            if (_active.TryGetValue(claim.Run.Id, out ActiveRun? earlier))
            {
                earlier.Stop(StopReason.LeaseLost); // the journal would not have given it out again otherwise
            }

            _active[claim.Run.Id] = run;
            Interlocked.Increment(ref _running);
            run.Task = Task.Run(() => WorkAsync(run), CancellationToken.None);
            if (run.BeatAt < Volatile.Read(ref _nextBeat))
            {
                _beatSoon.Set();
            }
        }

        return claims.Count;
    }

    /// <summary>How many runs of each type it can take now; types without room are left out.</summary>
    private Dictionary<string, int> Room(int most)
    {
        var room = new Dictionary<string, int>(_types.Count, StringComparer.Ordinal);
        foreach (string type in _types.Keys)
        {
            int free = _mostOfType?.Invoke(type) is { } limit ? Math.Min(most, limit - _active.Values.Count(run => run.Claim.Run.Type == type)) : most;
            if (free > 0)
            {
                room.Add(type, free);
            }
        }

        return room;
    }

    private async Task WorkAsync(ActiveRun run)
    {
        try
        {
            await _execution.ExecuteAsync(run, _types[run.Claim.Run.Type]).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            Log.ExecutionFailed(_logger, exception, run.Claim.Run.Id); // its lease runs out, and it is tried again
        }
        finally
        {
            // The same run may have been claimed again already, under another fence.
            _active.TryRemove(new KeyValuePair<string, ActiveRun>(run.Claim.Run.Id, run));
            Interlocked.Decrement(ref _running);
            _claimSoon.Set();
            await run.Beat.ConfigureAwait(false);
            run.Dispose();
        }
    }

    private async Task BeatAsync(CancellationToken ended)
    {
        while (!ended.IsCancellationRequested)
        {
            long now = ActiveRun.Now(_time);
            long next = now + (long)LongestBeatWait.TotalMilliseconds;
            foreach (ActiveRun run in _active.Values)
            {
                if (run.BeatAt <= now && run.Beat.IsCompleted)
                {
                    run.Beat = _execution.BeatAsync(run, ended);
                }

                next = Math.Min(next, run.Beat.IsCompleted ? run.BeatAt : now + Math.Max(1, run.LeaseMs / 20));
            }

            Volatile.Write(ref _nextBeat, next);
            await _beatSoon.WaitAsync(TimeSpan.FromMilliseconds(next - ActiveRun.Now(_time)), ended).ConfigureAwait(false);
        }
    }

    private async Task PresentAsync(CancellationToken ended)
    {
        var entry = new WorkerEntry(_name, Environment.MachineName, _program, _slots, [.. _types.Keys.Order(StringComparer.Ordinal)]);
        JobTypeEntry[] types = [.. _types.Values.Select(static type => new JobTypeEntry(type.Name, type.Description, type.InputSchema, type.OutputSchema, type.Options))];
        TimeSpan failureWait = TimeSpan.Zero;
        while (!ended.IsCancellationRequested)
        {
            try
            {
                await _journal.EnterAsync(entry, types, ended).ConfigureAwait(false);
                failureWait = TimeSpan.Zero;
                await PauseAsync(Journal.Journal.EntryInterval, ended).ConfigureAwait(false);
            }
            catch (Exception exception) when (!ended.IsCancellationRequested)
            {
                Log.EntryFailed(_logger, exception, _name);
                failureWait = Longer(failureWait);
                await PauseAsync(failureWait, ended).ConfigureAwait(false);
            }
            catch (Exception)
            {
                return; // it stops, and whatever was asked for at this moment may fail
            }
        }
    }

    // Hands back also what a claim has taken whose answer never came.
    private async Task LeaveAsync()
    {
        using var limit = new CancellationTokenSource(_cancelLimit, _time);
        try
        {
            await _journal.LeaveAsync(_name, limit.Token).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            Log.LeaveFailed(_logger, exception, _name); // its leases run out
        }
    }

    private async Task TickAsync(CancellationToken ended)
    {
        TimeSpan failureWait = TimeSpan.Zero;
        while (!ended.IsCancellationRequested)
        {
            try
            {
                long startedAt = _time.GetTimestamp();
                bool hasMore = await _journal.TickAsync(DueAtOnce, ended).ConfigureAwait(false);

                // After a crash very much may be due: half of the journal's time is for the runs that go on meanwhile.
                TimeSpan taken = _time.GetElapsedTime(startedAt);
                await PauseAsync(hasMore && taken < _tickInterval ? taken : _tickInterval, ended).ConfigureAwait(false);

                failureWait = TimeSpan.Zero;
            }
            catch (Exception exception) when (!ended.IsCancellationRequested)
            {
                Log.TickFailed(_logger, exception, _name);
                failureWait = Longer(failureWait);
                await PauseAsync(failureWait, ended).ConfigureAwait(false);
            }
            catch (Exception)
            {
                return; // it stops, and whatever was asked for at this moment may fail
            }
        }
    }

    private async Task DrainAsync()
    {
        ActiveRun[] left = [.. _active.Values];
        if (await EndAsync(left, _drainLimit).ConfigureAwait(false))
        {
            return;
        }

        Log.HandingBack(_logger, _name, Running);
        foreach (ActiveRun run in left)
        {
            run.Stop(StopReason.Stopping);
        }

        if (await EndAsync(left, _cancelLimit).ConfigureAwait(false))
        {
            return;
        }

        foreach (ActiveRun run in _active.Values)
        {
            Log.DoesNotEnd(_logger, run.Claim.Run.Type, run.Claim.Run.Id);
            await _execution.HandBackAsync(run).ConfigureAwait(false);
        }
    }

    private async Task<bool> EndAsync(ActiveRun[] runs, TimeSpan longest)
    {
        Task all = Task.WhenAll(runs.Select(static run => run.Task));
        using var delay = new CancellationTokenSource();
        await Task.WhenAny(all, Task.Delay(longest, _time, delay.Token)).ConfigureAwait(false);
        await delay.CancelAsync().ConfigureAwait(false);
        return all.IsCompleted;
    }

    private void OnReady(string type)
    {
        if (type.Length == 0 || _types.ContainsKey(type))
        {
            _claimSoon.Set();
        }
    }

    // The hint may be an old one, and the run have been tried anew since: the journal knows.
    private void OnCancelling(string id)
    {
        if (_active.TryGetValue(id, out ActiveRun? run))
        {
            run.Ask();
            _beatSoon.Set();
        }
    }

    private static TimeSpan Longer(TimeSpan wait) => wait == TimeSpan.Zero ? TimeSpan.FromMilliseconds(50) : TimeSpan.FromTicks(Math.Min(2 * wait.Ticks, LongestFailureWait.Ticks));

    private async Task PauseAsync(TimeSpan pause, CancellationToken cancellationToken) =>
        await Task.Delay(pause, _time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private static partial class Log
    {
        [LoggerMessage(7000, LogLevel.Information, "Worker {Name} takes up to {Slots} runs of {Types}.")]
        public static partial void Started(ILogger logger, string name, int slots, string types);

        [LoggerMessage(7001, LogLevel.Information, "Worker {Name} has stopped.")]
        public static partial void Stopped(ILogger logger, string name);

        [LoggerMessage(7002, LogLevel.Warning, "Worker {Name} cannot claim runs; it tries again until it can.")]
        public static partial void ClaimFailed(ILogger logger, Exception exception, string name);

        [LoggerMessage(7003, LogLevel.Warning, "Worker {Name} cannot do what is due in the journal; it tries again.")]
        public static partial void TickFailed(ILogger logger, Exception exception, string name);

        [LoggerMessage(7004, LogLevel.Information, "Worker {Name} is stopped and hands {Count} runs back.")]
        public static partial void HandingBack(ILogger logger, string name, int count);

        [LoggerMessage(7005, LogLevel.Warning, "The code of {Type} goes on although run {Run} was cancelled; the run was handed back.")]
        public static partial void DoesNotEnd(ILogger logger, string type, string run);

        [LoggerMessage(7007, LogLevel.Debug, "Worker {Name} cannot say that it is there; it tries again.")]
        public static partial void EntryFailed(ILogger logger, Exception exception, string name);

        [LoggerMessage(7008, LogLevel.Debug, "Worker {Name} cannot say that it has left.")]
        public static partial void LeaveFailed(ILogger logger, Exception exception, string name);

        [LoggerMessage(7006, LogLevel.Error, "What became of run {Run} could not be recorded; it is tried again when its lease has run out.")]
        public static partial void ExecutionFailed(ILogger logger, Exception exception, string run);
    }
}

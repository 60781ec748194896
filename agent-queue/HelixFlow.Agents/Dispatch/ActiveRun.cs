using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Dispatch;

/// <summary>Why the code of a run was told to end.</summary>
internal enum StopReason
{
    /// <summary>It was not.</summary>
    None,

    /// <summary>Somebody wants the run to end.</summary>
    Cancelled,

    /// <summary>The run is another worker's, or may be.</summary>
    LeaseLost,

    /// <summary>The attempt has taken as long as it may.</summary>
    TimedOut,

    /// <summary>The worker stops.</summary>
    Stopping,
}

/// <summary>A run that a worker holds. Its lease is measured on this process's own clock, from before the journal was asked: it ends here first.</summary>
internal sealed class ActiveRun : IDisposable
{
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _held;
    private readonly CancellationTokenSource _stop;
    private readonly Lock _lock = new();
    private StopReason _reason;
    private bool _isDisposed;
    private long _beatAt;
    private long _askedAt = long.MaxValue; // since when it is wanted to be known whether the run is to end

    /// <param name="claim">The run and its lease.</param>
    /// <param name="claimedAt">When it was asked for, on the clock of <see cref="Now"/>.</param>
    /// <param name="time">The clock.</param>
    public ActiveRun(Claim claim, long claimedAt, TimeProvider time)
    {
        _time = time;
        Claim = claim;
        LeaseMs = Math.Clamp(claim.Run.Options.LeaseMs, 1, int.MaxValue);
        ClaimedAt = claimedAt;
        long passed = Now(time) - claimedAt;
        _beatAt = claimedAt + (LeaseMs / 3);
        _held = new CancellationTokenSource(TimeSpan.FromMilliseconds(Math.Max(0, LeaseMs - passed)), time);
        _stop = CancellationTokenSource.CreateLinkedTokenSource(_held.Token);
        long limit = Math.Clamp(claim.Run.Options.AttemptTimeoutMs, 0, int.MaxValue);
        AttemptLimit = limit > 0
            ? time.CreateTimer(static run => ((ActiveRun)run!).Stop(StopReason.TimedOut), this, TimeSpan.FromMilliseconds(Math.Max(0, limit - passed)), Timeout.InfiniteTimeSpan)
            : null;
    }

    public Claim Claim { get; }

    public Lease Lease => Claim.Lease;

    public long LeaseMs { get; }

    public long ClaimedAt { get; }

    /// <summary>Cancelled when the lease has ended, or was lost.</summary>
    public CancellationToken Held => _held.Token;

    /// <summary>Cancelled when the run's code is to end, for whatever reason.</summary>
    public CancellationToken Token => _stop.Token;

    /// <summary>When the next sign of life is due, on the clock of <see cref="Now"/>.</summary>
    public long BeatAt => Math.Min(Volatile.Read(ref _beatAt), Volatile.Read(ref _askedAt));

    /// <summary>The sign of life that is under way, or was the last.</summary>
    public Task Beat { get; set; } = Task.CompletedTask;

    /// <summary>The run's code and what follows from it.</summary>
    public Task Task { get; set; } = Task.CompletedTask;

    public StopReason Reason
    {
        get
        {
            lock (_lock)
            {
                return _reason != StopReason.None || !_held.IsCancellationRequested ? _reason : StopReason.LeaseLost;
            }
        }
    }

    private ITimer? AttemptLimit { get; }

    /// <summary>Milliseconds on a clock that never goes back, and goes on while the process is paused.</summary>
    public static long Now(TimeProvider time) => (long)time.GetElapsedTime(0, time.GetTimestamp()).TotalMilliseconds;

    /// <summary>The journal has taken a sign of life that was sent at a time.</summary>
    public void Extend(long sentAt)
    {
        lock (_lock)
        {
            if (!_isDisposed)
            {
                _held.CancelAfter(TimeSpan.FromMilliseconds(Math.Max(0, sentAt + LeaseMs - Now(_time))));
                Volatile.Write(ref _beatAt, sentAt + (LeaseMs / 3));
                if (sentAt > _askedAt)
                {
                    Volatile.Write(ref _askedAt, long.MaxValue); // one that was under way when it was asked may have come too early to know
                }
            }
        }
    }

    /// <summary>The next sign of life is due now: its answer tells whether the run is to end.</summary>
    public void Ask()
    {
        lock (_lock)
        {
            Volatile.Write(ref _askedAt, Now(_time));
        }
    }

    /// <summary>The next sign of life is to be tried soon again, as the journal could not be asked.</summary>
    public void BeatSoon()
    {
        lock (_lock)
        {
            long soon = Now(_time) + Math.Max(1, LeaseMs / 20);
            Volatile.Write(ref _beatAt, soon);
            if (_askedAt != long.MaxValue)
            {
                Volatile.Write(ref _askedAt, soon);
            }
        }
    }

    /// <summary>Tells the run's code to end. The first reason stays, but for a lease that is lost: then nothing can be written.</summary>
    public void Stop(StopReason reason)
    {
        lock (_lock)
        {
            if (_isDisposed)
            {
                return;
            }

            if (_reason == StopReason.None || reason == StopReason.LeaseLost)
            {
                _reason = reason;
            }
        }

        // Callbacks of the code run here, so not under the lock.
        try
        {
            (reason == StopReason.LeaseLost ? _held : _stop).Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The run ended at this moment.
        }
        catch (AggregateException)
        {
            // A callback that the run's code had registered has failed; the token is cancelled all the same.
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
        }

        AttemptLimit?.Dispose();
        _stop.Dispose();
        _held.Dispose();
    }
}

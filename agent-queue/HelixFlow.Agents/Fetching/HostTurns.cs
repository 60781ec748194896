namespace HelixFlow.Agents.Fetching;

/// <summary>Lets one request at a time go to a host, and the host rest between two. Thread-safe.</summary>
internal sealed class HostTurns(TimeProvider time)
{
    private const int MostIdle = 1024; // hosts that are remembered although nobody asks them

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Host> _hosts = new(StringComparer.OrdinalIgnoreCase);

    internal int Remembered
    {
        get
        {
            lock (_lock)
            {
                return _hosts.Count;
            }
        }
    }

    /// <summary>Waits until nobody else asks the host; the turn ends when it is disposed.</summary>
    public async Task<Turn> EnterAsync(string name, CancellationToken cancellationToken)
    {
        Host? host;
        lock (_lock)
        {
            if (!_hosts.TryGetValue(name, out host))
            {
                host = new Host(time.GetTimestamp());
                _hosts.Add(name, host);
            }

            host.Users++;
        }

        try
        {
            await host.Gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            Leave(host);
            throw;
        }

        return new Turn(this, host);
    }

    private void Leave(Host host)
    {
        lock (_lock)
        {
            host.Users--;
            if (_hosts.Count > MostIdle)
            {
                string[] idle =
                [
                    .. _hosts.Where(static pair => pair.Value.Users == 0).OrderBy(static pair => pair.Value.LastAsked).Take(MostIdle / 4).Select(static pair => pair.Key),
                ];
                Array.ForEach(idle, name => _hosts.Remove(name));
            }
        }
    }

    /// <summary>The right to ask a host.</summary>
    internal sealed class Turn(HostTurns turns, Host host) : IDisposable
    {
        /// <summary>Waits until the host has rested since it was asked last, for so long or for as long as it wants.</summary>
        public async Task RestAsync(TimeSpan delay, CancellationToken cancellationToken)
        {
            TimeSpan left = host.WasAsked ? (delay > host.Pause ? delay : host.Pause) - turns.Time.GetElapsedTime(host.LastAsked) : TimeSpan.Zero;
            if (left > TimeSpan.Zero)
            {
                await Task.Delay(left, turns.Time, cancellationToken).ConfigureAwait(false);
            }
        }

        /// <summary>Notes that the host has answered, or has failed to, and how long it wants to be left alone.</summary>
        public void Asked(TimeSpan pause)
        {
            host.WasAsked = true;
            host.Pause = pause;
            host.LastAsked = turns.Time.GetTimestamp();
        }

        public void Dispose()
        {
            host.Gate.Release();
            turns.Leave(host);
        }
    }

    private TimeProvider Time => time;

    /// <param name="now">When it was met.</param>
    internal sealed class Host(long now)
    {
        public SemaphoreSlim Gate { get; } = new(1);

        public int Users { get; set; }

        public bool WasAsked { get; set; }

        public TimeSpan Pause { get; set; }

        public long LastAsked { get; set; } = now;
    }
}

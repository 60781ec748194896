namespace HelixFlow.Cli.Bench.Load;

/// <summary>How the requests are sent.</summary>
internal sealed record LoadOptions
{
    /// <summary>The most requests on their way at a time; those above it wait, and their latency counts meanwhile.</summary>
    public int Connections { get; init; } = 512;

    /// <summary>How long after its arrival a request is given up; infinite for never.</summary>
    public TimeSpan Timeout { get; init; } = System.Threading.Timeout.InfiniteTimeSpan;
}

/// <summary>Sends planned requests to a target.</summary>
/// <remarks>
/// In the open loop nothing that the target does delays an arrival, and every latency counts from the moment at which a request should have been
/// sent: a server that stalls is charged with all that would have arrived meanwhile, not with one slow request (the error that is called
/// coordinated omission). Where the generator itself is late, <see cref="RequestTrace.Lag"/> says by how much.
/// </remarks>
internal sealed class LoadGenerator(ILoadTarget target, LoadOptions options, TimeProvider time)
{
    /// <summary>Sends each request at its arrival and returns when all are over.</summary>
    /// <param name="requests">In order of arrival.</param>
    /// <param name="finished">Told of each request that is over, on any thread.</param>
    /// <param name="cancellationToken">Ends the run.</param>
    public async Task<List<RequestTrace>> RunOpenAsync(IEnumerable<PlannedRequest> requests, Action<RequestTrace>? finished, CancellationToken cancellationToken)
    {
        using var slots = new SemaphoreSlim(options.Connections);
        var clock = new LoadClock(time);
        var traces = new List<RequestTrace>();
        var running = new List<Task>();
        try
        {
            foreach (PlannedRequest request in requests)
            {
                await clock.UntilAsync(request.Arrival, cancellationToken);
                var trace = new RequestTrace(request) { Arrival = request.Arrival };
                traces.Add(trace);
                running.Add(SendAsync(trace, clock, slots, finished, cancellationToken));
            }
        }
        finally
        {
            await Task.WhenAll(running);
        }

        return traces;
    }

    /// <summary>Sends requests one after another from each of some users, who wait for their answers.</summary>
    /// <param name="requests">What to send; arrivals are ignored.</param>
    /// <param name="users">How many.</param>
    /// <param name="duration">After which time no further request is sent; null for no such limit.</param>
    /// <param name="finished">Told of each request that is over, on any thread.</param>
    /// <param name="cancellationToken">Ends the run.</param>
    public async Task<List<RequestTrace>> RunClosedAsync(
        IEnumerable<PlannedRequest> requests, int users, TimeSpan? duration, Action<RequestTrace>? finished, CancellationToken cancellationToken)
    {
        using var slots = new SemaphoreSlim(users);
        var clock = new LoadClock(time);
        var traces = new List<RequestTrace>();
        using IEnumerator<PlannedRequest> next = requests.GetEnumerator();
        var turn = new Lock();
        await Task.WhenAll(Enumerable.Range(0, users).Select(_ => UserAsync()));
        return traces;

        async Task UserAsync()
        {
            await Task.Yield();
            while (true)
            {
                RequestTrace trace;
                lock (turn)
                {
                    if (clock.Now >= (duration ?? TimeSpan.MaxValue) || !next.MoveNext())
                    {
                        return;
                    }

                    trace = new RequestTrace(next.Current) { Arrival = clock.Now };
                    traces.Add(trace);
                }

                await SendAsync(trace, clock, slots, finished, cancellationToken);
            }
        }
    }

    private async Task SendAsync(RequestTrace trace, LoadClock clock, SemaphoreSlim slots, Action<RequestTrace>? finished, CancellationToken cancellationToken)
    {
        // The loop of arrivals goes on while this request is being written.
        await Task.Yield();
        TimeSpan patience = options.Timeout == Timeout.InfiniteTimeSpan ? Timeout.InfiniteTimeSpan : Later(trace.Arrival + options.Timeout - clock.Now, TimeSpan.Zero);
        using var deadline = new CancellationTokenSource(patience, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        bool entered = false;
        trace.Sent = trace.Arrival;
        try
        {
            await slots.WaitAsync(both.Token);
            entered = true;
            trace.Sent = clock.Now;
            await target.SendAsync(trace, clock, both.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            trace.Fail("timeout", $"no complete answer within {options.Timeout.TotalSeconds:F0} s of the arrival");
        }
        finally
        {
            trace.End = clock.Now;
            if (!entered)
            {
                trace.Sent = trace.End;
            }
            else
            {
                slots.Release();
            }

            finished?.Invoke(trace);
        }
    }

    private static TimeSpan Later(TimeSpan a, TimeSpan b) => a > b ? a : b;
}

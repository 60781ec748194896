using System.Collections.Concurrent;
using HelixFlow.Cli.Bench.Load;

namespace HelixFlow.Cli.Tests.Bench.Load;

public sealed class LoadGeneratorTests
{
    private static readonly TimeSpan Guard = TimeSpan.FromMinutes(5);

    [Fact]
    public async Task Arrivals_do_not_wait_for_answers()
    {
        const int Requests = 200;
        var time = new JumpingTime();
        var allSent = new TaskCompletionSource();
        int sent = 0;
        var target = new ScriptedTarget(async (_, _, token) =>
        {
            // No answer before the last request has been sent: a generator that waits for one never gets there.
            if (Interlocked.Increment(ref sent) == Requests)
            {
                allSent.SetResult();
            }

            await allSent.Task.WaitAsync(token);
        });
        TimeSpan[] arrivals = [.. ArrivalSchedule.Poisson(5, new Random(3)).Take(Requests)];

        List<RequestTrace> traces = await new LoadGenerator(target, new LoadOptions(), time).RunOpenAsync(Plan(arrivals), null, CancellationToken.None).WaitAsync(Guard);

        Assert.Equal(arrivals, traces.Select(trace => trace.Arrival));
        Assert.All(traces, trace => Assert.True(trace.IsCompleted && trace.Sent >= trace.Arrival && trace.End >= trace.Sent));
        Assert.True(time.GetTimestamp() >= arrivals[^1].Ticks, "the clock stands at the last arrival");
    }

    [Fact]
    public async Task Latency_counts_from_the_arrival_however_late_the_request_is_sent()
    {
        var time = new JumpingTime();
        var target = new ScriptedTarget((_, _, token) => Task.Delay(TimeSpan.FromSeconds(10), time, token));
        var generator = new LoadGenerator(target, new LoadOptions { Connections = 1 }, time);

        List<RequestTrace> traces = await generator.RunOpenAsync(Plan(new TimeSpan[3]), null, CancellationToken.None).WaitAsync(Guard);

        Assert.Equal([10.0, 20, 30], traces.Select(trace => trace.EndToEnd.TotalSeconds).Order());
        Assert.Equal([0.0, 10, 20], traces.Select(trace => trace.Lag.TotalSeconds).Order());
        var summary = new LoadSummary(new LoadRun("m", 1, null, new LatencyLimits()), traces);
        Assert.True(summary.FellBehind);
        Assert.Equal(1, summary.MostConcurrent);
    }

    [Fact]
    public async Task A_request_is_given_up_at_its_deadline()
    {
        var time = new JumpingTime();
        var target = new ScriptedTarget((_, _, token) => Task.Delay(Timeout.InfiniteTimeSpan, token));
        var generator = new LoadGenerator(target, new LoadOptions { Timeout = TimeSpan.FromSeconds(5) }, time);

        List<RequestTrace> traces = await generator.RunOpenAsync(Plan(new TimeSpan[2]), null, CancellationToken.None).WaitAsync(Guard);

        Assert.All(traces, trace => Assert.Equal("timeout", trace.Error));
        Assert.All(traces, trace => Assert.True(trace.End >= TimeSpan.FromSeconds(5)));
    }

    [Fact]
    public async Task Cancelling_ends_the_run()
    {
        using var stop = new CancellationTokenSource();
        var target = new ScriptedTarget(async (_, _, token) =>
        {
            await stop.CancelAsync();
            await Task.Delay(Timeout.InfiniteTimeSpan, token);
        });

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => new LoadGenerator(target, new LoadOptions(), new JumpingTime()).RunOpenAsync(Plan(new TimeSpan[5]), null, stop.Token).WaitAsync(Guard));
    }

    [Fact]
    public async Task Users_of_a_closed_loop_wait_for_their_answers()
    {
        var time = new JumpingTime();
        int now = 0;
        int most = 0;
        var seen = new ConcurrentBag<int>();
        var target = new ScriptedTarget(async (trace, _, token) =>
        {
            int running = Interlocked.Increment(ref now);
            lock (seen)
            {
                most = Math.Max(most, running);
            }

            seen.Add(trace.Request.Index);
            await Task.Delay(TimeSpan.FromMilliseconds(10), time, token);
            Interlocked.Decrement(ref now);
        });
        int finished = 0;

        List<RequestTrace> traces = await new LoadGenerator(target, new LoadOptions(), time)
            .RunClosedAsync(Plan(new TimeSpan[50]), 3, null, _ => Interlocked.Increment(ref finished), CancellationToken.None).WaitAsync(Guard);

        Assert.InRange(most, 1, 3);
        Assert.Equal(Enumerable.Range(0, 50), seen.Order());
        Assert.Equal(50, finished);
        Assert.All(traces, trace => Assert.True(trace.Lag >= TimeSpan.Zero));
    }

    [Fact]
    public async Task A_closed_loop_ends_with_its_duration()
    {
        var time = new JumpingTime();
        var target = new ScriptedTarget((_, _, token) => Task.Delay(TimeSpan.FromSeconds(1), time, token));

        List<RequestTrace> traces = await new LoadGenerator(target, new LoadOptions(), time)
            .RunClosedAsync(Plan(Enumerable.Repeat(TimeSpan.Zero, int.MaxValue)), 1, TimeSpan.FromSeconds(7), null, CancellationToken.None).WaitAsync(Guard);

        Assert.Equal(7, traces.Count);
    }

    private static IEnumerable<PlannedRequest> Plan(IEnumerable<TimeSpan> arrivals) => new Workload(new WorkloadOptions()).Plan(arrivals);

    private sealed class ScriptedTarget(Func<RequestTrace, LoadClock, CancellationToken, Task> answer) : ILoadTarget
    {
        public Task SendAsync(RequestTrace trace, LoadClock clock, CancellationToken cancellationToken) => answer(trace, clock, cancellationToken);
    }
}

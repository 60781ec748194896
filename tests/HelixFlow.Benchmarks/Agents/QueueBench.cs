using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Hints;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;
using HelixFlow.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.Benchmarks.Agents;

/// <summary>A journal with one worker, which is asked for jobs through the same journal, or through another one on the same database as in another process.</summary>
internal sealed class QueueBench : IAsyncDisposable
{
    private const int Slots = 256;
    private const int RepeatedReplays = 10;

    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly CancellationTokenSource _stopping = new();
    private readonly Journal _journal;
    private readonly Journal _asked;
    private readonly IHintChannel[] _channels;
    private readonly Task _work;
    private readonly long[] _startedAt = new long[100_000];
    private int _ended;
    private int _wanted;
    private TaskCompletionSource _all = new();
    private double[] _stepTimes = [];

    /// <param name="database">The worker's.</param>
    /// <param name="folder">For large values.</param>
    /// <param name="asked">The same database as the process has it that is asked for jobs; null when that is the worker's.</param>
    /// <param name="carrier">What carries hints between these two.</param>
    public QueueBench(IDatabase database, string folder, IDatabase? asked = null, Func<Journal, IHintChannel>? carrier = null)
    {
        _journal = new Journal(database, new BlobFolder(folder), TimeProvider.System, new JournalOptions());
        _asked = asked is null ? _journal : new Journal(asked, new BlobFolder(folder), TimeProvider.System, new JournalOptions());
        Journal[] journals = carrier is null ? [] : [_journal, _asked];
        _channels = [.. journals.Select(journal => carrier!(journal))];
        var hints = new HintMetrics(_services.GetRequiredService<IMeterFactory>());
        IEnumerable<Task> relays = journals.Select((journal, i) => new HintRelay(journal, _channels[i], hints, TimeProvider.System, NullLogger<HintRelay>.Instance).RunAsync(_stopping.Token));
        IJobType[] types = [new BenchJob("noop", NoopAsync), new BenchJob("paced", PacedAsync), new BenchJob("chain", ChainAsync)];
        var worker = new Worker(
            _journal, types, new WorkerOptions { Slots = Slots }, new WorkerMetrics(_services.GetRequiredService<IMeterFactory>()), TimeProvider.System, NullLogger<Worker>.Instance);
        _work = Task.WhenAll([.. relays, worker.RunAsync(_stopping.Token)]);
    }

    /// <summary>Size of the inputs and outputs of no-op jobs; 0 for a number.</summary>
    public int InputBytes { get; init; }

    /// <summary>Jobs per second from the first request to the last end, and the processor time of each.</summary>
    public async Task<(double Rate, double CpuMicroseconds)> JobsAsync(int jobs, CancellationToken stopping)
    {
        string Input(int i) => InputBytes == 0 ? i.ToString(CultureInfo.InvariantCulture) : $"\"{i.ToString(CultureInfo.InvariantCulture).PadLeft(InputBytes - 2, '-')}\"";
        Expect(jobs);
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        long start = Stopwatch.GetTimestamp();
        await Parallel.ForEachAsync(
            Enumerable.Range(0, jobs), new ParallelOptions { MaxDegreeOfParallelism = Slots, CancellationToken = stopping }, async (i, token) => await RequestAsync("noop", Input(i), token));
        await DrainAsync("noop", stopping);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return (jobs / seconds, (Environment.CpuUsage.TotalTime - cpu).TotalMicroseconds / jobs);
    }

    /// <summary>One run of steps, one after another: each step's time, and the average with all that is between them.</summary>
    public async Task<(Percentiles Steps, double PerStep)> StepsAsync(int steps, CancellationToken stopping)
    {
        _stepTimes = new double[steps];
        Expect(1);
        long start = Stopwatch.GetTimestamp();
        await RequestAsync("chain", steps, stopping);
        await _all.Task.WaitAsync(stopping);
        await DrainAsync("chain", stopping);
        return (Percentiles.Of(_stepTimes), Stopwatch.GetElapsedTime(start).TotalMilliseconds / steps);
    }

    /// <summary>From the moment when a request was acknowledged to the first line of the job's code, at a steady rate.</summary>
    public async Task<Percentiles> PickUpAsync(int perSecond, int seconds, CancellationToken stopping)
    {
        int jobs = perSecond * seconds;
        Expect(jobs);
        double[] waits = new double[jobs];
        var acknowledgedAt = new long[jobs];
        var requests = new Task[jobs];
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < jobs; i++)
        {
            double due = i * 1000.0 / perSecond;
            while (due - Stopwatch.GetElapsedTime(start).TotalMilliseconds is > 1 and var left)
            {
                await Task.Delay((int)left, stopping);
            }

            int job = i;
            requests[i] = Task.Run(async () =>
            {
                await RequestAsync("paced", job, stopping);
                acknowledgedAt[job] = Stopwatch.GetTimestamp();
            }, stopping);
        }

        await Task.WhenAll(requests);
        await _all.Task.WaitAsync(stopping);
        for (int i = 0; i < jobs; i++)
        {
            waits[i] = Math.Max(0, (_startedAt[i] - acknowledgedAt[i]) * 1000.0 / Stopwatch.Frequency);
        }

        return Percentiles.Of(waits);
    }

    /// <summary>A run of recorded steps again, after a crash and as a fork: milliseconds from opening it to the end of its code.</summary>
    public async Task<ReplayTimes> ReplayAsync(int steps, CancellationToken stopping)
    {
        string id = await RequestAsync("recorded", steps, stopping);
        Claim claim = (await _journal.ClaimAsync("bench", ["recorded"], 1, stopping))[0];
        Run first = await Run.OpenAsync(_journal, claim, TimeProvider.System, stopping);
        await Task.WhenAll(Enumerable.Range(0, steps).Select(i => first.StepAsync($"step/{i}", Noop, i, stopping)));
        await _journal.ReleaseAsync(claim.Lease, stopping); // as a worker does that stops: the run has all its steps, and no end
        ReplayTimes best = await ReplayOnceAsync("recorded", steps, isLast: false, stopping);
        for (int i = 0; i < RepeatedReplays; i++)
        {
            ReplayTimes next = await ReplayOnceAsync("recorded", steps, isLast: i == RepeatedReplays - 1, stopping);
            best = new ReplayTimes(Math.Min(best.Whole, next.Whole), Math.Min(best.Opening, next.Opening), Math.Min(best.Code, next.Code), 0);
        }

        await _journal.RequestAsync(new RunRequest { Project = "p", Type = "recorded", Input = "0"u8.ToArray(), ForkOf = id }, stopping);
        return best with { Fork = (await ReplayOnceAsync("recorded", steps, isLast: true, stopping)).Whole };
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _work;
        foreach (IHintChannel channel in _channels)
        {
            await channel.DisposeAsync();
        }

        _stopping.Dispose();
        await _services.DisposeAsync();
    }

    private static StepExecutor<int, int> Noop { get; } = new(
        "noop", 1, EffectClass.Recorded, BenchJson.Default.Int32, BenchJson.Default.Int32, static (input, _, _) => Task.FromResult(input));

    private async Task<ReplayTimes> ReplayOnceAsync(string type, int steps, bool isLast, CancellationToken stopping)
    {
        Claim claim = (await _journal.ClaimAsync("bench", [type], 1, stopping))[0];
        long start = Stopwatch.GetTimestamp();
        Run run = await Run.OpenAsync(_journal, claim, TimeProvider.System, stopping);
        double opening = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        for (int i = 0; i < steps; i++)
        {
            await run.StepAsync($"step/{i}", Noop, i, stopping);
        }

        double code = Stopwatch.GetElapsedTime(start).TotalMilliseconds - opening;
        await run.ReportAsync(100, null, stopping); // what was taken from another run is recorded before it
        double whole = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        await (isLast ? _journal.SucceedAsync(claim.Lease, "1"u8.ToArray(), stopping) : _journal.ReleaseAsync(claim.Lease, stopping));
        return run.Executed == 0 ? new ReplayTimes(whole, opening, code, 0) : throw new InvalidOperationException($"{run.Executed} steps were executed.");
    }

    private void Expect(int jobs)
    {
        _all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _ended, 0);
        Volatile.Write(ref _wanted, jobs);
    }

    private void CountEnd()
    {
        if (Interlocked.Increment(ref _ended) == Volatile.Read(ref _wanted))
        {
            _all.TrySetResult();
        }
    }

    // The last code has run; now its end is to be on the disk too.
    private async Task DrainAsync(string type, CancellationToken stopping)
    {
        await _all.Task.WaitAsync(stopping);
        while ((await _journal.CountAsync(stopping)).Exists(count => count.Type == type && count.State is RunState.Running or RunState.Ready))
        {
            await Task.Yield();
        }
    }

    private Task<string> RequestAsync(string type, int input, CancellationToken stopping) => RequestAsync(type, input.ToString(CultureInfo.InvariantCulture), stopping);

    private async Task<string> RequestAsync(string type, string input, CancellationToken stopping) => (await _asked.RequestAsync(
        new RunRequest { Project = "p", Type = type, Input = Encoding.UTF8.GetBytes(input) }, stopping)).Run!.Id;

    private Task<JsonElement> NoopAsync(Run run, CancellationToken stopping)
    {
        CountEnd();
        return Task.FromResult(run.Input);
    }

    private Task<JsonElement> PacedAsync(Run run, CancellationToken stopping)
    {
        _startedAt[run.Input.GetInt32()] = Stopwatch.GetTimestamp();
        CountEnd();
        return Task.FromResult(run.Input);
    }

    private async Task<JsonElement> ChainAsync(Run run, CancellationToken stopping)
    {
        for (int i = 0; i < _stepTimes.Length; i++)
        {
            long start = Stopwatch.GetTimestamp();
            await run.StepAsync($"step/{i}", Noop, i, stopping);
            _stepTimes[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }

        CountEnd();
        return run.Input;
    }
}

/// <summary>Milliseconds of a run of recorded steps again: in all, to open it, its code alone; and in all as a fork.</summary>
internal readonly record struct ReplayTimes(double Whole, double Opening, double Code, double Fork);

[JsonSerializable(typeof(int))]
internal sealed partial class BenchJson : JsonSerializerContext;

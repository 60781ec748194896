using HelixFlow.Engine.Execution;
using HelixFlow.Engine.KvCache;
using HelixFlow.Engine.Sampling;
using HelixFlow.Engine.Scheduling;
using HelixFlow.Engine.Speculation;
using HelixFlow.TestKit.Execution;

namespace HelixFlow.Engine.Tests.Scheduling;

/// <summary>Requests that come together begin together. In virtual time, but for the wait for what does not come.</summary>
public sealed class BurstTests
{
    [Fact]
    public void Nothing_is_waited_for_before_a_step_has_been_measured()
    {
        Scheduler scheduler = Waiting(100);

        Assert.Equal(TimeSpan.Zero, scheduler.GatheringTime());
    }

    [Theory]
    [InlineData(0.01, 0)] // a millisecond for the step: less than any wait
    [InlineData(0.4, 0)]
    [InlineData(0.75, 1.5)] // a fiftieth of 75 ms
    [InlineData(10, 2)] // a second
    public void The_wait_is_a_small_share_of_what_the_step_takes(double perRowMs, double waitMs)
    {
        var scheduler = new Scheduler(new BlockPool(300, 16), 512, 8, prefixReuse: false, TimeSpan.FromSeconds(30));
        scheduler.Add(Prompt(50, 0), TimeSpan.Zero);
        StepPlan plan = scheduler.Plan(TimeSpan.Zero);
        scheduler.Commit(plan);
        scheduler.Learn(plan, TimeSpan.FromMilliseconds(50 * perRowMs));
        scheduler.Remove(plan.Entries[0].Sequence);
        scheduler.Add(Prompt(100, 1), TimeSpan.Zero);

        Assert.Equal(waitMs, scheduler.GatheringTime().TotalMilliseconds, 0.01);
    }

    [Fact]
    public void Nobody_is_waited_for_when_there_is_no_room()
    {
        var scheduler = new Scheduler(new BlockPool(300, 16), 512, 2, prefixReuse: false, TimeSpan.FromSeconds(30));
        scheduler.Add(Prompt(50, 0), TimeSpan.Zero);
        StepPlan plan = scheduler.Plan(TimeSpan.Zero);
        scheduler.Commit(plan);
        scheduler.Learn(plan, TimeSpan.FromSeconds(1));
        scheduler.Remove(plan.Entries[0].Sequence);
        scheduler.Add(Prompt(50, 1), TimeSpan.Zero);
        Assert.NotEqual(TimeSpan.Zero, scheduler.GatheringTime());

        scheduler.Add(Prompt(50, 2), TimeSpan.Zero);

        Assert.Equal(TimeSpan.Zero, scheduler.GatheringTime());
    }

    [Fact]
    public async Task A_request_that_comes_while_an_idle_engine_takes_another_in_begins_in_the_same_step()
    {
        var time = new HookedTime();
        var sequences = new List<int>(); // of each step
        using var runner = new FakeModelRunner(blocks: 400, blockSize: 16, contextLength: 4096, maxRows: 512);
        runner.OnStep = batch =>
        {
            sequences.Add(batch.Sequences.Length);
            time.Advance(TimeSpan.FromMilliseconds(10 * batch.Rows));
        };
        await using var engine = new InferenceEngine(runner, new EngineOptions { TimeProvider = time, PrefixReuse = false, Speculation = SpeculationMode.Off });
        using var guard = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await CompleteAsync(Submit(engine, 0), guard.Token); // its steps are measured
        await PublishedAsync(engine, guard.Token);
        int before = sequences.Count;

        SequenceStream? second = null;
        time.Once = () => second = Submit(engine, 2);
        await CompleteAsync(Submit(engine, 1), guard.Token);
        await CompleteAsync(second!, guard.Token);

        Assert.Equal(2, sequences[before]);
    }

    [Fact]
    public async Task An_engine_that_is_stopped_while_it_waits_for_more_ends_the_request()
    {
        var time = new HookedTime();
        using var runner = new FakeModelRunner(blocks: 400, blockSize: 16, contextLength: 4096, maxRows: 512);
        runner.OnStep = batch => time.Advance(TimeSpan.FromMilliseconds(10 * batch.Rows));
        var engine = new InferenceEngine(runner, new EngineOptions { TimeProvider = time, PrefixReuse = false, Speculation = SpeculationMode.Off });
        using var guard = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await CompleteAsync(Submit(engine, 0), guard.Token);
        await PublishedAsync(engine, guard.Token);

        Task? stopped = null;
        time.Once = () => stopped = engine.DisposeAsync().AsTask();
        SequenceStream stream = Submit(engine, 1);
        await stream.ReadAllAsync(guard.Token).CountAsync(guard.Token);
        await stopped!.WaitAsync(guard.Token);
    }

    private static Scheduler Waiting(int length)
    {
        var scheduler = new Scheduler(new BlockPool(300, 16), 512, 8, prefixReuse: false, TimeSpan.FromSeconds(30));
        scheduler.Add(Prompt(length, 0), TimeSpan.Zero);
        return scheduler;
    }

    private static Sequence Prompt(int length, int arrival) => new([.. Enumerable.Range(0, length)], length + 10, 0, arrival, 0, "");

    private static SequenceStream Submit(InferenceEngine engine, int first)
    {
        var request = new SequenceRequest { RequestId = "test", Prompt = Enumerable.Range(first, 40).ToArray(), MaxTokens = 3, Sampling = SamplingOptions.Greedy };
        Assert.Equal(SubmitOutcome.Accepted, engine.Submit(request, out SequenceStream? stream));
        return stream!;
    }

    private static async Task CompleteAsync(SequenceStream stream, CancellationToken cancellationToken) =>
        Assert.Equal(4, await stream.ReadAllAsync(cancellationToken).CountAsync(cancellationToken));

    /// <summary>Until the engine thread has ended the three steps of a request: it looks at the clock next when it takes another one in.</summary>
    private static async Task PublishedAsync(InferenceEngine engine, CancellationToken cancellationToken)
    {
        while (engine.Snapshot().Steps < 3)
        {
            cancellationToken.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    /// <summary>A clock that only the test moves, and that does something once when the engine thread looks at it.</summary>
    private sealed class HookedTime : TimeProvider
    {
        private long _ticks;
        private Action? _once;

        public Action? Once
        {
            set => Volatile.Write(ref _once, value);
        }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp()
        {
            if (Thread.CurrentThread.Name == "helixflow-engine" && Interlocked.Exchange(ref _once, null) is { } once)
            {
                once();
            }

            return Volatile.Read(ref _ticks);
        }

        public override DateTimeOffset GetUtcNow() => new(Volatile.Read(ref _ticks), TimeSpan.Zero);

        public void Advance(TimeSpan span) => Interlocked.Add(ref _ticks, span.Ticks);
    }
}

using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.TestKit.Backends;
using HelixFlow.TestKit.Execution;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Tests.Execution;

public sealed class StepWatchTests
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    [Fact]
    public void A_hang_is_noticed_within_the_limit_and_never_before_it_less_two_intervals()
    {
        var random = new Random(3);
        for (int round = 0; round < 2000; round++)
        {
            TimeSpan interval = TimeSpan.FromMilliseconds(random.Next(10, 1000));
            TimeSpan limit = (interval * 2) + TimeSpan.FromMilliseconds(random.Next(1, 8000));
            var watch = new StepWatch(interval, limit);
            TimeSpan lastSign = TimeSpan.FromMilliseconds(random.Next(1000, 20_000));
            TimeSpan now = TimeSpan.FromMilliseconds(random.Next(1000));
            while (watch.Look(Snapshot(Math.Min(now.Ticks, lastSign.Ticks)), now) == StepHealth.Healthy)
            {
                now += interval;
                Assert.True(now < TimeSpan.FromMinutes(1));
            }

            Assert.InRange(now - lastSign, limit - (2 * interval), limit);
        }
    }

    [Fact]
    public void An_idle_engine_is_healthy_for_ever_and_so_is_its_first_busy_look()
    {
        var watch = new StepWatch(Interval);

        Assert.All(Enumerable.Range(0, 100), i => Assert.Equal(StepHealth.Healthy, watch.Look(Snapshot(7, busy: false), i * Interval)));
        Assert.Equal(StepHealth.Healthy, watch.Look(Snapshot(7), 100 * Interval));
        Assert.Equal(TimeSpan.Zero, watch.Silence);
    }

    [Fact]
    public void A_step_that_comes_back_is_healthy_again()
    {
        var watch = new StepWatch(Interval);
        StepHealth health = StepHealth.Healthy;
        int look = 0;
        for (; look < 12; look++)
        {
            health = watch.Look(Snapshot(1), look * Interval);
        }

        Assert.Equal(StepHealth.Hung, health);
        Assert.Equal(StepHealth.Healthy, watch.Look(Snapshot(2), look * Interval));
    }

    [Fact]
    public void A_machine_that_slept_does_not_wake_up_hung()
    {
        var watch = new StepWatch(Interval);
        watch.Look(Snapshot(1), TimeSpan.Zero);

        Assert.Equal(StepHealth.Healthy, watch.Look(Snapshot(1), TimeSpan.FromHours(8)));
        Assert.Equal(2 * Interval, watch.Silence);
    }

    [Fact]
    public void A_faulted_engine_is_faulted_whatever_it_does()
    {
        var watch = new StepWatch(Interval);

        Assert.Equal(StepHealth.Faulted, watch.Look(Snapshot(1) with { Faulted = true }, TimeSpan.Zero));
        Assert.Equal(StepHealth.Faulted, watch.Look(Snapshot(2, busy: false) with { Faulted = true }, Interval));
    }

    [Fact]
    public async Task An_engine_whose_device_blocks_hangs_and_one_whose_device_is_slow_does_not()
    {
        using var gate = new StepGate();
        FakeModelRunner runner = gate.Runner(64);
        await using var test = new EngineUnderTest(runner, new EngineOptions());
        Assert.False(test.Engine.Snapshot().Busy);
        using SequenceStream stream = test.Submit(InferenceEngineTests.Request([1, 2, 3], 3));
        gate.WaitUntilInStep();
        var watch = new StepWatch(Interval);
        TimeSpan now = TimeSpan.FromDays(1);

        // A step of an hour that gives a sign of life every four seconds.
        for (int look = 0; look < 7200; look++)
        {
            if (look % 8 == 0)
            {
                runner.Advance();
            }

            Assert.Equal(StepHealth.Healthy, watch.Look(test.Engine.Snapshot(), now += Interval));
        }

        runner.Advance();
        TimeSpan lastSign = now;
        while (watch.Look(test.Engine.Snapshot(), now) == StepHealth.Healthy)
        {
            now += Interval;
            Assert.True(test.Engine.Snapshot().Busy);
        }

        Assert.InRange(now - lastSign, TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(5));
        gate.Step(1);
        Assert.Equal(StepHealth.Healthy, watch.Look(test.Engine.Snapshot(), now += Interval));
        gate.Open();
        await test.Engine.DrainAsync(CancellationToken.None);
        Assert.False(test.Engine.Snapshot().Busy);
        Assert.Equal(StepHealth.Healthy, watch.Look(test.Engine.Snapshot(), now + TimeSpan.FromHours(1)));
    }

    [Fact]
    public async Task A_waiting_request_makes_the_engine_busy_before_its_step_begins()
    {
        using var gate = new StepGate();
        await using var test = new EngineUnderTest(gate.Runner(64), new EngineOptions { MaxSequences = 1 });
        using SequenceStream running = test.Submit(InferenceEngineTests.Request([1], 2));
        gate.WaitUntilInStep();
        long progress = test.Engine.Snapshot().Progress;
        running.Cancel();
        using SequenceStream waiting = test.Submit(InferenceEngineTests.Request([2], 2));

        Assert.Equal((true, progress), (test.Engine.Snapshot().Busy, test.Engine.Snapshot().Progress));
        gate.Step(1);
        Assert.True(test.Engine.Snapshot().Progress > progress);
        gate.Open();
    }

    [Fact]
    public void A_models_progress_rises_in_every_layer()
    {
        using var folder = new TempFolder();
        RandomModel.Write("nano", "gemma3", TensorType.F32, folder["model.gguf"]);
        using var runner = new ModelRunner(ModelFile.Open(folder["model.gguf"]), new ReferenceBackend(), new ModelRunnerOptions { KvBlocks = 4, MaxBatchRows = 32 });
        var session = new RunnerSession(runner);
        long before = runner.Progress;

        session.Evaluate([1, 2, 3], 0);

        Assert.True(runner.Progress - before > runner.Config.Layers, $"{runner.Config.Layers} layers gave {runner.Progress - before} signs of life");
    }

    private static EngineSnapshot Snapshot(long progress, bool busy = true) => new() { Progress = progress, Busy = busy };
}

using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Cpu.Tests.Encoders;

public sealed class EncoderEngineTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly TempFolder _folder = new();
    private readonly EncoderRunner _runner;

    public EncoderEngineTests()
    {
        RandomEncoder.Write("nano", "bert", TensorType.F32, _folder["m.gguf"]);
        _runner = new EncoderRunner(ModelFile.Open(_folder["m.gguf"]), new CpuBackend(new CpuBackendOptions { Threads = 1 }), new ModelRunnerOptions { MaxBatchRows = 128 });
    }

    [Fact]
    public async Task Vectors_have_the_length_1_and_do_not_depend_on_what_else_is_asked()
    {
        await using var engine = new EncoderEngine(_runner, new EngineOptions());
        var random = new Random(2);
        int[][] texts = [.. Enumerable.Range(0, 60).Select(_ => Tokens(random.Next(1, 300), random))];
        var alone = new List<float[]>();
        foreach (int[] text in texts)
        {
            alone.Add(await VectorAsync(engine, text));
        }

        float[][] together = await Task.WhenAll(texts.Select(text => VectorAsync(engine, text)));

        Assert.Equal(alone, together);
        Assert.All(together, vector => Assert.Equal(1, Math.Sqrt(vector.Sum(value => (double)value * value)), 1e-6));
        EngineSnapshot end = engine.Snapshot();
        Assert.Equal((0, 0, 2L * texts.Sum(text => text.Length)), (end.Waiting, end.Running, end.ComputedTokens));
        Assert.Equal((0, 0), (end.BlocksHeld, end.BlocksTotal));
    }

    [Fact]
    public async Task What_cannot_be_run_is_refused_with_the_reason()
    {
        await using var engine = new EncoderEngine(_runner, new EngineOptions());

        Assert.Equal(SubmitOutcome.InvalidRequest, (await engine.RunAsync(Request([]), CancellationToken.None)).Outcome);
        EmbeddingResult unknown = await engine.RunAsync(Request([5, 512]), CancellationToken.None);
        Assert.Equal((SubmitOutcome.InvalidRequest, "token 512 is not in the model's vocabulary of 512"), (unknown.Outcome, unknown.Error));
        Assert.Equal(SubmitOutcome.ContextLengthExceeded, (await engine.RunAsync(Request(new int[513]), CancellationToken.None)).Outcome);
        Assert.Equal(SubmitOutcome.Accepted, (await engine.RunAsync(Request(new int[512]), CancellationToken.None)).Outcome);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => engine.RunAsync(Request([5]), new CancellationToken(canceled: true)));
    }

    [Fact]
    public async Task Waiting_requests_are_bounded_and_a_cancelled_one_leaves_at_once()
    {
        using var gate = new ManualResetEventSlim();
        await using var engine = new EncoderEngine(_runner, new EngineOptions { MaxWaiting = 2, ProjectWeight = _ => 1, TimeProvider = new GatedTime(gate) });
        Task<EmbeddingResult> running = engine.RunAsync(Request([5, 6]), CancellationToken.None);
        Assert.True(SpinWait.SpinUntil(() => engine.Snapshot().Running == 1, Patience));

        using var leaving = new CancellationTokenSource();
        Task<EmbeddingResult> first = engine.RunAsync(Request([7]), CancellationToken.None);
        Task<EmbeddingResult> second = engine.RunAsync(Request([8]), leaving.Token);
        Assert.Equal(SubmitOutcome.Overloaded, (await engine.RunAsync(Request([9]), CancellationToken.None)).Outcome);
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        Assert.Equal(1, engine.Snapshot().Waiting);

        gate.Set();
        Assert.Null((await running.WaitAsync(Patience)).Error);
        Assert.Null((await first.WaitAsync(Patience)).Error);
    }

    [Fact]
    public async Task An_engine_that_is_disposed_ends_what_waits_and_takes_no_more()
    {
        using var gate = new ManualResetEventSlim();
        var engine = new EncoderEngine(_runner, new EngineOptions { TimeProvider = new GatedTime(gate) });
        Task<EmbeddingResult> running = engine.RunAsync(Request([5]), CancellationToken.None);
        Assert.True(SpinWait.SpinUntil(() => engine.Snapshot().Running == 1, Patience));
        Task<EmbeddingResult> waiting = engine.RunAsync(Request([6]), CancellationToken.None);

        Task ended = engine.DisposeAsync().AsTask();
        gate.Set();
        await ended.WaitAsync(Patience);

        Assert.False((await running).Vector.IsEmpty);
        Assert.Equal("the engine was stopped", (await waiting).Error);
        Assert.Equal(SubmitOutcome.Draining, (await engine.RunAsync(Request([7]), CancellationToken.None)).Outcome);
    }

    public void Dispose()
    {
        _runner.Dispose();
        _folder.Dispose();
    }

    private static int[] Tokens(int length, Random random) => [.. Enumerable.Range(0, length).Select(_ => random.Next(512))];

    private static EncoderRequest Request(int[] tokens) => new() { RequestId = "test", Tokens = tokens, Pooling = Pooling.Mean };

    private static async Task<float[]> VectorAsync(EncoderEngine engine, int[] text)
    {
        EmbeddingResult result = await engine.RunAsync(Request(text), CancellationToken.None);
        Assert.Equal((SubmitOutcome.Accepted, null), (result.Outcome, result.Error));
        return result.Vector.ToArray();
    }

    /// <summary>Holds the engine thread at its batch: the second time of each round is asked for outside the engine's lock, where the batch begins.</summary>
    private sealed class GatedTime(ManualResetEventSlim gate) : TimeProvider
    {
        private int _asked;

        public override long GetTimestamp()
        {
            // Of a round: the queue's now, the batch's start, its end.
            if (Thread.CurrentThread.Name == "helixflow-encoder" && _asked++ % 3 == 1)
            {
                gate.Wait(Patience);
            }

            return base.GetTimestamp();
        }
    }
}

using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.TestKit.Backends;
using HelixFlow.TestKit.Execution;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Tests.Execution;

public sealed class EmbeddingTests
{
    private static readonly EngineOptions Small = new() { MaxBatchTokens = 16, MaxSequences = 8, MaxWaiting = 1000 };

    [Fact]
    public async Task Vectors_and_generations_in_the_same_batches_are_right_even_when_preempted()
    {
        var runner = new FakeModelRunner(26, maxRows: 16);
        await using var test = new EngineUnderTest(runner, Small);
        int mixed = 0;
        using var submitted = new ManualResetEventSlim();
        runner.OnStep = batch =>
        {
            submitted.Wait();
            mixed += batch.StateRows.Length > 0 && batch.LogitRows.Length > 0 ? 1 : 0;
        };
        var random = new Random(1);
        for (int round = 0; round < 40; round++)
        {
            int[][] prompts = [.. Enumerable.Range(0, 6).Select(_ => Tokens(random, random.Next(1, 60)))];
            int[] outputs = [.. prompts.Select(_ => random.Next(1, 40))];
            int[][] texts = [.. Enumerable.Range(0, 6).Select(_ => Tokens(random, random.Next(1, 100)))];
            SequenceStream[] streams = [.. prompts.Zip(outputs, (prompt, output) => test.Submit(InferenceEngineTests.Request(prompt, output)))];
            Task<EmbeddingResult>[] tasks =
                [.. texts.Select((text, i) => test.Engine.EmbedAsync(Request(text, i % 2 == 0 ? Pooling.Mean : Pooling.Last), CancellationToken.None))];
            submitted.Set();
            EmbeddingResult[] results = await Task.WhenAll(tasks);

            for (int i = 0; i < texts.Length; i++)
            {
                AssertClose(Expected(texts[i], i % 2 == 0 ? Pooling.Mean : Pooling.Last), results[i]);
                SortedDictionary<int, ChoiceTrace> choices = await ChoiceTrace.ReadAsync(streams[i]);
                Assert.Equal(FakeModelRunner.Continue(prompts[i], outputs[i]), choices[0].Tokens);
            }

            submitted.Reset();
        }

        long preemptions = (await test.IdleAsync()).Preemptions;
        Assert.True(preemptions > 10, $"{preemptions} preemptions");
        Assert.True(mixed > 50, $"{mixed} mixed batches");
        await test.AssertNothingHeldAsync();
    }

    /// <summary>
    /// The witness is the output matrix: a position's logits are its product with the state, so those of the pooled state are the pooled logits.
    /// </summary>
    [Theory]
    [InlineData("llama", "token_embd.weight")]
    [InlineData("mistral", "output.weight")]
    [InlineData("gemma3", "token_embd.weight")]
    public async Task A_real_models_vector_gives_the_pooled_logits(string family, string matrix)
    {
        using var folder = new TempFolder();
        RandomModel.Write("nano", family, TensorType.F32, folder["model.gguf"]);
        int[] text = [.. Enumerable.Range(0, 45).Select(i => ((i * 131) + 17) % 512)];
        using ModelRunner runner = Load(folder["model.gguf"]);
        double[] last = [];
        double[] mean = new double[512];
        var session = new RunnerSession(runner);
        for (int i = 0; i < text.Length; i++)
        {
            last = [.. session.Evaluate(text.AsSpan(i, 1), i).ToArray().Select(value => (double)value)];
            mean = [.. mean.Zip(last, (sum, value) => sum + value)];
        }

        using GgufFile file = GgufFile.Open(folder["model.gguf"]);
        float[] weights = TensorUnpacking.ToFloats(file.Tensors[matrix]);
        await using var engine = new InferenceEngine(runner, new EngineOptions { MaxBatchTokens = 16 });
        foreach ((Pooling pooling, double[] expected) in ((Pooling, double[])[])[(Pooling.Last, last), (Pooling.Mean, mean)])
        {
            float[] vector = (await engine.EmbedAsync(Request(text, pooling), CancellationToken.None)).Vector.ToArray();
            double[] logits = new double[512];
            for (int row = 0; row < logits.Length; row++)
            {
                for (int i = 0; i < vector.Length; i++)
                {
                    logits[row] += (double)vector[i] * weights[(row * vector.Length) + i];
                }
            }

            Assert.Equal(1, vector.Sum(value => (double)value * value), 1e-6);
            AssertClose(Normalised(expected), Normalised(logits), 1e-5);
        }
    }

    [Fact]
    public async Task Company_changes_neither_a_real_models_vectors_nor_its_tokens()
    {
        using var folder = new TempFolder();
        RandomModel.Write("nano", "qwen3", TensorType.F32, folder["model.gguf"]);
        using ModelRunner runner = Load(folder["model.gguf"]);
        await using var engine = new InferenceEngine(runner, new EngineOptions { MaxBatchTokens = 16, MaxSequences = 6, PrefixReuse = false });
        var random = new Random(2);
        int[][] texts = [.. Enumerable.Range(0, 4).Select(_ => Tokens(random, random.Next(5, 40)))];
        int[] prompt = Tokens(random, 12);
        var alone = new List<float[]>();
        for (int i = 0; i < texts.Length; i++)
        {
            alone.Add((await engine.EmbedAsync(Request(texts[i], (Pooling)(i % 2)), CancellationToken.None)).Vector.ToArray());
        }

        List<int> tokens = await GenerateAsync();
        Task<List<int>> generating = GenerateAsync();
        EmbeddingResult[] together = await Task.WhenAll(texts.Select((text, i) => engine.EmbedAsync(Request(text, (Pooling)(i % 2)), CancellationToken.None)));

        Assert.Equal(alone, together.Select(result => result.Vector.ToArray()));
        Assert.Equal(tokens, await generating);

        async Task<List<int>> GenerateAsync()
        {
            engine.Submit(InferenceEngineTests.Request(prompt, 40, temperature: 1, seed: 3), out SequenceStream? stream);
            return (await ChoiceTrace.ReadAsync(stream!))[0].Tokens;
        }
    }

    [Fact]
    public async Task A_prefix_that_is_cached_helps_the_last_state_but_not_the_mean()
    {
        await using var test = new EngineUnderTest(new FakeModelRunner(64), Small);
        int[] text = [.. Enumerable.Range(0, 18)];
        EmbeddingResult[] results = new EmbeddingResult[4];
        for (int i = 0; i < results.Length; i++)
        {
            results[i] = await test.Engine.EmbedAsync(Request(text, i < 2 ? Pooling.Last : Pooling.Mean), CancellationToken.None);
            AssertClose(Expected(text, i < 2 ? Pooling.Last : Pooling.Mean), results[i]);
        }

        Assert.Equal([0, 16, 0, 0], results.Select(result => result.CachedTokens));
        Assert.Equal((72L, 16L, 0L), (test.Engine.Snapshot().PromptTokens, test.Engine.Snapshot().CachedTokens, test.Engine.Snapshot().GeneratedTokens));
    }

    [Fact]
    public async Task What_cannot_be_embedded_is_refused()
    {
        await using var test = new EngineUnderTest(new FakeModelRunner(blocks: 4, blockSize: 4), Small);

        AssertClose(Expected(new int[16], Pooling.Last), await test.Engine.EmbedAsync(Request(new int[16]), CancellationToken.None));
        Assert.Equal(SubmitOutcome.ContextLengthExceeded, await OutcomeAsync(new int[17]));
        EmbeddingResult empty = await test.Engine.EmbedAsync(Request([]), CancellationToken.None);
        Assert.Equal(SubmitOutcome.InvalidRequest, empty.Outcome);
        Assert.Contains("no tokens", empty.Error, StringComparison.Ordinal);
        Assert.Equal(SubmitOutcome.InvalidRequest, await OutcomeAsync([64]));
        await test.AssertNothingHeldAsync();
        Assert.Equal(SubmitOutcome.Draining, await OutcomeAsync([1]));
        Assert.Equal(0, test.Engine.Snapshot().Waiting);

        async Task<SubmitOutcome> OutcomeAsync(int[] tokens) => (await test.Engine.EmbedAsync(Request(tokens), CancellationToken.None)).Outcome;
    }

    [Fact]
    public async Task Waiting_ones_are_bounded_and_finish_when_the_engine_drains()
    {
        using var gate = new StepGate();
        await using var test = new EngineUnderTest(gate.Runner(64), new EngineOptions { MaxSequences = 1, MaxWaiting = 2 });
        Task<EmbeddingResult> running = test.Engine.EmbedAsync(Request([1]), CancellationToken.None);
        gate.WaitUntilInStep();
        Task<EmbeddingResult>[] waiting = [.. Enumerable.Range(2, 2).Select(i => test.Engine.EmbedAsync(Request([i]), CancellationToken.None))];

        Assert.Equal(SubmitOutcome.Overloaded, (await test.Engine.EmbedAsync(Request([4]), CancellationToken.None)).Outcome);
        Assert.Equal(2, test.Engine.Snapshot().Waiting);
        Task drained = test.Engine.DrainAsync(CancellationToken.None);
        gate.Open();
        await drained;

        Assert.All(await Task.WhenAll([running, .. waiting]), result => Assert.Equal(FakeModelRunner.StateSize, result.Vector.Length));
    }

    [Fact]
    public async Task A_caller_that_gives_up_gets_away_at_once_and_its_blocks_are_freed()
    {
        using var gate = new StepGate();
        await using var test = new EngineUnderTest(gate.Runner(64), new EngineOptions { MaxBatchTokens = 8 });
        using var impatient = new CancellationTokenSource();
        Task<EmbeddingResult> running = test.Engine.EmbedAsync(Request(new int[100]), impatient.Token);
        gate.WaitUntilInStep();
        await impatient.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => test.Engine.EmbedAsync(Request([1]), impatient.Token));
        gate.Open();
        await test.AssertNothingHeldAsync();
        Assert.InRange(test.Engine.Snapshot().Steps, 1, 2);
    }

    [Fact]
    public async Task Failures_are_told()
    {
        var runner = new FakeModelRunner(64) { PoisonToken = 63 };
        await using var test = new EngineUnderTest(runner, new EngineOptions { MaxConsecutiveFailures = 2 });

        EmbeddingResult poisoned = await test.Engine.EmbedAsync(Request([63, 1, 2], Pooling.Mean), CancellationToken.None);
        runner.FailNext(1);
        EmbeddingResult failed = await test.Engine.EmbedAsync(Request([1]), CancellationToken.None);
        EmbeddingResult served = await test.Engine.EmbedAsync(Request([1]), CancellationToken.None);
        runner.FailNext(2);
        await test.Engine.EmbedAsync(Request([1]), CancellationToken.None);
        await test.Engine.EmbedAsync(Request([1]), CancellationToken.None);
        EmbeddingResult after = await test.Engine.EmbedAsync(Request([1]), CancellationToken.None);

        Assert.Contains("not finite", poisoned.Error, StringComparison.Ordinal);
        Assert.Equal((SubmitOutcome.Accepted, "the model failed: scripted failure", 0), (failed.Outcome, failed.Error, failed.Vector.Length));
        Assert.Null(served.Error);
        Assert.Equal(SubmitOutcome.Faulted, after.Outcome);
    }

    [Fact]
    public async Task Disposing_the_engine_ends_what_waits()
    {
        using var gate = new StepGate();
        var test = new EngineUnderTest(gate.Runner(64), new EngineOptions { MaxSequences = 1 });
        Task<EmbeddingResult>[] tasks = [.. Enumerable.Range(1, 2).Select(_ => test.Engine.EmbedAsync(Request(new int[200]), CancellationToken.None))];
        gate.WaitUntilInStep();
        ValueTask disposed = test.DisposeAsync();
        gate.Open();
        await disposed;

        Assert.All(await Task.WhenAll(tasks), result => Assert.Equal("the engine was stopped", result.Error));
    }

    private static EmbeddingRequest Request(int[] tokens, Pooling pooling = Pooling.Last) => new() { RequestId = "test", Tokens = tokens, Pooling = pooling };

    private static int[] Tokens(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(4))];

    private static double[] Expected(int[] text, Pooling pooling)
    {
        double[] sum = new double[FakeModelRunner.StateSize];
        for (int length = pooling == Pooling.Last ? text.Length : 1; length <= text.Length; length++)
        {
            float[] state = FakeModelRunner.StateAfter(text.AsSpan(0, length));
            sum = [.. sum.Zip(state, (left, right) => left + right)];
        }

        return Normalised(sum);
    }

    private static double[] Normalised(double[] values)
    {
        double length = Math.Sqrt(values.Sum(value => value * value));
        return [.. values.Select(value => value / length)];
    }

    private static void AssertClose(double[] expected, EmbeddingResult actual)
    {
        Assert.Equal((SubmitOutcome.Accepted, null), (actual.Outcome, actual.Error));
        AssertClose(expected, [.. actual.Vector.ToArray().Select(value => (double)value)], 1e-6);
    }

    private static void AssertClose(double[] expected, double[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        Assert.InRange(Math.Sqrt(expected.Zip(actual, (left, right) => (left - right) * (left - right)).Sum()), 0, tolerance);
    }

    private static ModelRunner Load(string path) =>
        new(ModelFile.Open(path), new ReferenceBackend(), new ModelRunnerOptions { KvType = Engine.Backends.KvType.F32, KvBlocks = 40, MaxBatchRows = 32 });
}

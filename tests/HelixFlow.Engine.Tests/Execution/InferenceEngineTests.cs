using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Sampling;
using HelixFlow.TestKit.Execution;

namespace HelixFlow.Engine.Tests.Execution;

public sealed class InferenceEngineTests
{
    private static readonly EngineOptions Small = new() { MaxBatchTokens = 16, MaxSequences = 8, MaxWaiting = 1000 };

    [Fact]
    public async Task Greedy_output_is_the_models_own_continuation_and_ends_with_length()
    {
        await using var test = new EngineUnderTest(new FakeModelRunner(64), Small);
        int[] prompt = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20];

        Choice[] choices = await ReadAsync(test.Submit(Request(prompt, 12)));

        Assert.Equal(FakeModelRunner.Continue(prompt, 12), choices[0].Tokens);
        Assert.Equal((FinishReason.Length, 12), (choices[0].End.Reason, choices[0].End.GeneratedTokens));
        await test.AssertNothingHeldAsync();
    }

    [Fact]
    public async Task Stop_ids_and_end_ids_end_a_choice_without_a_token_event()
    {
        int[] expected = FakeModelRunner.Continue([7, 8], 30);
        int end = expected.Distinct().ElementAt(5);
        int before = Array.IndexOf(expected, end);
        await using var test = new EngineUnderTest(new FakeModelRunner(64), new EngineOptions { EndIds = [end] });

        Choice byEnd = (await ReadAsync(test.Submit(Request([7, 8], 30))))[0];
        Choice ignored = (await ReadAsync(test.Submit(Request([7, 8], 30, ignoreEnd: true))))[0];
        Choice byStop = (await ReadAsync(test.Submit(Request([7, 8], 30, ignoreEnd: true, stopIds: [end]))))[0];

        Assert.Equal(expected[..before], byEnd.Tokens);
        Assert.Equal((FinishReason.Stop, end, before + 1), (byEnd.End.Reason, byEnd.End.Token, byEnd.End.GeneratedTokens));
        Assert.Equal(expected, ignored.Tokens);
        Assert.Equal(expected[..before], byStop.Tokens);
    }

    [Fact]
    public async Task A_second_equal_prompt_reuses_its_whole_blocks_but_not_under_another_salt()
    {
        await using var test = new EngineUnderTest(new FakeModelRunner(64, blockSize: 4), Small);
        int[] prompt = [.. Enumerable.Range(0, 18)];
        using SequenceStream first = test.Submit(Request(prompt, 3));
        Choice[] reference = await ReadAsync(first);
        using SequenceStream second = test.Submit(Request(prompt, 3));
        Choice[] again = await ReadAsync(second);
        using SequenceStream other = test.Submit(Request(prompt, 3, salt: "other"));
        await ReadAsync(other);

        Assert.Equal((0, 16, 0), (first.CachedTokens, second.CachedTokens, other.CachedTokens));
        Assert.Equal(reference[0].Tokens, again[0].Tokens);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(10)]
    public async Task Choices_of_one_prompt_are_computed_once_and_go_their_own_ways(int promptLength)
    {
        var runner = new FakeModelRunner(64, blockSize: 4);
        await using var test = new EngineUnderTest(runner, Small);
        int[] prompt = [.. Enumerable.Range(0, promptLength)];
        Choice[] alone = [];
        for (int pass = 0; pass < 2; pass++)
        {
            long before = (await test.IdleAsync()).ComputedTokens;
            Choice[] choices = await ReadAsync(test.Submit(Request(prompt, 20, count: 4, temperature: 1, seed: 11, salt: $"{pass}")));
            Assert.All(choices, choice => Assert.Equal(20, choice.Tokens.Count));
            Assert.Equal(4, choices.Select(choice => string.Join(',', choice.Tokens)).Distinct().Count());
            Assert.Equal(promptLength + (4 * 19), (await test.IdleAsync()).ComputedTokens - before);
            Assert.True(pass == 0 || alone.Zip(choices).All(pair => pair.First.Tokens.SequenceEqual(pair.Second.Tokens)));
            alone = choices;
        }

        await test.AssertNothingHeldAsync();
    }

    [Fact]
    public async Task A_seed_gives_the_same_tokens_in_a_busy_batch_with_preemption()
    {
        await using var quiet = new EngineUnderTest(new FakeModelRunner(200), Small);
        using var gate = new StepGate();
        await using var busy = new EngineUnderTest(gate.Runner(24), Small);
        SequenceRequest request = Request([1, 2, 3, 4, 5], 40, temperature: 1.2f, seed: 99, count: 3);
        Choice[] expected = await ReadAsync(quiet.Submit(request));

        Task<Choice[]>[] others = [.. Enumerable.Range(0, 12).Select(i => ReadAsync(busy.Submit(Request([i, 2, 3], 30 + i, temperature: 1))))];
        Task<Choice[]> reading = ReadAsync(busy.Submit(request));
        gate.Open(); // now that all are there, they have to compete
        Choice[] actual = await reading;
        await Task.WhenAll(others);

        Assert.True((await busy.IdleAsync()).Preemptions > 0);
        Assert.Equal(expected.Select(choice => choice.Tokens), actual.Select(choice => choice.Tokens));
        await busy.AssertNothingHeldAsync();
    }

    [Fact]
    public async Task Without_a_seed_equal_requests_get_equal_answers_only_in_the_deterministic_mode()
    {
        await using var deterministic = new EngineUnderTest(new FakeModelRunner(200), new EngineOptions { Deterministic = true });
        await using var random = new EngineUnderTest(new FakeModelRunner(200), new EngineOptions());
        SequenceRequest request = Request([1, 2, 3], 30, temperature: 1, count: 2);

        Choice[] first = await ReadAsync(deterministic.Submit(request));
        Choice[] second = await ReadAsync(deterministic.Submit(request));
        Choice[] seeded = await ReadAsync(random.Submit(Request([1, 2, 3], 30, temperature: 1, count: 2, seed: SamplingOptions.FixedSeed)));
        Choice[] other = await ReadAsync(random.Submit(request));

        Assert.Equal(first.Select(choice => choice.Tokens), second.Select(choice => choice.Tokens));
        Assert.Equal(first.Select(choice => choice.Tokens), seeded.Select(choice => choice.Tokens));
        Assert.NotEqual(first[0].Tokens, other[0].Tokens);
        Assert.NotEqual(first[0].Tokens, first[1].Tokens);
    }

    [Fact]
    public async Task Logprobs_come_with_each_token_when_asked_for()
    {
        await using var test = new EngineUnderTest(new FakeModelRunner(64), Small);
        using SequenceStream stream = test.Submit(Request([3], 100, topLogprobs: 3));
        var seen = new List<SequenceEvent>();
        await foreach (SequenceEvent next in stream.ReadAllAsync())
        {
            seen.Add(next);
        }

        Assert.All(seen[..^1], next => Assert.Equal((3, next.Token, next.Logprob), (next.TopLogprobs.Length, next.TopLogprobs.Span[0].Token, next.TopLogprobs.Span[0].Logprob)));
        Assert.All(seen[..^1], next => Assert.InRange(next.Logprob, -6f, 0f));
    }

    [Fact]
    public async Task What_cannot_be_served_is_refused_with_the_reason()
    {
        await using var test = new EngineUnderTest(new FakeModelRunner(blocks: 8, blockSize: 4, contextLength: 512), Small);

        Assert.Equal(32, test.Engine.MaxSequenceTokens);
        Assert.Equal(SubmitOutcome.ContextLengthExceeded, test.Engine.Submit(Request(new int[20], 13), out SequenceStream? none));
        Assert.Null(none);
        Assert.Equal(SubmitOutcome.ContextLengthExceeded, test.Engine.Submit(Request(new int[32], null), out _));
        Assert.Equal(SubmitOutcome.InvalidRequest, test.Engine.Submit(Request([64], 1), out _));
        Assert.Equal(SubmitOutcome.InvalidRequest, test.Engine.Submit(Request([], 1), out _));
        Assert.Equal(SubmitOutcome.InvalidRequest, test.Engine.Submit(Request([1], 1, count: 9), out _));
        Assert.Equal(SubmitOutcome.InvalidRequest, test.Engine.Submit(Request([1], 1, temperature: float.NaN), out _));
        Assert.Equal(12, (await ReadAsync(test.Submit(Request(new int[20], null))))[0].Tokens.Count);
    }

    [Fact]
    public async Task Waiting_requests_are_bounded()
    {
        using var gate = new StepGate();
        await using var test = new EngineUnderTest(gate.Runner(64), new EngineOptions { MaxSequences = 1, MaxWaiting = 2 });
        Task<Choice[]> running = ReadAsync(test.Submit(Request([1], 2)));
        gate.WaitUntilInStep();
        Task<Choice[]>[] waiting = [ReadAsync(test.Submit(Request([2], 2))), ReadAsync(test.Submit(Request([3], 2)))];

        Assert.Equal(SubmitOutcome.Overloaded, test.Engine.Submit(Request([4], 2), out _));
        Assert.Equal(2, test.Engine.Snapshot().Waiting);

        gate.Open();
        await Task.WhenAll([running, .. waiting]);
        Assert.Equal(FinishReason.Length, (await ReadAsync(test.Submit(Request([4], 2))))[0].End.Reason);
        Assert.Equal(0, (await test.IdleAsync()).Waiting);
    }

    [Fact]
    public async Task Cancelling_while_waiting_prefilling_or_decoding_ends_the_choice_at_the_next_step()
    {
        using var gate = new StepGate();
        await using var test = new EngineUnderTest(gate.Runner(64), new EngineOptions { MaxBatchTokens = 8, MaxSequences = 2 });
        using SequenceStream decoding = test.Submit(Request([1], 200));
        gate.WaitUntilInStep();
        using SequenceStream prefilling = test.Submit(Request(new int[100], 5));
        using SequenceStream waiting = test.Submit(Request([3], 5));
        gate.Step(3);
        Assert.Equal(2, test.Engine.Snapshot().Running);
        decoding.Cancel();
        prefilling.Cancel();
        waiting.Cancel();
        long before = test.Engine.Snapshot().Steps;
        gate.Open();

        foreach (SequenceStream stream in (SequenceStream[])[decoding, prefilling, waiting])
        {
            Assert.Equal(FinishReason.Cancelled, (await ReadAsync(stream))[0].End.Reason);
        }

        await test.AssertNothingHeldAsync();
        Assert.InRange(test.Engine.Snapshot().Steps - before, 0, 1);
    }

    [Fact]
    public async Task One_choice_can_be_cancelled_before_and_after_the_fork()
    {
        using var gate = new StepGate();
        await using var test = new EngineUnderTest(gate.Runner(64), new EngineOptions { MaxBatchTokens = 8 });
        using SequenceStream stream = test.Submit(Request([.. Enumerable.Range(0, 20)], 10, count: 3, temperature: 1, seed: 4));
        gate.WaitUntilInStep();
        stream.Cancel(0);
        gate.Step(4);
        stream.Cancel(2);
        gate.Open();

        Choice[] choices = await ReadAsync(stream);

        Assert.Equal([FinishReason.Cancelled, FinishReason.Length, FinishReason.Cancelled], choices.Select(choice => choice.End.Reason));
        Assert.Empty(choices[0].Tokens);
        Assert.Equal(10, choices[1].Tokens.Count);
        Assert.InRange(choices[2].Tokens.Count, 1, 9);
        await test.AssertNothingHeldAsync();
    }

    [Fact]
    public async Task A_consumer_that_does_not_read_stalls_nobody()
    {
        await using var test = new EngineUnderTest(new FakeModelRunner(200), Small);
        using SequenceStream slow = test.Submit(Request([1], 300));
        using SequenceStream never = test.Submit(Request([2], 300));
        Choice[] quick = await ReadAsync(test.Submit(Request([3], 300)));

        Assert.Equal(300, quick[0].Tokens.Count);
        Assert.Equal(FakeModelRunner.Continue([1], 300), (await ReadAsync(slow))[0].Tokens);
    }

    [Fact]
    public async Task A_step_that_fails_ends_its_requests_with_the_error_and_the_engine_goes_on()
    {
        var runner = new FakeModelRunner(64);
        await using var test = new EngineUnderTest(runner, Small);
        runner.FailNext(1);

        Choice[] failed = await ReadAsync(test.Submit(Request([1, 2], 4, count: 3)));
        Choice[] served = await ReadAsync(test.Submit(Request([1, 2], 4)));

        Assert.All(failed, choice => Assert.Equal((FinishReason.Error, "the model failed: scripted failure"), (choice.End.Reason, choice.End.Error)));
        Assert.Equal(FinishReason.Length, served[0].End.Reason);
        await test.AssertNothingHeldAsync();
    }

    [Fact]
    public async Task Repeated_failures_stop_the_engine_and_everybody_is_told()
    {
        var runner = new FakeModelRunner(64);
        await using var test = new EngineUnderTest(runner, new EngineOptions { MaxConsecutiveFailures = 2, MaxSequences = 1 });
        runner.FailNext(2);
        SequenceStream[] streams = [test.Submit(Request([1], 4)), test.Submit(Request([2], 4))];

        foreach (SequenceStream stream in streams)
        {
            Assert.Equal(FinishReason.Error, (await ReadAsync(stream))[0].End.Reason);
        }

        Assert.Equal(SubmitOutcome.Faulted, test.Engine.Submit(Request([1], 1), out _));
        Assert.True(test.Engine.Snapshot().Faulted);
    }

    [Fact]
    public async Task Logits_that_are_not_numbers_end_only_their_own_choice()
    {
        await using var test = new EngineUnderTest(new FakeModelRunner(64) { PoisonToken = 63 }, Small);
        Task<Choice[]> healthy = ReadAsync(test.Submit(Request([1, 2], 1)));

        Choice[] poisoned = await ReadAsync(test.Submit(Request([1, 63], 8)));

        Assert.Equal(FinishReason.Error, poisoned[0].End.Reason);
        Assert.Contains("not finite", poisoned[0].End.Error, StringComparison.Ordinal);
        Assert.Equal(FinishReason.Length, (await healthy)[0].End.Reason);
    }

    [Fact]
    public async Task Draining_finishes_what_was_accepted_and_refuses_the_rest()
    {
        using var gate = new StepGate();
        await using var test = new EngineUnderTest(gate.Runner(64), Small);
        Task<Choice[]> accepted = ReadAsync(test.Submit(Request([1], 20)));
        gate.WaitUntilInStep();
        Task drained = test.Engine.DrainAsync(CancellationToken.None);

        Assert.Equal(SubmitOutcome.Draining, test.Engine.Submit(Request([1], 1), out _));
        Assert.False(drained.IsCompleted);
        gate.Open();
        await drained;

        Assert.Equal(20, (await accepted)[0].Tokens.Count);
    }

    [Fact]
    public async Task Disposing_cancels_what_runs_and_waits()
    {
        using var gate = new StepGate();
        var test = new EngineUnderTest(gate.Runner(64), new EngineOptions { MaxSequences = 1 });
        SequenceStream[] streams = [test.Submit(Request([1], 200)), test.Submit(Request([2], 200))];
        gate.WaitUntilInStep();
        ValueTask disposed = test.DisposeAsync();
        gate.Open();
        await disposed;

        foreach (SequenceStream stream in streams)
        {
            Assert.Equal(FinishReason.Cancelled, (await ReadAsync(stream))[0].End.Reason);
        }
    }

    [Fact]
    public async Task A_cancelled_wait_leaves_the_stream_readable()
    {
        using var gate = new StepGate();
        await using var test = new EngineUnderTest(gate.Runner(64), Small);
        using SequenceStream stream = test.Submit(Request([1], 3));
        gate.WaitUntilInStep();
        using var impatient = new CancellationTokenSource();
        ValueTask<bool> wait = stream.WaitToReadAsync(impatient.Token);
        await impatient.CancelAsync();

        await Assert.ThrowsAsync<OperationCanceledException>(async () => await wait);
        gate.Open();
        Assert.Equal(3, (await ReadAsync(stream))[0].Tokens.Count);
    }

    [Fact]
    public async Task Decode_steps_allocate_nothing_on_the_engine_thread()
    {
        // A collection that another thread starts may be counted in one of the runs, what a step allocates is counted in all.
        long least = long.MaxValue;
        for (int run = 0; run < 10 && least > 0; run++)
        {
            least = Math.Min(least, await AllocatedByDecodeStepsAsync());
        }

        Assert.Equal(0, least);
    }

    /// <summary>What 45 decode steps of four sequences allocate on the engine's thread, in bytes.</summary>
    private static async Task<long> AllocatedByDecodeStepsAsync()
    {
        var allocated = new long[200];
        int step = 0;
        using var submitted = new ManualResetEventSlim();
        var runner = new FakeModelRunner(400, maxRows: 16)
        {
            OnStep = _ =>
            {
                submitted.Wait();
                allocated[step++] = GC.GetAllocatedBytesForCurrentThread();
            },
        };
        await using var test = new EngineUnderTest(runner, Small);
        SequenceStream[] streams = [.. Enumerable.Range(1, 4).Select(i => test.Submit(Request([i], 190, temperature: 0.8f, seed: i)))];
        Task drained = test.Engine.DrainAsync(CancellationToken.None); // from here on nobody disturbs the engine's thread
        submitted.Set();
        await drained;

        Assert.All(streams, stream => Assert.Equal(190, CountTokens(stream)));

        // The arrays of a sequence (tokens, blocks, unread events) double for the last time at 128 tokens.
        return allocated[185] - allocated[140];

        static int CountTokens(SequenceStream stream)
        {
            int tokens = 0;
            while (stream.TryRead(out SequenceEvent next))
            {
                tokens += next.Kind == SequenceEventKind.Token ? 1 : 0;
            }

            return tokens;
        }
    }

    [Fact]
    public async Task Many_submitters_with_random_cancels_leave_no_block_held_and_get_one_terminal_event_each()
    {
        await using var test = new EngineUnderTest(new FakeModelRunner(60), Small);
        await Task.WhenAll(Enumerable.Range(0, 32).Select(worker => Task.Run(async () =>
        {
            var random = new Random(worker);
            for (int i = 0; i < 25; i++)
            {
                int count = random.Next(4) == 0 ? 3 : 1;
                int[] prompt = [.. Enumerable.Range(0, random.Next(1, 40)).Select(_ => random.Next(2))];
                using SequenceStream stream = test.Submit(Request(prompt, random.Next(1, 40), count: count, temperature: 1, seed: i));
                int patience = random.Next(3) == 0 ? random.Next(20) : int.MaxValue;
                Choice[] choices = await ReadAsync(stream, patience);
                Assert.All(choices, choice => Assert.Equal(1, choice.Ends));
                Assert.All(choices, choice => Assert.NotEqual(FinishReason.Error, choice.End.Reason));
            }
        })));
        await test.AssertNothingHeldAsync();
    }

    internal static SequenceRequest Request(
        int[] prompt, int? maxTokens, int count = 1, float temperature = 0, long? seed = null, string salt = "", bool ignoreEnd = false,
        int[]? stopIds = null, int? topLogprobs = null) => new()
        {
            RequestId = "test",
            Prompt = prompt,
            MaxTokens = maxTokens,
            Count = count,
            Sampling = new SamplingOptions { Temperature = temperature, Seed = seed },
            CacheSalt = salt,
            IgnoreEnd = ignoreEnd,
            StopIds = stopIds ?? [],
            TopLogprobs = topLogprobs,
        };

    /// <summary>Reads to the end; cancels after so many events.</summary>
    private static async Task<Choice[]> ReadAsync(SequenceStream stream, int patience = int.MaxValue)
    {
        Choice[] choices = [.. Enumerable.Range(0, stream.Choices).Select(_ => new Choice())];
        await foreach (SequenceEvent next in stream.ReadAllAsync())
        {
            Choice choice = choices[next.Choice];
            Assert.Equal(0, choice.Ends);
            if (next.Kind == SequenceEventKind.Token)
            {
                choice.Tokens.Add(next.Token);
            }
            else
            {
                choice.Ends++;
                choice.End = next;
            }

            if (patience-- == 0)
            {
                stream.Cancel();
            }
        }

        Assert.All(choices, choice => Assert.Equal(1, choice.Ends));
        return choices;
    }

    private sealed class Choice
    {
        public List<int> Tokens { get; } = [];

        public SequenceEvent End { get; set; }

        public int Ends { get; set; }
    }
}

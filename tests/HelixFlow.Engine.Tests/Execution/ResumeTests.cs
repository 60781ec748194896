using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.Engine.Sampling;
using HelixFlow.TestKit.Backends;
using HelixFlow.TestKit.Execution;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Tests.Execution;

/// <summary>A generation that is cut and resumed says what the uncut one says.</summary>
public sealed class ResumeTests
{
    private const int EndId = 60;
    private static readonly EngineOptions Options = new() { MaxBatchTokens = 24, MaxSequences = 8, EndIds = [EndId] };

    [Fact]
    public async Task A_resumed_generation_is_the_uninterrupted_one_at_every_cut()
    {
        // Two engines as two nodes: what is resumed was never seen by the second one, or only in part.
        await using var first = new EngineUnderTest(new FakeModelRunner(400, maxRows: 24), Options);
        await using var second = new EngineUnderTest(new FakeModelRunner(40, maxRows: 24), Options);
        int stopped = 0;
        for (int seed = 0; seed < 60; seed++)
        {
            var random = new Random(seed);
            SequenceRequest request = RandomRequest(random, maxPrompt: 40, maxTokens: 30, vocabulary: 64);
            SortedDictionary<int, ChoiceTrace> whole = await ChoiceTrace.ReadAsync(first.Submit(request));
            stopped += whole.Values.Count(choice => choice.End!.Value.Reason == FinishReason.Stop);
            for (int round = 0; round < 4; round++)
            {
                await AssertResumesAsync(second, request, whole, random);
            }
        }

        Assert.True(stopped > 10, $"only {stopped} choices ended with a stop token");
        await second.AssertNothingHeldAsync();
    }

    [Theory]
    [InlineData("llama", true)]
    [InlineData("gemma3", false)]
    public async Task A_real_model_goes_on_with_the_same_tokens_and_probabilities(string family, bool prefixReuse)
    {
        using var folder = new TempFolder();
        RandomModel.Write("nano", family, TensorType.F32, folder["model.gguf"]);
        using ModelRunner firstRunner = Load(folder["model.gguf"]);
        using ModelRunner secondRunner = Load(folder["model.gguf"]);
        await using var first = new InferenceEngine(firstRunner, new EngineOptions { MaxBatchTokens = 32 });
        await using var second = new InferenceEngine(secondRunner, new EngineOptions { MaxBatchTokens = 16, PrefixReuse = prefixReuse });
        for (int seed = 0; seed < 6; seed++)
        {
            var random = new Random(seed);
            SequenceRequest request = RandomRequest(random, maxPrompt: 30, maxTokens: 12, vocabulary: 512);
            Assert.Equal(SubmitOutcome.Accepted, first.Submit(request, out SequenceStream? stream));
            SortedDictionary<int, ChoiceTrace> whole = await ChoiceTrace.ReadAsync(stream!);
            for (int round = 0; round < 2; round++)
            {
                (SequenceRequest resumed, Dictionary<int, int> cuts) = Cut(request, whole, random);
                Assert.Equal(SubmitOutcome.Accepted, second.Submit(resumed, out SequenceStream? rest));
                AssertSame(whole, cuts, await ChoiceTrace.ReadAsync(rest!));
            }
        }
    }

    [Fact]
    public async Task Choices_that_had_all_their_tokens_end_with_length_at_once()
    {
        var runner = new FakeModelRunner(64);
        await using var test = new EngineUnderTest(runner, Options);
        SequenceRequest request = Plain([1, 2, 3], 4, count: 2, [new(1, new[] { 5, 6, 7, 8 }), new(0, new[] { 9, 9, 9, 9 })]);

        SortedDictionary<int, ChoiceTrace> choices = await ChoiceTrace.ReadAsync(test.Submit(request));

        Assert.All(choices.Values, choice => Assert.Empty(choice.Tokens));
        Assert.All(choices.Values, choice => Assert.Equal((FinishReason.Length, 4), (choice.End!.Value.Reason, choice.End.Value.GeneratedTokens)));
        Assert.Equal((2, 0L, 0), (choices.Count, runner.Steps, test.Engine.Snapshot().Waiting));
    }

    [Fact]
    public async Task A_choice_that_fills_the_context_ends_with_length_and_a_longer_one_is_refused()
    {
        await using var test = new EngineUnderTest(new FakeModelRunner(blocks: 4, blockSize: 4), Options);
        SequenceRequest full = Plain([1, 2], null, count: 1, [new(0, new int[14])]);
        SequenceRequest longer = Plain([1, 2], null, count: 1, [new(0, new int[15])]);

        Assert.Equal(FinishReason.Length, (await ChoiceTrace.ReadAsync(test.Submit(full)))[0].End!.Value.Reason);
        Assert.Equal(SubmitOutcome.ContextLengthExceeded, test.Engine.Submit(longer, out _));
    }

    [Fact]
    public async Task What_cannot_be_resumed_is_refused_with_the_reason()
    {
        await using var test = new EngineUnderTest(new FakeModelRunner(64), Options);

        AssertRefused("names no choice", []);
        AssertRefused("names the choice 2", [new(2, default)]);
        AssertRefused("names the choice -1", [new(-1, default)]);
        AssertRefused("names the choice 1", [new(1, default), new(0, default), new(1, default)]);
        AssertRefused("choice 1 has 5 generated tokens already; max_tokens allows 4", [new(1, new int[5])]);
        AssertRefused("choice 0 holds the token 64", [new(0, new[] { 1, 64 })]);
        AssertRefused($"choice 0 ended with the stop token {EndId}", [new(0, new[] { 1, EndId })]);
        AssertRefused("choice 0 ended with the stop token 33", [new(0, new[] { 33 })]);

        void AssertRefused(string reason, ResumedChoice[] resume)
        {
            SequenceRequest request = Plain([1], 4, count: 2, resume);
            Assert.Equal(SubmitOutcome.InvalidRequest, test.Engine.Submit(request, out _));
            RequestProblem? problem = test.Engine.FindProblem(request);
            Assert.Equal("resume", problem!.Field);
            Assert.Contains(reason, problem.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Waiting_and_running_resumed_choices_can_be_cancelled_one_by_one()
    {
        using var gate = new StepGate();
        await using var test = new EngineUnderTest(gate.Runner(64), new EngineOptions { MaxBatchTokens = 8, MaxSequences = 4 });
        using SequenceStream blocker = test.Submit(Plain([9], 200, count: 1, null));
        gate.WaitUntilInStep();
        using SequenceStream stream = test.Submit(Plain([1, 2], 20, count: 4, [new(3, new[] { 4 }), new(1, default), new(2, new int[20])]));
        Assert.Equal(3, test.Engine.Snapshot().Waiting);
        stream.Cancel(0); // had ended elsewhere
        stream.Cancel(3);
        gate.Step(3);
        stream.Cancel(1);
        blocker.Cancel();
        gate.Open();

        SortedDictionary<int, ChoiceTrace> choices = await ChoiceTrace.ReadAsync(stream);

        Assert.Equal([1, 2, 3], choices.Keys);
        Assert.Equal(
            [FinishReason.Cancelled, FinishReason.Length, FinishReason.Cancelled], choices.Values.Select(choice => choice.End!.Value.Reason));
        Assert.InRange(choices[1].Tokens.Count, 1, 19);
        Assert.Empty(choices[3].Tokens);
        Assert.Equal(1, choices[3].End!.Value.GeneratedTokens);
        await test.AssertNothingHeldAsync();
    }

    [Fact]
    public async Task A_prefix_that_is_cached_is_not_computed_again_and_only_its_prompt_counts_as_cached()
    {
        await using var test = new EngineUnderTest(new FakeModelRunner(64, blockSize: 4), new EngineOptions());
        int[] prompt = [.. Enumerable.Range(0, 10)];
        int[] generated = FakeModelRunner.Continue(prompt, 12);
        await ChoiceTrace.ReadAsync(test.Submit(Plain(prompt, 12, count: 1, null)));
        long before = (await test.IdleAsync()).ComputedTokens;

        using SequenceStream resumed = test.Submit(Plain(prompt, 12, count: 1, [new(0, generated.AsMemory(0, 9))]));
        SortedDictionary<int, ChoiceTrace> choices = await ChoiceTrace.ReadAsync(resumed);

        Assert.Equal(generated[9..], choices[0].Tokens);
        Assert.Equal((10, 10), (resumed.PromptTokens, resumed.CachedTokens));
        Assert.Equal(3 + 2, (await test.IdleAsync()).ComputedTokens - before); // of 19 tokens 16 are whole blocks
    }

    private static async Task AssertResumesAsync(
        EngineUnderTest engine, SequenceRequest request, SortedDictionary<int, ChoiceTrace> whole, Random random)
    {
        (SequenceRequest resumed, Dictionary<int, int> cuts) = Cut(request, whole, random);
        AssertSame(whole, cuts, await ChoiceTrace.ReadAsync(engine.Submit(resumed)));
    }

    /// <summary>Takes some choices, each cut where it may not have ended yet.</summary>
    private static (SequenceRequest Resumed, Dictionary<int, int> Cuts) Cut(
        SequenceRequest request, SortedDictionary<int, ChoiceTrace> whole, Random random)
    {
        int[] going = [.. whole.Keys];
        random.Shuffle(going);
        going = going[..random.Next(1, going.Length + 1)];
        var cuts = going.ToDictionary(choice => choice, choice => random.Next(4) == 0 ? 0 : random.Next(whole[choice].Tokens.Count + 1));
        return (With(request, [.. going.Select(choice => new ResumedChoice(choice, whole[choice].Tokens.Take(cuts[choice]).ToArray()))]), cuts);
    }

    private static void AssertSame(
        SortedDictionary<int, ChoiceTrace> whole, Dictionary<int, int> cuts, SortedDictionary<int, ChoiceTrace> rest)
    {
        Assert.Equal(cuts.Keys.Order(), rest.Keys);
        foreach ((int choice, int cut) in cuts)
        {
            (ChoiceTrace expected, ChoiceTrace actual) = (whole[choice], rest[choice]);
            int top = expected.Tokens.Count == 0 ? 0 : expected.Alternatives.Count / expected.Tokens.Count;
            Assert.Equal(expected.Tokens[cut..], actual.Tokens);
            Assert.Equal(expected.Logprobs[cut..], actual.Logprobs);
            Assert.Equal(expected.Counts[cut..], actual.Counts);
            Assert.Equal(expected.Alternatives[(cut * top)..], actual.Alternatives);
            (SequenceEvent before, SequenceEvent after) = (expected.End!.Value, actual.End!.Value);
            Assert.Equal((before.Reason, before.GeneratedTokens, before.Token), (after.Reason, after.GeneratedTokens, after.Token));
        }
    }

    private static SequenceRequest RandomRequest(Random random, int maxPrompt, int maxTokens, int vocabulary) => new()
    {
        RequestId = "test",
        Prompt = Enumerable.Range(0, random.Next(1, maxPrompt)).Select(_ => random.Next(vocabulary)).ToArray(),
        MaxTokens = random.Next(1, maxTokens),
        Count = random.Next(1, 5),
        TopLogprobs = random.Next(3) == 0 ? null : random.Next(4),
        StopIds = [random.Next(vocabulary)],
        Sampling = new SamplingOptions
        {
            Seed = random.NextInt64(),
            Temperature = random.Next(4) == 0 ? 0 : 0.5f + random.NextSingle(),
            TopP = random.Next(2) == 0 ? 1 : 0.9f,
            PresencePenalty = random.Next(2) == 0 ? 0 : 0.7f,
            FrequencyPenalty = random.Next(2) == 0 ? 0 : 0.4f,
            RepetitionPenalty = random.Next(2) == 0 ? 1 : 1.2f,
        },
    };

    private static SequenceRequest With(SequenceRequest request, ResumedChoice[] resume) => new()
    {
        RequestId = request.RequestId,
        Prompt = request.Prompt,
        MaxTokens = request.MaxTokens,
        Count = request.Count,
        TopLogprobs = request.TopLogprobs,
        StopIds = request.StopIds,
        Sampling = request.Sampling,
        Resume = resume,
    };

    private static SequenceRequest Plain(int[] prompt, int? maxTokens, int count, ResumedChoice[]? resume) => new()
    {
        RequestId = "test",
        Prompt = prompt,
        MaxTokens = maxTokens,
        Count = count,
        StopIds = [33],
        Sampling = SamplingOptions.Greedy,
        Resume = resume,
    };

    private static ModelRunner Load(string path) =>
        new(ModelFile.Open(path), new ReferenceBackend(), new ModelRunnerOptions { KvType = KvType.F32, KvBlocks = 40, MaxBatchRows = 32 });
}

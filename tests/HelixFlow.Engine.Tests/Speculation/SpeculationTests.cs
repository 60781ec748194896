using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Models;
using HelixFlow.Engine.Sampling;
using HelixFlow.Engine.Speculation;
using HelixFlow.Engine.Tests.Execution;
using HelixFlow.TestKit.Execution;

namespace HelixFlow.Engine.Tests.Speculation;

/// <summary>Guesses change how many steps a generation takes, and nothing else.</summary>
public sealed class SpeculationTests
{
    private const int EndId = 5;

    [Fact]
    public async Task Everything_that_is_said_is_the_same_with_and_without_guesses()
    {
        long preemptions = 0;
        long accepted = 0;
        long rejected = 0;
        int stopped = 0;
        for (int seed = 0; seed < 150; seed++)
        {
            (EngineSnapshot end, int stops) = await RunMixAsync(new Random(seed));
            preemptions += end.Preemptions;
            accepted += end.AcceptedTokens;
            rejected += end.ProposedTokens - end.AcceptedTokens;
            stopped += stops;
        }

        Assert.True(preemptions > 100, $"only {preemptions} preemptions");
        Assert.True(accepted > 2000, $"only {accepted} guesses were right");
        Assert.True(rejected > 1000, $"only {rejected} guesses were wrong");
        Assert.True(stopped > 200, $"only {stopped} choices ended with a stop token");
    }

    [Fact]
    public async Task A_generation_that_is_resumed_amid_guesses_is_the_uninterrupted_one()
    {
        var random = new Random(1);
        long accepted = 0;
        for (int round = 0; round < 80; round++)
        {
            int vocabulary = random.Next(6, 20);
            SequenceRequest request = RandomRequest(random, vocabulary, maxLength: 120);
            await using var first = new EngineUnderTest(Repeating(100, 4, vocabulary, 2), Still(SpeculationMode.NGram));
            await using var second = new EngineUnderTest(Repeating(100, 8, vocabulary, 2), Still(SpeculationMode.NGram));
            SortedDictionary<int, ChoiceTrace> whole = await ChoiceTrace.ReadAsync(first.Submit(request));
            int[] cuts = [.. whole.Values.Select(choice => random.Next(choice.Tokens.Count + 1))];
            ResumedChoice[] resume = [.. whole.Select((pair, i) => new ResumedChoice(pair.Key, pair.Value.Tokens.Take(cuts[i]).ToArray()))];

            SortedDictionary<int, ChoiceTrace> rest = await ChoiceTrace.ReadAsync(second.Submit(With(request, resume)));

            foreach (int choice in whole.Keys)
            {
                Assert.Equal(whole[choice].Tokens[cuts[choice]..], rest[choice].Tokens);
                Assert.Equal(whole[choice].Logprobs[cuts[choice]..], rest[choice].Logprobs);
                Assert.Equal(Ends(whole[choice]), Ends(rest[choice]));
            }

            accepted += (await second.IdleAsync()).AcceptedTokens;
            await second.AssertNothingHeldAsync();
        }

        Assert.True(accepted > 300, $"only {accepted} guesses were right");
    }

    [Fact]
    public async Task Sampled_texts_have_the_distribution_of_the_model()
    {
        // All texts of three tokens after a prompt that makes guesses, against their probabilities.
        const int Vocabulary = 5;
        const int Runs = 20_000;
        int[] prompt = [0, 0, 1, 0, 2, 0, 3, 0, 4, 1, 1, 2, 1, 3, 1, 4, 2, 2, 3, 2, 4, 3, 3, 4, 4, 0]; // every pair, so that each has a guess
        await using var test = new EngineUnderTest(Repeating(400, 4, Vocabulary, memory: 1), Still(SpeculationMode.NGram, tokens: 3));
        var counts = new int[Vocabulary * Vocabulary * Vocabulary];
        for (int batch = 0; batch < Runs; batch += 8)
        {
            SequenceStream[] streams = [.. Enumerable.Range(batch, 8).Select(seed => test.Submit(new SequenceRequest
            {
                RequestId = "test",
                Prompt = prompt,
                MaxTokens = 5, // the last ones are run with the third one's guesses
                Sampling = new SamplingOptions { Temperature = 5, Seed = seed },
            }))];
            foreach (SequenceStream stream in streams)
            {
                List<int> tokens = (await ChoiceTrace.ReadAsync(stream))[0].Tokens;
                counts[(((tokens[0] * Vocabulary) + tokens[1]) * Vocabulary) + tokens[2]]++;
            }
        }

        double chiSquare = 0;
        for (int text = 0; text < counts.Length; text++)
        {
            double expected = Runs * Probability([text / Vocabulary / Vocabulary, text / Vocabulary % Vocabulary, text % Vocabulary]);
            chiSquare += (counts[text] - expected) * (counts[text] - expected) / expected;
        }

        EngineSnapshot end = await test.IdleAsync();
        Assert.True(end.AcceptedTokens > 5000, $"only {end.AcceptedTokens} guesses were right");
        Assert.True(end.ProposedTokens - end.AcceptedTokens > 5000, $"only {end.ProposedTokens - end.AcceptedTokens} guesses were wrong");
        Assert.InRange(chiSquare, 60, 124 + (4 * Math.Sqrt(2 * 124))); // 124 degrees of freedom

        double Probability(int[] text)
        {
            double probability = 1;
            List<int> history = [.. prompt];
            foreach (int token in text)
            {
                double[] weights = [.. FakeModelRunner.LogitsAfter(history.ToArray(), Vocabulary, memory: 1).Select(logit => Math.Exp(logit / 5))];
                probability *= weights[token] / weights.Sum();
                history.Add(token);
            }

            return probability;
        }
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(1.5f)]
    public async Task A_second_model_that_agrees_is_right_as_often_as_the_best_token_is_sampled(float temperature)
    {
        // Were its store wrong after a wrong guess, those that follow would be wrong, too.
        var draft = new FakeModelRunner(400, 8, 12, contextLength: 2048) { Memory = 3 };
        var clock = new StepClock(0, 0);
        var options = new EngineOptions { Speculation = SpeculationMode.Draft, SpeculationTokens = 4, TimeProvider = clock };
        await using var test = new EngineUnderTest(new FakeModelRunner(400, 4, 12, contextLength: 2048) { Memory = 3 }, options, draft);
        List<int> tokens = [1, 2, 3];
        tokens.AddRange((await ChoiceTrace.ReadAsync(test.Submit(Sampled([1, 2, 3], 800, temperature))))[0].Tokens);

        int best = Enumerable.Range(3, 800).Count(i =>
        {
            float[] logits = FakeModelRunner.LogitsAfter(tokens.Take(i).ToArray(), 12, memory: 3);
            return logits[tokens[i]] == logits.Max();
        });
        EngineSnapshot end = await test.IdleAsync();
        Assert.InRange(end.Steps, 800 / 5, temperature == 0 ? 170 : 799 - (best / 2));

        // Each wrong guess is one token that was not the best; all others that ran before the end of their step were right.
        Assert.InRange(end.AcceptedTokens, 0.6 * best, best);
        Assert.Equal(800 - end.AcceptedTokens, end.Steps);
    }

    [Fact]
    public async Task A_second_model_is_left_alone_where_it_guesses_wrong_or_costs_much()
    {
        long right = await TimeAsync(SpeculationMode.Draft, memory: 2, row: 10, draftStep: 50);
        long wrong = await TimeAsync(SpeculationMode.Draft, memory: 3, row: 10, draftStep: 50);
        long slow = await TimeAsync(SpeculationMode.Draft, memory: 2, row: 10, draftStep: 2000);
        long without = await TimeAsync(SpeculationMode.Off, memory: 2, row: 10, draftStep: 0);

        Assert.InRange((double)without / right, 2.5, 10);
        Assert.InRange((double)without / wrong, 0.97, 10);
        Assert.InRange((double)without / slow, 0.93, 10);

        static async Task<long> TimeAsync(SpeculationMode mode, int memory, int row, int draftStep)
        {
            var clock = new StepClock(1000, row);
            var draftClock = new StepClock(draftStep, 0, clock);
            var runner = new FakeModelRunner(1200, vocabulary: 16, contextLength: 4096) { OnStep = clock.Run, Memory = 2 };
            FakeModelRunner? draft = mode == SpeculationMode.Off ? null : new FakeModelRunner(1200, vocabulary: 16, contextLength: 4096) { OnStep = draftClock.Run, Memory = memory };
            await using var test = new EngineUnderTest(runner, new EngineOptions { Speculation = mode, TimeProvider = clock }, draft);
            await ChoiceTrace.ReadAsync(test.Submit(Plain([1, 2, 3], 2000)));
            return clock.Ticks;
        }
    }

    [Fact]
    public async Task A_draft_and_its_mode_belong_together()
    {
        Assert.Throws<ArgumentException>(() => new InferenceEngine(Repeating(8, 4, 8, 1), Still(SpeculationMode.Draft)));
        Assert.Throws<ArgumentException>(() => new InferenceEngine(Repeating(8, 4, 8, 1), Still(SpeculationMode.NGram), Repeating(8, 4, 8, 1)));
        await using var engine = new InferenceEngine(Repeating(8, 4, 8, 1), Still(SpeculationMode.Draft), Repeating(8, 4, 8, 1));
    }

    [Fact]
    public async Task A_text_that_repeats_itself_takes_a_fraction_of_the_steps()
    {
        await using var test = new EngineUnderTest(Repeating(200, 4, 16, memory: 1), Still(SpeculationMode.NGram));
        SortedDictionary<int, ChoiceTrace> choices = await ChoiceTrace.ReadAsync(test.Submit(Plain([1, 2, 3], 400)));

        Assert.Equal(400, choices[0].Tokens.Count);
        EngineSnapshot end = await test.IdleAsync();
        Assert.InRange(end.Steps, 400 / 9, 100);
        Assert.Equal(403 - 1, end.ComputedTokens);
        Assert.Equal(400 - end.Steps, end.AcceptedTokens);
    }

    [Theory]
    [InlineData(1000, 0, true)] // weights are read once per step: further rows are free
    [InlineData(1000, 50, true)]
    [InlineData(0, 1000, true)] // every row costs as much: nothing can be gained
    [InlineData(1000, 0, false)]
    [InlineData(1000, 200, false)]
    [InlineData(0, 1000, false)]
    public async Task Guesses_gain_time_where_rows_are_cheap_and_lose_next_to_none_where_they_are_not(int step, int row, bool repeats)
    {
        long without = await TimeAsync(SpeculationMode.Off);
        long with = await TimeAsync(SpeculationMode.NGram);

        double ratio = (double)without / with;
        Assert.InRange(ratio, repeats && step > 0 ? 2.5 : 0.98, 10);

        async Task<long> TimeAsync(SpeculationMode mode)
        {
            var clock = new StepClock(step, row);
            var runner = new FakeModelRunner(1200, vocabulary: 8, contextLength: 4096) { OnStep = clock.Run, Memory = repeats ? 2 : null };
            await using var test = new EngineUnderTest(runner, new EngineOptions { Speculation = mode, TimeProvider = clock });
            await ChoiceTrace.ReadAsync(test.Submit(Plain([1, 2, 3], 3000)));
            return clock.Ticks;
        }
    }

    [Fact]
    public async Task Sequences_of_one_batch_get_guesses_by_their_own_success()
    {
        var clock = new StepClock(1000, 200);
        using var submitted = new ManualResetEventSlim();
        var runner = new FakeModelRunner(800, vocabulary: 32, contextLength: 2048, maxRows: 32) { Memory = 1 };
        runner.OnStep = batch =>
        {
            submitted.Wait();
            clock.Run(batch);
        };
        await using var test = new EngineUnderTest(runner, new EngineOptions { TimeProvider = clock });
        using SequenceStream repeating = test.Submit(Plain([1], 600));
        using SequenceStream wandering = test.Submit(Sampled([2], 600, temperature: 50));
        submitted.Set();
        await ChoiceTrace.ReadAsync(repeating);
        await ChoiceTrace.ReadAsync(wandering);

        EngineSnapshot end = await test.IdleAsync();
        Assert.InRange(end.AcceptedTokens, 400, 600);
        Assert.InRange(end.ProposedTokens - end.AcceptedTokens, 0, 150);
    }

    /// <summary>Runs a random mix of requests with guesses, and each alone without, and compares what they said.</summary>
    /// <returns>What the engine had done in the end, and how many choices ended with a stop token.</returns>
    private static async Task<(EngineSnapshot End, int Stopped)> RunMixAsync(Random random)
    {
        int vocabulary = random.Next(6, 24);
        int blockSize = random.Next(2, 9);
        int blocks = random.Next(12, 40);
        int? memory = random.Next(5) == 0 ? null : random.Next(1, 4);
        int poison = random.Next(8) == 0 ? random.Next(vocabulary) : -1;
        var options = new EngineOptions
        {
            MaxSequences = random.Next(4, 9),
            MaxBatchTokens = random.Next(9, 40),
            PrefixReuse = random.Next(3) > 0,
            EndIds = [EndId],
            Speculation = random.Next(2) == 0 ? SpeculationMode.NGram : SpeculationMode.Draft,
            SpeculationTokens = random.Next(1, 13),
            TimeProvider = new StepClock(0, 0),
        };
        using var submitted = new ManualResetEventSlim(); // so that all compete, however slowly they are submitted
        var device = new FakeModelRunner(blocks, blockSize, vocabulary) { Memory = memory, PoisonToken = poison, OnStep = _ => submitted.Wait() };
        var reference = new FakeModelRunner(200, 4, vocabulary) { Memory = memory, PoisonToken = poison };
        await using var plain = new EngineUnderTest(reference, Still(SpeculationMode.Off));
        FakeModelRunner? draft = options.Speculation == SpeculationMode.Draft
            ? new FakeModelRunner(random.Next(4, 60), random.Next(2, 9), vocabulary + random.Next(-1, 2), maxRows: random.Next(8, 64)) { Memory = random.Next(1, 4) }
            : null;
        await using var test = new EngineUnderTest(device, options, draft);
        SequenceRequest[] requests = [.. Enumerable.Range(0, random.Next(1, 10)).Select(_ => RandomRequest(random, vocabulary, blocks * blockSize))];
        int[] text = [.. Enumerable.Range(0, random.Next(1, blocks * blockSize / 2)).Select(_ => random.Next(vocabulary))];

        SequenceStream[] streams = [.. requests.Select(test.Submit)];
        Task<EmbeddingResult> embedding = test.Engine.EmbedAsync(new EmbeddingRequest { RequestId = "text", Tokens = text, Pooling = (Pooling)random.Next(2) }, CancellationToken.None);
        using SequenceStream leaving = test.Submit(RandomRequest(random, vocabulary, blocks * blockSize));
        leaving.Cancel();
        submitted.Set();
        int stopped = 0;
        for (int i = 0; i < requests.Length; i++)
        {
            SortedDictionary<int, ChoiceTrace> expected = await ChoiceTrace.ReadAsync(plain.Submit(requests[i]));
            SortedDictionary<int, ChoiceTrace> actual = await ChoiceTrace.ReadAsync(streams[i]);
            Assert.Equal(expected.Keys, actual.Keys);
            foreach (int choice in expected.Keys)
            {
                Assert.Equal(expected[choice].Tokens, actual[choice].Tokens);
                Assert.Equal(expected[choice].Logprobs, actual[choice].Logprobs);
                Assert.Equal(expected[choice].Alternatives, actual[choice].Alternatives);
                Assert.Equal(expected[choice].Counts, actual[choice].Counts);
                Assert.Equal(Ends(expected[choice]), Ends(actual[choice]));
                stopped += actual[choice].End!.Value.Reason == FinishReason.Stop ? 1 : 0;
            }
        }

        Assert.Equal(SubmitOutcome.Accepted, (await embedding).Outcome);
        await test.AssertNothingHeldAsync();
        return (test.Engine.Snapshot(), stopped);
    }

    private static (FinishReason Reason, int Generated, int Token, string? Error) Ends(ChoiceTrace choice) =>
        (choice.End!.Value.Reason, choice.End.Value.GeneratedTokens, choice.End.Value.Token, choice.End.Value.Error);

    private static FakeModelRunner Repeating(int blocks, int blockSize, int vocabulary, int memory) =>
        new(blocks, blockSize, vocabulary) { Memory = memory };

    /// <summary>With a clock that stands still nothing is known of costs: guesses run wherever they may be right.</summary>
    private static EngineOptions Still(SpeculationMode mode, int tokens = 8) => new()
    {
        EndIds = [EndId],
        Speculation = mode,
        SpeculationTokens = tokens,
        TimeProvider = new StepClock(0, 0),
    };

    private static SequenceRequest Plain(int[] prompt, int maxTokens) => Sampled(prompt, maxTokens, temperature: 0);

    private static SequenceRequest Sampled(int[] prompt, int maxTokens, float temperature) => new()
    {
        RequestId = "test",
        Prompt = prompt,
        MaxTokens = maxTokens,
        IgnoreEnd = true,
        Sampling = new SamplingOptions { Temperature = temperature, Seed = 7 },
    };

    private static SequenceRequest RandomRequest(Random random, int vocabulary, int maxLength)
    {
        int prompt = random.Next(1, maxLength / 2);
        return new SequenceRequest
        {
            RequestId = "test",
            Prompt = Enumerable.Range(0, prompt).Select(i => random.Next(3) == 0 ? random.Next(vocabulary) : i % 5).ToArray(),
            MaxTokens = random.Next(3) == 0 ? maxLength - prompt : random.Next(1, maxLength - prompt),
            Count = random.Next(3) == 0 ? random.Next(1, 5) : 1,
            TopLogprobs = random.Next(3) == 0 ? null : random.Next(4),
            StopIds = random.Next(2) == 0 ? [random.Next(vocabulary)] : [],
            IgnoreEnd = random.Next(3) > 0,
            Priority = random.Next(2),
            CacheSalt = random.Next(4) == 0 ? "other" : "",
            Sampling = new SamplingOptions
            {
                Seed = random.NextInt64(),
                Temperature = random.Next(2) == 0 ? 0 : 0.3f + random.NextSingle(),
                TopK = random.Next(3) == 0 ? 4 : 0,
                TopP = random.Next(2) == 0 ? 1 : 0.9f,
                PresencePenalty = random.Next(3) > 0 ? 0 : 0.7f,
                FrequencyPenalty = random.Next(3) > 0 ? 0 : 0.2f,
                RepetitionPenalty = random.Next(3) > 0 ? 1 : 1.1f,
                LogitBias = random.Next(4) == 0 ? new Dictionary<int, float> { [random.Next(vocabulary)] = 2 } : null,
            },
        };
    }

    private static SequenceRequest With(SequenceRequest request, ResumedChoice[] resume) => new()
    {
        RequestId = request.RequestId,
        Prompt = request.Prompt,
        MaxTokens = request.MaxTokens,
        Count = request.Count,
        TopLogprobs = request.TopLogprobs,
        StopIds = request.StopIds,
        IgnoreEnd = request.IgnoreEnd,
        Sampling = request.Sampling,
        Resume = resume,
    };
}

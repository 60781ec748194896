using System.Text;
using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Grammar;
using HelixFlow.Engine.Sampling;
using HelixFlow.Engine.Speculation;
using HelixFlow.Engine.Tests.Grammar;
using HelixFlow.Engine.Tests.Speculation;
using HelixFlow.TestKit.Execution;

namespace HelixFlow.Engine.Tests.Execution;

/// <summary>A constraint holds whatever the model says, and whatever else the engine does.</summary>
public sealed class ConstrainedTests
{
    private static readonly int EndId = SmallVocabulary.Size - 1;

    private static readonly TokenGrammar[] _grammars =
    [
        .. ((Constraint[])
        [
            new Constraint.JsonObject(),
            new Constraint.JsonSchema("""
                {"type":"object","properties":{"name":{"type":"string","maxLength":6},"kind":{"enum":["foo","bar",null,12]},"tags":{"type":"array","items":{"type":"integer"},"maxItems":3}},
                 "required":["name","kind","tags"],"additionalProperties":false}
                """),
            new Constraint.Regex(@"(foo|bar)+[0-9]{2,4}(\.[a-z]{1,3}){0,2}"),
            new Constraint.Choice(["foo", "foo bar", "true", "日本", "\"quoted\""]),
            new Constraint.Grammar("""
                root ::= sum
                sum ::= product ("+" product){0,3}
                product ::= [0-9]{1,3} | "(" sum ")"
                """),
        ]).Select(constraint => constraint.Compile(SmallVocabulary.Instance)),
    ];

    [Fact]
    public async Task Every_text_is_of_its_language_and_the_same_with_and_without_guesses_preemption_and_resumption()
    {
        long preemptions = 0, accepted = 0, stopped = 0;
        for (int seed = 0; seed < 60; seed++)
        {
            var random = new Random(seed);
            SequenceRequest[] requests = [.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => RandomRequest(random))];
            SortedDictionary<int, ChoiceTrace>[] plain = await RunAsync(requests, SpeculationMode.Off, blocks: 800);
            SortedDictionary<int, ChoiceTrace>[] guessed = await RunAsync(requests, SpeculationMode.NGram, blocks: 40, Count);
            SortedDictionary<int, ChoiceTrace>[] drafted = await RunAsync(requests, SpeculationMode.Draft, blocks: 40, Count);
            for (int i = 0; i < requests.Length; i++)
            {
                foreach ((int choice, ChoiceTrace trace) in plain[i])
                {
                    stopped += AssertFollows(requests[i], trace) ? 1 : 0;
                    AssertSame(trace, guessed[i][choice]);
                    AssertSame(trace, drafted[i][choice]);
                }

                await AssertResumesAsync(requests[i], plain[i], random);
            }
        }

        Assert.True(stopped > 150, $"only {stopped} texts were complete");
        Assert.True(accepted > 100, $"only {accepted} guesses were right");
        Assert.True(preemptions > 5, $"only {preemptions} preemptions");

        void Count(EngineSnapshot end)
        {
            preemptions += end.Preemptions;
            accepted += end.AcceptedTokens;
        }
    }

    [Fact]
    public async Task Greedy_takes_the_best_allowed_token_and_no_bias_allows_another()
    {
        TokenGrammar grammar = new Constraint.Choice(["ab", "ba"]).Compile(SmallVocabulary.Instance);
        await using EngineUnderTest test = Create(SpeculationMode.Off, 100);
        int[] prompt = [1, 2, 3];
        float[] logits = FakeModelRunner.LogitsAfter(prompt, SmallVocabulary.Size, memory: 2);
        SequenceRequest request = Plain(prompt, grammar, new SamplingOptions { Temperature = 0, LogitBias = new Dictionary<int, float> { ['x'] = 100, [EndId] = 100 } }, topLogprobs: 1);

        ChoiceTrace trace = (await ChoiceTrace.ReadAsync(test.Submit(request)))[0];

        int ab = Enumerable.Range(0, SmallVocabulary.Size).First(token => SmallVocabulary.Instance.BytesOf(token).SequenceEqual("ab"u8));
        int first = new[] { 'a', 'b', ab }.MaxBy(token => logits[token]);
        Assert.Equal(first, trace.Tokens[0]);
        Assert.Contains(Text(trace.Tokens), (string[])["ab", "ba"]);
        Assert.Equal(logits.AsSpan().IndexOf(logits.Max()), trace.Alternatives[0].Token); // log probabilities are the model's own
        double logSum = Math.Log(logits.Sum(logit => Math.Exp(logit)));
        Assert.Equal(logits[first] - logSum, trace.Logprobs[0], 3);
        Assert.Equal((FinishReason.Stop, -1), (trace.End!.Value.Reason, trace.End.Value.Token));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_text_ends_where_it_must_and_end_tokens_come_only_where_it_may(bool ignoreEnd)
    {
        TokenGrammar grammar = new Constraint.Regex("(foo){2,}").Compile(SmallVocabulary.Instance);
        await using EngineUnderTest test = Create(SpeculationMode.Off, 400);
        for (int seed = 0; seed < 20; seed++)
        {
            SequenceRequest request = Plain([seed], grammar, new SamplingOptions { Temperature = 5, Seed = seed, LogitBias = new Dictionary<int, float> { [EndId] = 100 } }, ignoreEnd: ignoreEnd);

            ChoiceTrace trace = (await ChoiceTrace.ReadAsync(test.Submit(request)))[0];

            Assert.Equal("foofoo", Text(trace.Tokens));
            Assert.Equal((FinishReason.Stop, EndId), (trace.End!.Value.Reason, trace.End.Value.Token));
        }
    }

    [Fact]
    public async Task The_empty_text_is_a_choice_that_has_ended_before_its_first_token()
    {
        await using EngineUnderTest test = Create(SpeculationMode.Off, 100);

        SortedDictionary<int, ChoiceTrace> choices = await ChoiceTrace.ReadAsync(test.Submit(Plain([1], new Constraint.Regex("").Compile(SmallVocabulary.Instance), new SamplingOptions(), count: 3)));

        Assert.Equal([0, 1, 2], choices.Keys);
        Assert.All(choices.Values, choice => Assert.Equal((FinishReason.Stop, 0), (choice.End!.Value.Reason, choice.Tokens.Count)));
        await test.AssertNothingHeldAsync();
    }

    [Fact]
    public async Task What_does_not_follow_the_constraint_cannot_be_resumed_and_what_is_complete_ends_at_once()
    {
        await using EngineUnderTest test = Create(SpeculationMode.Off, 100);
        TokenGrammar grammar = new Constraint.Choice(["abab"]).Compile(SmallVocabulary.Instance);
        SequenceRequest wrong = Plain([1], grammar, new SamplingOptions(), resume: [new(0, new int[] { 'a', 'a' })]);
        SequenceRequest whole = Plain([1], grammar, new SamplingOptions(), resume: [new(0, new int[] { 'a', 'b', 'a', 'b' })], maxTokens: 4);

        Assert.Equal(SubmitOutcome.InvalidRequest, test.Engine.Submit(wrong, out _));
        Assert.Equal("resume", test.Engine.FindProblem(wrong)!.Field);
        Assert.Equal(FinishReason.Stop, (await ChoiceTrace.ReadAsync(test.Submit(whole)))[0].End!.Value.Reason);
        await test.AssertNothingHeldAsync();
    }

    [Fact]
    public async Task A_constraint_for_another_vocabulary_is_refused()
    {
        await using var test = new EngineUnderTest(new FakeModelRunner(100, vocabulary: 64), new EngineOptions());
        SequenceRequest request = Plain([1], _grammars[0], new SamplingOptions());

        Assert.Equal(SubmitOutcome.InvalidRequest, test.Engine.Submit(request, out _));
        Assert.Equal("constraint", test.Engine.FindProblem(request)!.Field);
    }

    [Fact]
    public async Task A_grammar_that_proves_too_complex_ends_its_own_request_only()
    {
        // Each of many terminals may have begun at each place of the text so far.
        int[] kinds = [.. Enumerable.Range(0, 300)];
        string rules = string.Join('\n', kinds.Select(kind => $"x{kind}: /a{{1,{500 + kind}}}/ | \"c\" x{kind} \"d\""));
        TokenGrammar grammar = new Constraint.Grammar($"start: start x | x\nx: {string.Join(" | ", kinds.Select(kind => $"x{kind}"))}\n{rules}").Compile(SmallVocabulary.Instance);
        await using EngineUnderTest test = Create(SpeculationMode.NGram, 400);
        var onAndOn = new SamplingOptions { Seed = 1, LogitBias = new Dictionary<int, float> { [EndId] = float.NegativeInfinity, ['a'] = 50 } };
        using SequenceStream other = test.Submit(Plain([2], null, onAndOn, maxTokens: 200));
        using SequenceStream hard = test.Submit(Plain([1], grammar, onAndOn, maxTokens: 200));

        ChoiceTrace ended = (await ChoiceTrace.ReadAsync(hard))[0];

        Assert.Equal(FinishReason.Error, ended.End!.Value.Reason);
        Assert.StartsWith("the grammar ", ended.End.Value.Error, StringComparison.Ordinal);
        ChoiceTrace untouched = (await ChoiceTrace.ReadAsync(other))[0];
        Assert.Equal((FinishReason.Length, 200), (untouched.End!.Value.Reason, untouched.Tokens.Count));
        await test.AssertNothingHeldAsync();
    }

    [Fact]
    public async Task What_is_forced_takes_fewer_steps()
    {
        const string text = "foobarbazquuxvaluenameid";
        TokenGrammar grammar = new Constraint.Choice([text]).Compile(SmallVocabulary.Instance);
        int[] words = [.. grammar.CreateMatcher().ForcedTokens()];
        Assert.Equal(["foo", "bar", "baz", "quux", "value", "name", "id"], words.Select(word => Text([word])));
        var favoured = new SamplingOptions { Temperature = 0, LogitBias = words.ToDictionary(word => word, _ => 100f) };
        var steps = new Dictionary<SpeculationMode, long>();
        foreach (SpeculationMode mode in (SpeculationMode[])[SpeculationMode.Off, SpeculationMode.NGram])
        {
            await using EngineUnderTest test = Create(mode, 40);

            using SequenceStream stream = test.Submit(Plain([1, 2, 3], grammar, favoured));
            ChoiceTrace trace = (await ChoiceTrace.ReadAsync(stream))[0];

            Assert.Equal(words, trace.Tokens);
            await test.AssertNothingHeldAsync();
            steps[mode] = test.Engine.Snapshot().Steps;
        }

        Assert.Equal((7, 3), (steps[SpeculationMode.Off], steps[SpeculationMode.NGram])); // 1 + 6, and 1 + 5 + 1 tokens
    }

    private static async Task AssertResumesAsync(SequenceRequest request, SortedDictionary<int, ChoiceTrace> whole, Random random)
    {
        ResumedChoice[] resume = [.. whole.Select(pair => new ResumedChoice(pair.Key, pair.Value.Tokens.Take(random.Next(pair.Value.Tokens.Count + 1)).ToArray()))];
        await using EngineUnderTest test = Create(SpeculationMode.NGram, 800);

        SortedDictionary<int, ChoiceTrace> rest = await ChoiceTrace.ReadAsync(test.Submit(
            Plain(request.Prompt.ToArray(), request.Grammar, request.Sampling, request.Count, request.MaxTokens, request.IgnoreEnd, resume, request.TopLogprobs)));

        foreach (ResumedChoice resumed in resume)
        {
            Assert.Equal(whole[resumed.Choice].Tokens[resumed.Tokens.Length..], rest[resumed.Choice].Tokens);
            Assert.Equal(Ends(whole[resumed.Choice]), Ends(rest[resumed.Choice]));
        }
    }

    private static async Task<SortedDictionary<int, ChoiceTrace>[]> RunAsync(SequenceRequest[] requests, SpeculationMode speculation, int blocks, Action<EngineSnapshot>? look = null)
    {
        using var submitted = new ManualResetEventSlim(); // so that all compete, however slowly they are submitted
        await using EngineUnderTest test = Create(speculation, blocks, submitted.Wait);
        SequenceStream[] streams = [.. requests.Select(test.Submit)];
        submitted.Set();
        var traces = new List<SortedDictionary<int, ChoiceTrace>>();
        foreach (SequenceStream stream in streams)
        {
            traces.Add(await ChoiceTrace.ReadAsync(stream));
        }

        look?.Invoke(await test.IdleAsync());
        await test.AssertNothingHeldAsync();
        return [.. traces];
    }

    /// <returns>Whether the text is complete.</returns>
    private static bool AssertFollows(SequenceRequest request, ChoiceTrace trace)
    {
        GrammarMatcher matcher = request.Grammar!.CreateMatcher();
        Assert.All(trace.Tokens, token => Assert.True(matcher.TryAccept(token), Text(trace.Tokens)));
        FinishReason reason = trace.End!.Value.Reason;
        Assert.True(reason == FinishReason.Length || (reason == FinishReason.Stop && matcher.MayEnd), $"{reason} after {Text(trace.Tokens)}");
        return reason == FinishReason.Stop;
    }

    private static void AssertSame(ChoiceTrace expected, ChoiceTrace actual)
    {
        Assert.Equal(expected.Tokens, actual.Tokens);
        Assert.Equal(expected.Logprobs, actual.Logprobs);
        Assert.Equal(Ends(expected), Ends(actual));
    }

    private static (FinishReason, int, int) Ends(ChoiceTrace trace) => (trace.End!.Value.Reason, trace.End.Value.GeneratedTokens, trace.End.Value.Token);

    private static string Text(IEnumerable<int> tokens) => Encoding.UTF8.GetString([.. tokens.SelectMany(token => SmallVocabulary.Instance.BytesOf(token).ToArray())]);

    private static EngineUnderTest Create(SpeculationMode speculation, int blocks, Action? beforeStep = null)
    {
        FakeModelRunner Runner(int count) => new(count, blockSize: 4, vocabulary: SmallVocabulary.Size) { Memory = 2, OnStep = _ => beforeStep?.Invoke() };
        var options = new EngineOptions
        {
            MaxBatchTokens = 32,
            MaxSequences = 8,
            EndIds = [EndId],
            Speculation = speculation,
            SpeculationTokens = 4,
            TimeProvider = new StepClock(0, 0),
        };
        return new EngineUnderTest(Runner(blocks), options, speculation == SpeculationMode.Draft ? Runner(200) : null);
    }

    private static SequenceRequest RandomRequest(Random random) => Plain(
        Enumerable.Range(0, random.Next(1, 20)).Select(_ => random.Next(SmallVocabulary.Size)).ToArray(),
        _grammars[random.Next(_grammars.Length)],
        new SamplingOptions
        {
            Temperature = random.Next(3) * 1.5f,
            Seed = random.Next(),
            TopP = random.Next(2) == 0 ? 1 : 0.7f,
            TopK = random.Next(3) == 0 ? 20 : 0,
            MinP = random.Next(4) == 0 ? 0.05f : 0,
            FrequencyPenalty = random.Next(3) == 0 ? 1 : 0,
            LogitBias = random.Next(3) == 0 ? new Dictionary<int, float> { [EndId] = 5, ['x'] = 100, ['"'] = 3 } : null,
        },
        random.Next(1, 4),
        random.Next(1, 120),
        random.Next(3) == 0,
        topLogprobs: 0);

    private static SequenceRequest Plain(
        int[] prompt,
        TokenGrammar? grammar,
        SamplingOptions sampling,
        int count = 1,
        int? maxTokens = 100,
        bool ignoreEnd = false,
        ResumedChoice[]? resume = null,
        int? topLogprobs = null) => new()
        {
            RequestId = "test",
            Prompt = prompt,
            Grammar = grammar,
            Sampling = sampling,
            Count = count,
            MaxTokens = maxTokens,
            IgnoreEnd = ignoreEnd,
            Resume = resume,
            TopLogprobs = topLogprobs,
        };
}

using HelixFlow.Engine.Sampling;
using HelixFlow.TestKit.Measures;

namespace HelixFlow.Engine.Tests.Sampling;

public sealed class SamplerTests
{
    [Fact]
    public void Greedy_takes_the_lowest_id_among_equals()
    {
        float[] logits = [1, 3, 2, 3, 3, 0, 0, 0, 3, 1];

        Assert.Equal(1, new Sampler(10).Sample(logits, State(SamplingOptions.Greedy)));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_row_that_is_not_finite_gives_no_token(float bad)
    {
        for (int place = 0; place < 19; place++)
        {
            float[] logits = new float[19];
            logits[place] = bad;
            Assert.Equal(Sampler.NoToken, new Sampler(19).Sample(logits, State(SamplingOptions.Greedy)));
            Assert.Equal(Sampler.NoToken, new Sampler(19).Sample(logits, State(SamplingOptions.Default)));
        }
    }

    [Fact]
    public void Forbidding_every_token_gives_no_token()
    {
        var options = new SamplingOptions { LogitBias = new Dictionary<int, float> { [0] = float.NegativeInfinity, [1] = float.NegativeInfinity } };

        Assert.Equal(Sampler.NoToken, new Sampler(2).Sample([1, 2], State(options)));
    }

    [Fact]
    public void Filters_and_penalties_agree_with_a_sorting_reference()
    {
        var random = new Random(23);
        foreach (int vocabulary in (int[])[1, 2, 7, 8, 65, 500, 5003])
        {
            var sampler = new Sampler(vocabulary);
            for (int round = 0; round < (vocabulary > 1000 ? 100 : 300); round++)
            {
                float[] logits = RandomLogits(random, vocabulary);
                SamplingOptions options = RandomOptions(random, vocabulary);
                int[] prompt = [.. Enumerable.Range(0, 5).Select(_ => random.Next(vocabulary))];
                int[] output = [.. Enumerable.Range(0, random.Next(6)).Select(_ => random.Next(vocabulary))];
                SamplerState state = State(options, prompt);
                foreach (int token in output)
                {
                    state.Accept(token);
                }

                Dictionary<int, double> expected = Reference(logits, options, prompt, output);
                double unit = state.NextUnit();
                int sampled = sampler.Sample(logits, state);

                Assert.True(expected.ContainsKey(sampled), $"round {round}: {sampled} was filtered out");
                // The draw walks by id: the cumulative probability up to the token must enclose the random number.
                double below = expected.Where(pair => pair.Key < sampled).Sum(pair => pair.Value);
                Assert.InRange(unit, below - 1e-4, below + expected[sampled] + 1e-4);
            }
        }
    }

    [Theory]
    [InlineData(0, 1f, 0f)]
    [InlineData(5, 1f, 0f)]
    [InlineData(0, 0.8f, 0f)]
    [InlineData(0, 1f, 0.2f)]
    [InlineData(8, 0.9f, 0.05f)]
    public void Frequencies_follow_the_distribution(int topK, float topP, float minP)
    {
        const int Draws = 20_000;
        float[] logits = [.. Enumerable.Range(0, 12).Select(i => MathF.Sin(i * 1.7f) * 2)];
        var options = new SamplingOptions { Temperature = 0.9f, TopK = topK, TopP = topP, MinP = minP, Seed = 5 };
        var sampler = new Sampler(logits.Length);
        SamplerState state = State(options);
        int[] seen = new int[logits.Length];
        for (int i = 0; i < Draws; i++)
        {
            int token = sampler.Sample(logits, state);
            seen[token]++;
            state.Accept(token);
        }

        Dictionary<int, double> expected = Reference(logits, options, [], []);
        double chiSquare = expected.Sum(pair => Math.Pow(seen[pair.Key] - (pair.Value * Draws), 2) / (pair.Value * Draws));

        Assert.Equal(Draws, expected.Keys.Sum(token => seen[token]));
        Assert.True(chiSquare < 31.3, $"chi-square {chiSquare} over {expected.Count} tokens"); // 0.1 % for 11 degrees of freedom
    }

    [Fact]
    public void Logprobs_are_those_of_the_raw_logits_best_first()
    {
        var random = new Random(3);
        float[] logits = RandomLogits(random, 300);
        double sum = logits.Sum(logit => Math.Exp(logit));
        var top = new TokenLogprob[20];

        float logprob = new Sampler(300).Logprobs(logits, 77, top);

        Assert.Equal(logits[77] - Math.Log(sum), logprob, 1e-4);
        int[] best = [.. Enumerable.Range(0, 300).OrderByDescending(i => logits[i]).ThenBy(i => i).Take(20)];
        Assert.Equal(best, top.Select(entry => entry.Token));
        Assert.All(top, entry => Assert.Equal(logits[entry.Token] - Math.Log(sum), entry.Logprob, 1e-4));
    }

    [Fact]
    public void Sampling_does_not_allocate()
    {
        float[] logits = RandomLogits(new Random(1), 1000);
        var sampler = new Sampler(1000);
        var top = new TokenLogprob[20];
        SamplerState[] states =
        [
            State(SamplingOptions.Default), State(new SamplingOptions { TopK = 40, TopP = 0.9f }), State(new SamplingOptions { TopP = 0.9f, MinP = 0.1f }),
            State(new SamplingOptions { RepetitionPenalty = 1.1f, PresencePenalty = 1 }, [1, 2, 3]),
        ];
        Round();

        Assert.Equal(0, ThreadAllocations.Least(Round));

        void Round()
        {
            foreach (SamplerState state in states)
            {
                int token = sampler.Sample(logits, state);
                sampler.Logprobs(logits, token, top);
                state.Accept(token);
            }
        }
    }

    private static SamplerState State(SamplingOptions options, int[]? prompt = null) => new(options, options.Seed ?? 1, prompt ?? []);

    /// <summary>Values from a coarse grid, so that ties are common.</summary>
    private static float[] RandomLogits(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(-40, 40) / 8f)];

    private static SamplingOptions RandomOptions(Random random, int vocabulary) => new()
    {
        Temperature = 0.3f + random.NextSingle(),
        TopK = random.Next(2) == 0 ? 0 : random.Next(1, vocabulary + 2),
        TopP = random.Next(2) == 0 ? 1 : 0.05f + (0.9f * random.NextSingle()),
        MinP = random.Next(2) == 0 ? 0 : random.NextSingle() * 0.5f,
        RepetitionPenalty = random.Next(2) == 0 ? 1 : 0.7f + random.NextSingle(),
        PresencePenalty = random.Next(2) == 0 ? 0 : random.NextSingle(),
        FrequencyPenalty = random.Next(2) == 0 ? 0 : random.NextSingle(),
        LogitBias = random.Next(2) == 0 ? null : new Dictionary<int, float> { [random.Next(vocabulary)] = 2 },
        Seed = random.Next(),
    };

    /// <summary>Token to probability, as the options' documentation words it, with sorting and in double precision.</summary>
    private static Dictionary<int, double> Reference(float[] logits, SamplingOptions options, int[] prompt, int[] output)
    {
        double[] changed = [.. logits.Select(logit => (double)logit)];
        foreach (int token in prompt.Concat(output).Distinct())
        {
            changed[token] = changed[token] > 0 ? changed[token] / options.RepetitionPenalty : changed[token] * options.RepetitionPenalty;
        }

        foreach (IGrouping<int, int> group in output.GroupBy(token => token))
        {
            changed[group.Key] -= options.PresencePenalty + (options.FrequencyPenalty * group.Count());
        }

        foreach ((int token, float bias) in options.LogitBias ?? new Dictionary<int, float>())
        {
            changed[token] += bias;
        }

        // Through float, so that ties stay ties.
        List<int> order = [.. Enumerable.Range(0, logits.Length).OrderByDescending(i => (float)changed[i]).ThenBy(i => i)];
        order = options.TopK > 0 ? [.. order.Take(options.TopK)] : order;
        double[] weights = [.. changed.Select(logit => Math.Exp((logit - changed[order[0]]) / options.Temperature))];
        double total = order.Sum(i => weights[i]);
        if (options.TopP < 1)
        {
            double sum = 0;
            order = [.. order.TakeWhile(i => (sum += weights[i]) - weights[i] < options.TopP * total)];
        }

        order = [.. order.Where(i => weights[i] >= options.MinP)];
        total = order.Sum(i => weights[i]);
        return order.ToDictionary(i => i, i => weights[i] / total);
    }
}

using HelixFlow.Cli.Bench.Load;

namespace HelixFlow.Cli.Tests.Bench.Load;

public sealed class WorkloadTests
{
    [Theory]
    [InlineData(0.5, 1)]
    [InlineData(4, 2)]
    [InlineData(100, 3)]
    public void Poisson_arrivals_have_the_rate_and_the_dispersion_of_chance(double rate, int seed)
    {
        const int Count = 20_000;
        double[] arrivals = [.. ArrivalSchedule.Poisson(rate, new Random(seed)).Take(Count).Select(arrival => arrival.TotalSeconds)];

        // The mean of n exponential gaps strays by 1/sqrt(n); five times that is beyond chance.
        Assert.InRange(arrivals[^1] / Count * rate, 1 - (5 / Math.Sqrt(Count)), 1 + (5 / Math.Sqrt(Count)));
        Assert.Equal(arrivals, arrivals.Order());

        // Counts in windows of ten mean gaps: their variance is their mean, which regular arrivals (0) or bursts (above 1) would not have.
        double window = 10 / rate;
        double[] counts = [.. Enumerable.Range(0, (int)(arrivals[^1] / window)).Select(i => (double)arrivals.Count(arrival => arrival >= i * window && arrival < (i + 1) * window))];
        double mean = counts.Average();
        Assert.InRange(counts.Average(count => (count - mean) * (count - mean)) / mean, 0.8, 1.2);
    }

    [Fact]
    public void An_infinite_rate_lets_all_arrive_at_once() =>
        Assert.All(ArrivalSchedule.Poisson(double.PositiveInfinity, new Random(1)).Take(100), arrival => Assert.Equal(TimeSpan.Zero, arrival));

    [Fact]
    public void The_mixes_have_the_published_means_of_ShareGPT()
    {
        var random = new Random(5);

        double prompts = Enumerable.Range(0, 60_000).Average(_ => LengthMix.ShareGptPrompts.Sample(random));
        double outputs = Enumerable.Range(0, 60_000).Average(_ => LengthMix.ShareGptOutputs.Sample(random));

        Assert.InRange(prompts, 161 * 0.96, 161 * 1.04);
        Assert.InRange(outputs, 338 * 0.96, 338 * 1.04);
    }

    [Fact]
    public void A_mix_keeps_its_ends_and_leans_to_short_prompts()
    {
        var random = new Random(6);
        int[] prompts = [.. Enumerable.Range(0, 20_000).Select(_ => LengthMix.ShareGptPrompts.Sample(random)).Order()];

        Assert.InRange(prompts[0], 4, 10);
        Assert.InRange(prompts[^1], 1000, 1024);
        Assert.InRange(prompts[prompts.Length / 2], 20, 80);
    }

    [Fact]
    public void The_same_seed_plans_the_same_requests()
    {
        var options = new WorkloadOptions { Seed = 11, TurnShare = 0.5, PrefixTokens = 30 };

        string first = Describe(options);

        Assert.Equal(first, Describe(options));
        Assert.NotEqual(first, Describe(options with { Seed = 12 }));
    }

    [Fact]
    public void Every_request_fits_and_conversations_extend_themselves()
    {
        var random = new Random(8);
        for (int round = 0; round < 60; round++)
        {
            var options = new WorkloadOptions
            {
                Seed = round,
                TurnShare = random.NextDouble(),
                PrefixTokens = random.Next(3) == 0 ? random.Next(1, 200) : 0,
                MaxTokens = random.Next(260, 4000),
                PromptTokens = random.Next(2) == 0 ? random.Next(1, 300) : null,
                OutputTokens = random.Next(2) == 0 ? random.Next(1, 300) : null,
            };
            var last = new Dictionary<int, PlannedRequest>();
            foreach (PlannedRequest request in new Workload(options).Plan(new TimeSpan[200]))
            {
                Assert.InRange(request.PromptTokens + request.OutputTokens, 2, options.MaxTokens);
                Assert.Equal(1, request.Messages.Count % 2);
                Assert.All(request.Messages, tokens => Assert.True(tokens > 0));
                if (request.Turn > 0)
                {
                    PlannedRequest earlier = last[request.Conversation];
                    Assert.Equal([.. earlier.Messages, earlier.OutputTokens], request.Messages.Take(request.Messages.Count - 1));
                }

                last[request.Conversation] = request;
            }
        }
    }

    [Fact]
    public void Without_turns_every_request_is_a_conversation_of_its_own() =>
        Assert.Equal(Enumerable.Range(0, 50), new Workload(new WorkloadOptions()).Plan(new TimeSpan[50]).Select(request => request.Conversation));

    [Fact]
    public void Texts_share_what_the_plan_says_that_they_share()
    {
        var text = new PromptText(1.5, 12);
        PlannedRequest[] requests = [.. new Workload(new WorkloadOptions { PrefixTokens = 60, PromptTokens = 40, OutputTokens = 20, TurnShare = 0.5 }).Plan(new TimeSpan[40])];
        List<string>[] messages = [.. requests.Select(request => text.Messages(request, seed: 1))];
        string prefix = string.Join(' ', messages[0][0].Split(' ').Take(40));

        Assert.All(messages, texts => Assert.StartsWith(prefix + " ", texts[0], StringComparison.Ordinal));
        Assert.Equal(messages[0][0], text.Messages(requests[0], seed: 1)[0]);
        Assert.NotEqual(messages[0][0], text.Messages(requests[0], seed: 2)[0]);
        PlannedRequest later = requests.First(request => request.Turn > 0);
        PlannedRequest earlier = requests.Last(request => request.Index < later.Index && request.Conversation == later.Conversation);
        Assert.Equal(messages[earlier.Index], messages[later.Index].Take(messages[earlier.Index].Count));
    }

    [Fact]
    public void Calibration_finds_what_a_word_and_a_template_take()
    {
        PromptText text = PromptText.Calibrate(64, 110, 256, 398);

        Assert.Equal(1.5, text.TokensPerWord, 6);
        Assert.Equal(14, text.TokensPerPrompt, 6);
        string message = Assert.Single(text.Messages(new PlannedRequest(0, TimeSpan.Zero, 0, [314], 0, 1), 1));
        Assert.Equal(200, message.Split(' ').Length);
        Assert.Equal(PromptText.Assumed, PromptText.Calibrate(64, 50, 256, 50));
    }

    private static string Describe(WorkloadOptions options) => string.Join(
        ';', new Workload(options).Plan(ArrivalSchedule.Poisson(2, new Random(options.Seed)).Take(100)).Select(request => $"{request.Arrival} {request.Conversation} {string.Join(',', request.Messages)} {request.OutputTokens}"));
}

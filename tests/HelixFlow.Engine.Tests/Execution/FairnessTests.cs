using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Sampling;
using HelixFlow.TestKit.Execution;

namespace HelixFlow.Engine.Tests.Execution;

/// <summary>The scheduler's fairness as the engine's callers see it.</summary>
public sealed class FairnessTests
{
    [Theory]
    [InlineData(1, new[] { 0, 20, 1, 21, 2, 22, 3, 23 })]
    [InlineData(2, new[] { 0, 20, 21, 1, 22, 23, 2, 24 })]
    public async Task Requests_start_by_project_and_weight(int weight, int[] expected)
    {
        using var gate = new StepGate();
        FakeModelRunner runner = gate.Runner(64);
        var starts = new List<int>();
        Action<Engine.Backends.Batch> hold = runner.OnStep!;
        runner.OnStep = batch =>
        {
            hold(batch);
            if (batch.Positions[0] == 0)
            {
                starts.Add(batch.Tokens[0]);
            }
        };
        var options = new EngineOptions { MaxSequences = 1, PrefixReuse = false, AgeingInterval = TimeSpan.FromDays(1), ProjectWeight = project => project == "heavy" ? weight : 1 };
        await using var test = new EngineUnderTest(runner, options);
        test.Submit(Request(0, "flood"));
        gate.WaitUntilInStep();
        for (int i = 1; i < 20; i++)
        {
            test.Submit(Request(i, "flood"));
        }

        for (int i = 20; i < 30; i++)
        {
            test.Submit(Request(i, "heavy"));
        }

        gate.Open();
        await test.Engine.DrainAsync(CancellationToken.None);

        Assert.Equal(expected, starts[..expected.Length]);
        Assert.Equal(30, starts.Count);
    }

    [Fact]
    public async Task Weights_out_of_range_are_brought_into_it()
    {
        double[] weights = [double.NaN, 0, -1, double.PositiveInfinity];
        await using var test = new EngineUnderTest(new FakeModelRunner(64), new EngineOptions { ProjectWeight = project => weights[project[0] - '0'] });
        SequenceStream[] streams = [.. Enumerable.Range(0, 40).Select(i => test.Submit(Request(i, $"{i % 4}")))];

        await test.AssertNothingHeldAsync();

        Assert.All(streams, stream => Assert.True(stream.TryRead(out _)));
    }

    private static SequenceRequest Request(int token, string project) => new()
    {
        RequestId = "test",
        Prompt = new[] { token, 1, 2 },
        MaxTokens = 3,
        Sampling = SamplingOptions.Greedy,
        Project = project,
    };
}

using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Tests.LlamaCpp;
using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.Engine.Sampling;
using HelixFlow.Engine.Speculation;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Cpu.Tests;

/// <summary>On real kernels a guessed row has the same logits as a row of its own: the same tokens, with the same probabilities to the bit.</summary>
public sealed class SpeculationTests
{
    [Theory]
    [InlineData("llama", TensorType.F32, KvType.F32)]
    [InlineData("llama", TensorType.Q4_0, KvType.F16)]
    [InlineData("gemma3", TensorType.Q4_0, KvType.F16)]
    [InlineData("qwen3", TensorType.Q8_0, KvType.F16)]
    public async Task Tokens_and_probabilities_are_the_same_with_and_without_guesses(string family, TensorType type, KvType kvType)
    {
        using var folder = new TempFolder();
        RandomModel.Write("nano", family, type, folder["model.gguf"]);
        using ModelRunner runner = ComparedModels.OpenOurs(folder["model.gguf"], kvType);
        (List<SequenceEvent> expected, _) = await RunAsync(runner, SpeculationMode.Off);
        (List<SequenceEvent> actual, EngineSnapshot end) = await RunAsync(runner, SpeculationMode.NGram);

        Assert.Equal(expected.Select(Values), actual.Select(Values));
        Assert.True(end.AcceptedTokens > 50, $"only {end.AcceptedTokens} guesses were right");
        Assert.True(end.ProposedTokens - end.AcceptedTokens > 5, $"only {end.ProposedTokens - end.AcceptedTokens} guesses were wrong");

        static (int Choice, int Token, float Logprob, FinishReason Reason) Values(SequenceEvent next) => (next.Choice, next.Token, next.Logprob, next.Reason);
    }

    private static async Task<(List<SequenceEvent> Events, EngineSnapshot End)> RunAsync(ModelRunner runner, SpeculationMode mode)
    {
        await using var engine = new InferenceEngine(runner, new EngineOptions { Speculation = mode, TimeProvider = new StoppedClock() });
        List<SequenceEvent> events = [];
        float[] temperatures = [0, 0, 0.2f, 0.6f];
        SequenceStream[] streams = [.. temperatures.Select((temperature, i) =>
        {
            int[] phrase = ComparedModels.Prompt(9, runner.VocabularySize, i);
            Assert.Equal(SubmitOutcome.Accepted, engine.Submit(
                new SequenceRequest
                {
                    RequestId = "test",
                    Prompt = (int[])[.. phrase, .. phrase, .. phrase],
                    MaxTokens = 120,
                    Count = 1 + (i % 2),
                    TopLogprobs = 0,
                    Sampling = new SamplingOptions { Temperature = temperature, Seed = i, RepetitionPenalty = i == 1 ? 1.02f : 1 },
                },
                out SequenceStream? stream));
            return stream!;
        })];
        foreach (SequenceStream stream in streams)
        {
            List<SequenceEvent> own = [];
            await foreach (SequenceEvent next in stream.ReadAllAsync())
            {
                own.Add(next);
            }

            events.AddRange(own.OrderBy(next => next.Choice)); // choices are told of in turns, of any lengths
        }

        return (events, engine.Snapshot());
    }

    /// <summary>With it nothing is known of costs: guesses run wherever they may be right.</summary>
    private sealed class StoppedClock : TimeProvider
    {
        public override long GetTimestamp() => 0;
    }
}

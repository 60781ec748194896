using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Tests.LlamaCpp;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Cpu.Tests;

/// <summary>
/// A row's results do not depend on how many rows run with it, to the bit: what was decoded token by token may be computed anew as a prompt, after a
/// preemption or on another node, and goes on with the same tokens.
/// </summary>
public sealed class RowIndependenceTests(ComparedModels models)
{
    [Theory]
    [InlineData("nano", "gemma2", TensorType.F32)]
    [InlineData("tiny", "llama", TensorType.F32)]
    [InlineData("tiny", "qwen3", TensorType.BF16)]
    [InlineData("nano", "phi3", TensorType.F16)]
    [InlineData("tiny", "llama", TensorType.Q8_0)]
    [InlineData("tiny", "gemma3", TensorType.Q4_0)]
    public void Chunks_of_any_size_give_the_same_bits(string preset, string family, TensorType type)
    {
        using ModelRunner runner = ComparedModels.OpenOurs(models.PathOf(preset, family, type), KvType.F16);
        int[] prompt = ComparedModels.Prompt(70, runner.VocabularySize);
        float[] whole = new RunnerSession(runner).Evaluate(prompt, 0).ToArray();

        Assert.All(
            (int[])[1, 2, 5, 16, 33, 64],
            chunk => Assert.True(new RunnerSession(runner).Evaluate(prompt, 0, chunk: chunk).SequenceEqual(whole), $"chunks of {chunk} differ"));
    }
}

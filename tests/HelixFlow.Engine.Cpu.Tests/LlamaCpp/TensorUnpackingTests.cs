using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.TestKit.Backends;
using HelixFlow.TestKit.LlamaCpp;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Cpu.Tests.LlamaCpp;

/// <summary>The reference that kernels are compared with, itself compared with llama.cpp.</summary>
public sealed class TensorUnpackingTests(ComparedModels models) : IClassFixture<ComparedModels>
{
    [Theory]
    [InlineData("tiny", TensorType.Q4_K)]
    [InlineData("tiny", TensorType.Q5_K)]
    [InlineData("tiny", TensorType.Q6_K)]
    [InlineData("nano", TensorType.F16)]
    [InlineData("nano", TensorType.BF16)]
    [InlineData("nano", TensorType.Q8_0)]
    [InlineData("nano", TensorType.Q4_0)]
    [InlineData("nano", TensorType.Q4_1)]
    [InlineData("nano", TensorType.Q5_0)]
    [InlineData("nano", TensorType.Q5_1)]
    public void Unpacked_weights_give_llama_cpps_logits(string preset, TensorType type)
    {
        string path = models.PathOf(preset, "llama", type);
        using LlamaCppModel model = LlamaCppLibrary.Load().OpenModel(path);
        using LlamaCppContext theirs = model.CreateContext(ComparedModels.TheirOptions(KvType.F32));
        using ModelRunner ours = ComparedModels.OpenOurs(path, KvType.F32, new ReferenceBackend { RoundsLikeLlamaCpp = true });
        int[] prompt = ComparedModels.Prompt(5, model.VocabularySize);

        double error = Comparison.RelativeError(new RunnerSession(ours).Evaluate(prompt, 0), theirs.Evaluate(prompt, 0));

        // Activations are not rounded here, but there: that alone makes a percent or two, and a wrong bit would make far more.
        TestContext.Current.TestOutputHelper!.WriteLine($"{type} {error:E2}");
        Assert.InRange(error, 0, 0.04);
    }
}

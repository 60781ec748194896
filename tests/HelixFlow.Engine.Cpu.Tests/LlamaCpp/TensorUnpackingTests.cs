using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.LlamaCpp;
using HelixFlow.TestKit.Backends;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Cpu.Tests.LlamaCpp;

/// <summary>The reference that kernels are compared with, itself compared with llama.cpp.</summary>
public sealed class TensorUnpackingTests(ComparedModels models)
{
    [Theory]
    [InlineData("tiny", TensorType.Q4_K, 1e-6)]
    [InlineData("nano", TensorType.F16, 1e-4)]
    [InlineData("nano", TensorType.BF16, 1e-6)]
    [InlineData("nano", TensorType.Q8_0, 1e-6)]
    [InlineData("nano", TensorType.Q5_0, 1e-6)]
    public void Unpacked_weights_with_the_same_rounding_give_llama_cpps_logits(string preset, TensorType type, double tolerance)
    {
        double[] errors = Compare(preset, type);

        // Of several tokens one at least should meet no number that the order of sums moves to another integer.
        Assert.InRange(errors.Min(), 0, tolerance);
        Assert.InRange(errors.Max(), 0, 0.02);
    }

    /// <summary>
    /// Here a rounding goes another way somewhere, be it that llama.cpp keeps a block's sum in half precision as well (Q4_1, Q5_1) or that a
    /// number lies between two integers; it spreads to about the size of the rounding itself. A misread bit of the weights would do far more.
    /// </summary>
    [Theory]
    [InlineData("tiny", TensorType.Q6_K)]
    [InlineData("nano", TensorType.Q4_0)]
    [InlineData("nano", TensorType.Q4_1)]
    [InlineData("nano", TensorType.Q5_1)]
    public void Unpacked_weights_give_llama_cpps_logits(string preset, TensorType type)
    {
        double[] errors = Compare(preset, type);

        Assert.InRange(errors.Max(), 0, 0.02);
    }

    private double[] Compare(string preset, TensorType type)
    {
        string path = models.PathOf(preset, "llama", type);
        using LlamaCppModel model = LlamaCppLibrary.Load().OpenModel(path);
        using LlamaCppContext theirs = model.CreateContext(ComparedModels.TheirOptions(KvType.F32) with { Sequences = 4 });
        using ModelRunner ours = ComparedModels.OpenOurs(path, KvType.F32, new ReferenceBackend { RoundsLikeLlamaCpp = true });
        var session = new RunnerSession(ours, sequences: 4);

        return [.. Enumerable.Range(0, 4).Select(s =>
        {
            int[] token = [100 + (31 * s)];
            return Comparison.RelativeError(session.Evaluate(token, 0, s), theirs.Evaluate(token, 0, s));
        })];
    }
}

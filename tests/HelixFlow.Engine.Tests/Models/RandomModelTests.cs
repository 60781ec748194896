using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.TestKit.Backends;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Tests.Models;

public sealed class RandomModelTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_same_arguments_give_the_same_bytes_and_another_seed_gives_others()
    {
        RandomModel.Write("nano", "phi3", TensorType.Q4_0, _folder["a"], seed: 5);
        RandomModel.Write("nano", "phi3", TensorType.Q4_0, _folder["b"], seed: 5);
        RandomModel.Write("nano", "phi3", TensorType.Q4_0, _folder["c"], seed: 6);

        Assert.Equal(File.ReadAllBytes(_folder["a"]), File.ReadAllBytes(_folder["b"]));
        Assert.NotEqual(File.ReadAllBytes(_folder["a"]), File.ReadAllBytes(_folder["c"]));
    }

    [Theory]
    [InlineData(TensorType.F32)]
    [InlineData(TensorType.F16)]
    [InlineData(TensorType.BF16)]
    [InlineData(TensorType.Q8_0)]
    [InlineData(TensorType.Q4_0)]
    public void Weights_keep_activations_at_their_size(TensorType type)
    {
        RandomModel.Write("nano", "mistral", type, _folder["model"]);
        using var file = GgufFile.Open(_folder["model"]);

        float[] weights = TensorUnpacking.ToFloats(file.Tensors["blk.0.ffn_up.weight"]);

        double deviation = Math.Sqrt(weights.Average(w => (double)w * w));
        Assert.Equal(1 / Math.Sqrt(64), deviation, 0.02 / Math.Sqrt(64));
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("mistral")]
    [InlineData("qwen3")]
    [InlineData("gemma2")]
    [InlineData("gemma3")]
    [InlineData("phi3")]
    public void What_a_model_says_depends_on_what_it_has_read(string family)
    {
        RandomModel.Write("nano", family, TensorType.F32, _folder["model.gguf"]);
        using var runner = new ModelRunner(
            ModelFile.Open(_folder["model.gguf"]), new ReferenceBackend(), new ModelRunnerOptions { KvBlocks = 8, MaxBatchRows = 32, KvType = KvType.F32 });
        var session = new RunnerSession(runner);

        int[] one = session.Continue([10, 20, 30, 40, 50], 32);
        int[] other = session.Continue([11, 20, 30, 40, 50], 32);

        Assert.InRange(one.Distinct().Count(), 3, 32);
        Assert.NotEqual(one, other);
    }

    [Fact]
    public void An_unknown_name_lists_the_known_ones()
    {
        Assert.Contains("nano, tiny", Assert.Throws<ArgumentException>(() => RandomModel.Write("huge", "llama", TensorType.F32, _folder["x"])).Message, StringComparison.Ordinal);
        Assert.Contains("qwen2, qwen3", Assert.Throws<ArgumentException>(() => RandomModel.Write("nano", "bloom", TensorType.F32, _folder["x"])).Message, StringComparison.Ordinal);
    }
}

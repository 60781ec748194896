using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.TestKit.Backends;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Tests.Models;

public sealed class DecoderModelTests : IDisposable
{
    private const int Vocabulary = 512;
    private static readonly int[] Prompt = [.. Enumerable.Range(0, 90).Select(i => ((i * 131) + 17) % Vocabulary)];

    private readonly TempFolder _folder = new();

    public static TheoryData<string> Families => [.. RandomModel.Families];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Families))]
    public void Both_formats_give_the_same_logits(string family)
    {
        RandomModel.Write("nano", family, TensorType.F32, _folder["model.gguf"]);
        RandomModel.WriteHuggingFace("nano", family, TensorType.F32, _folder["model"]);
        using ModelRunner gguf = Load(_folder["model.gguf"]);
        using ModelRunner huggingFace = Load(_folder["model"]);

        float[] expected = new RunnerSession(gguf).Evaluate(Prompt, 0).ToArray();
        float[] actual = new RunnerSession(huggingFace).Evaluate(Prompt, 0).ToArray();

        AssertClose(expected, actual, 1e-5);
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("gemma2")]
    [InlineData("gemma3")]
    public void Chunks_give_what_one_batch_gives(string family)
    {
        RandomModel.Write("nano", family, TensorType.F32, _folder["model.gguf"]);
        using ModelRunner runner = Load(_folder["model.gguf"]);
        float[] whole = new RunnerSession(runner).Evaluate(Prompt, 0).ToArray();

        foreach (int chunk in (int[])[1, 7, 16, 89])
        {
            AssertClose(whole, new RunnerSession(runner).Evaluate(Prompt, 0, chunk: chunk), 1e-6);
        }
    }

    [Fact]
    public void Sequences_in_one_batch_do_not_see_one_another()
    {
        RandomModel.Write("nano", "qwen3", TensorType.F32, _folder["model.gguf"]);
        using ModelRunner runner = Load(_folder["model.gguf"]);
        int[][] prompts = [Prompt[..40], Prompt[40..41], Prompt[30..77]];
        var session = new RunnerSession(runner, sequences: 3);
        float[] together = session.EvaluateTogether([.. prompts.Select(prompt => (prompt, 0))]).ToArray();
        float[] next = session.EvaluateTogether(([5], 40), ([6, 7], 1), ([8], 47)).ToArray();

        for (int s = 0; s < prompts.Length; s++)
        {
            var alone = new RunnerSession(runner, sequences: 3);
            AssertClose(alone.Evaluate(prompts[s], 0, s), together.AsSpan(s * Vocabulary, Vocabulary), 1e-6);
            int[] more = s switch { 0 => [5], 1 => [6, 7], _ => [8] };
            AssertClose(alone.Evaluate(more, prompts[s].Length, s), next.AsSpan(s * Vocabulary, Vocabulary), 1e-6);
        }
    }

    [Fact]
    public void A_copied_block_continues_like_its_source()
    {
        RandomModel.Write("nano", "llama", TensorType.F32, _folder["model.gguf"]);
        using ModelRunner runner = Load(_folder["model.gguf"]);
        var batch = new Batch(64, 1);
        batch.Add(Prompt.AsSpan(0, 10), 0, new[] { 0 }, wantLogits: false);
        Assert.True(runner.Run(batch).IsEmpty);
        runner.CopyBlock(0, 3);
        float[] expected = Next(0);

        Assert.Equal(expected, Next(3));

        float[] Next(int block)
        {
            batch.Clear();
            batch.Add([42], 10, new[] { block }, wantLogits: true);
            return runner.Run(batch).ToArray();
        }
    }

    [Fact]
    public void A_window_hides_what_lies_before_it()
    {
        RandomModel.WriteHuggingFace(
            "nano", "mistral", TensorType.F32, _folder["model"], changes: new Dictionary<string, object?> { ["sliding_window"] = 24, ["num_hidden_layers"] = 1 });
        using ModelRunner runner = Load(_folder["model"]);
        float[] expected = new RunnerSession(runner).Evaluate(Prompt, 0).ToArray();

        // With one layer the last row sees exactly the last 24 tokens.
        Assert.Equal(expected, EvaluateWithOtherTokenAt(Prompt.Length - 25));
        Assert.NotEqual(expected, EvaluateWithOtherTokenAt(Prompt.Length - 24));

        float[] EvaluateWithOtherTokenAt(int position)
        {
            int[] changed = [.. Prompt];
            changed[position] ^= 1;
            return new RunnerSession(runner).Evaluate(changed, 0, chunk: 16).ToArray();
        }
    }

    [Theory]
    [InlineData("blk.1.ffn_down.weight", "tensor 'blk.1.ffn_down.weight' is missing; shape [64, 192] is expected")]
    [InlineData("blk.0.attn_k.bias", "tensor 'blk.0.attn_k.bias' is missing; shape [32] is expected")]
    public void A_missing_weight_is_named_and_nothing_stays_loaded(string missing, string expected)
    {
        RandomModel.Write("nano", "qwen2", TensorType.F32, _folder["model.gguf"]);
        byte[] bytes = File.ReadAllBytes(_folder["model.gguf"]);
        int at = bytes.AsSpan().IndexOf(System.Text.Encoding.UTF8.GetBytes(missing));
        bytes[at] = (byte)'x';
        File.WriteAllBytes(_folder["model.gguf"], bytes);
        var backend = new ReferenceBackend();

        ModelFormatException error = Assert.Throws<ModelFormatException>(() => new ModelRunner(ModelFile.Open(_folder["model.gguf"]), backend, Options()));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Equal(0, backend.Alive);
    }

    [Fact]
    public void A_misshapen_weight_is_named_with_both_shapes()
    {
        RandomModel.WriteHuggingFace(
            "nano", "llama", TensorType.F32, _folder["model"], changes: new Dictionary<string, object?> { ["intermediate_size"] = 200 });

        ModelFormatException error = Assert.Throws<ModelFormatException>(() => Load(_folder["model"]));

        Assert.Contains("'model.layers.0.mlp.gate_proj.weight' has the shape [192, 64]; [200, 64] is expected", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Disposing_frees_everything()
    {
        RandomModel.Write("nano", "gemma3", TensorType.F32, _folder["model.gguf"]);
        var backend = new ReferenceBackend();
        var runner = new ModelRunner(ModelFile.Open(_folder["model.gguf"]), backend, Options());
        new RunnerSession(runner).Evaluate(Prompt, 0);
        Assert.NotEqual(0, backend.Alive);

        runner.Dispose();

        Assert.Equal(0, backend.Alive);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(Vocabulary)]
    public void A_token_outside_the_vocabulary_is_refused(int token)
    {
        RandomModel.Write("nano", "llama", TensorType.F32, _folder["model.gguf"]);
        using ModelRunner runner = Load(_folder["model.gguf"]);

        ArgumentException error = Assert.Throws<ArgumentException>(() => new RunnerSession(runner).Evaluate([1, 2, token], 0).ToArray());

        Assert.Contains($"token {token} of row 2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_batch_without_wanted_logits_skips_what_only_they_need()
    {
        RandomModel.Write("nano", "llama", TensorType.F32, _folder["model.gguf"]);
        var backend = new ReferenceBackend();
        using var runner = new ModelRunner(ModelFile.Open(_folder["model.gguf"]), backend, Options());
        var session = new RunnerSession(runner);
        session.Evaluate(Prompt.AsSpan(0, 20), 0);
        int withLogits = backend.Operations;

        session.Evaluate(Prompt.AsSpan(0, 20), 0, chunk: 10);

        Assert.InRange(backend.Operations - withLogits, withLogits + 1, (2 * withLogits) - 1);
    }

    private static ModelRunnerOptions Options() => new() { KvType = KvType.F32, KvBlocks = 30, MaxBatchRows = 128 };

    private static ModelRunner Load(string path) => new(ModelFile.Open(path), new ReferenceBackend(), Options());

    private static void AssertClose(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        double norm = Math.Sqrt(Square(expected) / expected.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i], actual[i], tolerance * norm);
        }

        static double Square(ReadOnlySpan<float> values)
        {
            double sum = 0;
            foreach (float value in values)
            {
                sum += (double)value * value;
            }

            return sum;
        }
    }
}

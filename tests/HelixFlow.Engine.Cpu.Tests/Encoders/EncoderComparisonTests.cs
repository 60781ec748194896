using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Tests.LlamaCpp;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.LlamaCpp;
using HelixFlow.TestKit.Backends;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Cpu.Tests.Encoders;

/// <summary>Random encoders, run here, by plain loops in double precision, and by llama.cpp.</summary>
public sealed class EncoderComparisonTests : IDisposable
{
    /// <summary>In float32, where sides differ in the order of their sums only.</summary>
    private const double FloatTolerance = 1e-4;

    /// <summary>Where one side has the tanh form of GELU, in half precision, and the other GELU itself.</summary>
    private const double GeluTolerance = 5e-3;

    private readonly TempFolder _folder = new();

    public static TheoryData<string> Families => [.. RandomEncoder.Families];

    public static TheoryData<string, string> Models
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (string family in RandomEncoder.Families)
            {
                data.Add("nano", family);
                data.Add("minilm", family);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Vectors_agree_with_llama_cpp(string preset, string family)
    {
        string path = Write(preset, family, TensorType.F32);
        int[][] texts = [.. new[] { 1, 2, 15, 16, 17, 100, 200 }.Select((length, index) => Tokens(length, index))];
        foreach ((Pooling ours, int theirs) in ((Pooling, int)[])[(Pooling.Mean, 1), (Pooling.First, 2), (Pooling.Last, 3)])
        {
            float[][] expected = RunLlamaCpp(path, texts, theirs, HiddenOf(preset));
            float[][] actual = Run(path, texts, ours);
            for (int i = 0; i < texts.Length; i++)
            {
                Assert.InRange(Comparison.RelativeError(actual[i], expected[i]), 0, family == "nomic-bert" ? FloatTolerance : GeluTolerance);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void With_its_form_of_gelu_vectors_are_those_of_llama_cpp(string family)
    {
        string path = Write("nano", family, TensorType.F32);
        int[][] texts = [Tokens(33, 1), Tokens(7, 2)];
        float[][] expected = RunLlamaCpp(path, texts, 1, HiddenOf("nano"));
        float[][] actual = Run(path, texts, Pooling.Mean, new ReferenceBackend { RoundsLikeLlamaCpp = true });
        for (int i = 0; i < texts.Length; i++)
        {
            Assert.InRange(Comparison.RelativeError(actual[i], expected[i]), 0, FloatTolerance);
        }
    }

    [Theory]
    [InlineData("bert")]
    [InlineData("xlm-roberta")]
    public void Scores_of_the_classification_head_agree_with_llama_cpp(string family)
    {
        string path = Write("nano", family, TensorType.F32, labels: 1);
        int[][] texts = [.. Enumerable.Range(1, 12).Select(i => Tokens(5 * i, i))];
        float[] expected = [.. RunLlamaCpp(path, texts, 4, 1).Select(scores => scores[0])];
        float[] actual = [.. Run(path, texts, Pooling.First).Select(scores => scores[0])];
        Assert.InRange(Comparison.RelativeError(actual, expected), 0, GeluTolerance);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Vectors_are_those_of_plain_loops(string family)
    {
        string path = Write("nano", family, TensorType.F32);
        int[][] texts = [.. Enumerable.Range(1, 30).Select(length => Tokens(length, length))];
        float[][] expected = Run(path, texts, Pooling.Mean, new ReferenceBackend());
        float[][] actual = Run(path, texts, Pooling.Mean);
        for (int i = 0; i < texts.Length; i++)
        {
            Assert.InRange(Comparison.RelativeError(actual[i], expected[i]), 0, 1e-5);
        }
    }

    [Fact]
    public void A_text_longer_than_a_span_of_attention_and_than_a_batch_is_that_of_plain_loops()
    {
        string path = Write("nano", "bert", TensorType.F32, context: 700);
        int[][] texts = [Tokens(650, 1)];
        float[] expected = Run(path, texts, Pooling.Mean, new ReferenceBackend())[0];
        Assert.InRange(Comparison.RelativeError(Run(path, texts, Pooling.Mean)[0], expected), 0, 1e-5);
    }

    [Theory]
    [InlineData(TensorType.Q8_0)]
    [InlineData(TensorType.Q4_0)]
    [InlineData(TensorType.BF16)]
    [InlineData(TensorType.F16)]
    public void Quantised_weights_give_the_vectors_of_plain_loops_but_for_the_rounding_of_activations(TensorType type)
    {
        string path = Write("nano", "bert", type);
        int[][] texts = [Tokens(50, 1), Tokens(3, 2)];
        float[][] expected = Run(path, texts, Pooling.Mean, new ReferenceBackend());
        float[][] actual = Run(path, texts, Pooling.Mean);
        for (int i = 0; i < texts.Length; i++)
        {
            Assert.InRange(Comparison.RelativeError(actual[i], expected[i]), 0, type is TensorType.Q8_0 or TensorType.Q4_0 ? 2e-2 : FloatTolerance);
        }
    }

    [Theory]
    [InlineData("bert", 0)]
    [InlineData("xlm-roberta", 0)]
    [InlineData("nomic-bert", 0)]
    [InlineData("bert", 1)]
    [InlineData("xlm-roberta", 1)]
    public void Both_formats_give_the_same_results_to_the_bit(string family, int labels)
    {
        string gguf = Write("nano", family, TensorType.F32, labels);
        RandomEncoder.WriteHuggingFace("nano", family, TensorType.F32, _folder["folder"], labels);
        int[][] texts = [Tokens(21, 1), Tokens(64, 2)];

        float[][] fromFolder = Run(_folder["folder"], texts, Pooling.First, secondText: 9);

        Assert.Equal(Run(gguf, texts, Pooling.First, secondText: 9), fromFolder);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_text_has_the_same_vector_to_the_bit_whatever_runs_beside_it(string family)
    {
        string path = Write("nano", family, TensorType.F32);
        var random = new Random(5);
        int[][] texts = [.. Enumerable.Range(0, 24).Select(i => Tokens(random.Next(1, 40), i))];
        using EncoderRunner runner = Open(path, null);
        float[][] alone = [.. texts.Select(text => RunBatch(runner, [text], Pooling.Mean, null)[0])];
        for (int round = 0; round < 10; round++)
        {
            int[] order = [.. Enumerable.Range(0, texts.Length)];
            random.Shuffle(order);
            order = order[..random.Next(2, 13)];
            float[][] together = RunBatch(runner, [.. order.Select(i => texts[i])], Pooling.Mean, null);
            Assert.Equal(order.Select(i => alone[i]), together);
        }
    }

    [Fact]
    public void The_second_text_of_a_pair_has_another_token_type()
    {
        string path = Write("nano", "bert", TensorType.F32, labels: 1);
        int[][] texts = [Tokens(20, 1)];
        Assert.NotEqual(Run(path, texts, Pooling.First, secondText: 10)[0][0], Run(path, texts, Pooling.First)[0][0]);
        float[] reference = Run(path, texts, Pooling.First, new ReferenceBackend(), secondText: 10)[0];
        Assert.InRange(Comparison.RelativeError(Run(path, texts, Pooling.First, secondText: 10)[0], reference), 0, 1e-4);
    }

    public void Dispose() => _folder.Dispose();

    private static int HiddenOf(string preset) => preset == "nano" ? 64 : 384;

    private static int[] Tokens(int length, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(5, 512))];
    }

    private static EncoderRunner Open(string path, IBackend? backend) =>
        new(ModelFile.Open(path), backend ?? new CpuBackend(new CpuBackendOptions { Threads = 2 }), new ModelRunnerOptions());

    /// <summary>Each text's pooled states or scores; states are not scaled to any length.</summary>
    private static float[][] Run(string path, int[][] texts, Pooling pooling, IBackend? backend = null, int? secondText = null)
    {
        using EncoderRunner runner = Open(path, backend);
        return RunBatch(runner, texts, pooling, secondText);
    }

    private static float[][] RunBatch(EncoderRunner runner, int[][] texts, Pooling pooling, int? secondText)
    {
        runner.Clear();
        int[] counts = [.. texts.Select(text => runner.Add(text, secondText ?? text.Length, pooling))];
        float[] results = runner.Run().ToArray();
        var pooled = new float[texts.Length][];
        int at = 0;
        for (int i = 0; i < texts.Length; i++)
        {
            float[][] rows = [.. results[at..(at + (counts[i] * runner.ResultSize))].Chunk(runner.ResultSize)];
            pooled[i] = [.. Enumerable.Range(0, runner.ResultSize).Select(column => (float)rows.Average(row => (double)row[column]))];
            at += counts[i] * runner.ResultSize;
        }

        return pooled;
    }

    private static float[][] RunLlamaCpp(string path, int[][] texts, int pooling, int size)
    {
        Assert.SkipUnless(LlamaCppLibrary.IsInstalled, LlamaCppLibrary.HowToInstall);
        using LlamaCppModel model = LlamaCppLibrary.Load().OpenModel(path);
        using LlamaCppContext context = model.CreateContext(new LlamaCppContextOptions
        {
            ContextLength = 512, Sequences = texts.Length, Pooling = pooling, FlashAttention = false, FloatCache = true,
        });
        return context.Embed(texts, size);
    }

    private string Write(string preset, string family, TensorType type, int labels = 0, int context = RandomEncoder.ContextLength)
    {
        string path = _folder[$"{preset}-{family}-{type}-{labels}-{context}.gguf"];
        if (!File.Exists(path))
        {
            RandomEncoder.Write(preset, family, type, path, labels, labels > 0 ? 4u : 1u, context);
        }

        return path;
    }
}

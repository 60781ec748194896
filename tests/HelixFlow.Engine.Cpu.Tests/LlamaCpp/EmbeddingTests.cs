using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.LlamaCpp;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Cpu.Tests.LlamaCpp;

/// <summary>Vectors of texts, computed here chunk by chunk and by llama.cpp at once.</summary>
public sealed class EmbeddingTests(ComparedModels models)
{
    public static TheoryData<string> Families => [.. RandomModel.Families];

    [Theory]
    [MemberData(nameof(Families))]
    public async Task In_float32_vectors_agree(string family)
    {
        string path = models.PathOf("tiny", family, TensorType.F32);
        using LlamaCppModel model = LlamaCppLibrary.Load().OpenModel(path);
        using LlamaCppContext theirs = model.CreateContext(ComparedModels.TheirOptions(KvType.F32));
        int[] text = ComparedModels.Prompt(200, model.VocabularySize);
        float[] states = theirs.HiddenStates(text);
        using ModelRunner runner = ComparedModels.OpenOurs(path, KvType.F32);
        await using var engine = new InferenceEngine(runner, new EngineOptions { MaxBatchTokens = 64 });

        foreach (Pooling pooling in (Pooling[])[Pooling.Last, Pooling.Mean])
        {
            var request = new EmbeddingRequest { RequestId = "test", Tokens = text, Pooling = pooling };
            EmbeddingResult result = await engine.EmbedAsync(request, CancellationToken.None);
            Assert.InRange(Comparison.RelativeError(result.Vector.Span, Pool(states, runner.HiddenSize, pooling)), 0, 1e-4);
        }
    }

    private static float[] Pool(float[] states, int hidden, Pooling pooling)
    {
        double[] sum = new double[hidden];
        for (int i = pooling == Pooling.Last ? states.Length - hidden : 0; i < states.Length; i++)
        {
            sum[i % hidden] += states[i];
        }

        double length = Math.Sqrt(sum.Sum(value => value * value));
        return [.. sum.Select(value => (float)(value / length))];
    }
}

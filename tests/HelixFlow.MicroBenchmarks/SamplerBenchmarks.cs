using BenchmarkDotNet.Attributes;
using HelixFlow.Engine.Sampling;

namespace HelixFlow.MicroBenchmarks;

/// <summary>One token from the logits of a vocabulary as large as Llama 3's.</summary>
[MemoryDiagnoser]
public class SamplerBenchmarks
{
    private const int Vocabulary = 128_256;

    private readonly float[] _logits = new float[Vocabulary];
    private readonly float[] _changed = new float[Vocabulary];
    private Sampler _sampler = null!;
    private SamplerState _state = null!;

    [Params("greedy", "temperature", "top_p", "top_k", "min_p", "penalties")]
    public string Options { get; set; } = "";

    [GlobalSetup]
    public void SetUp()
    {
        // Bell-shaped with a few high ones, as a model's are.
        var random = new Random(3);
        for (int i = 0; i < Vocabulary; i++)
        {
            _logits[i] = (float)(random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5) * 4;
        }

        for (int i = 0; i < 40; i++)
        {
            _logits[random.Next(Vocabulary)] += 8 + (float)(random.NextDouble() * 4);
        }

        _sampler = new Sampler(Vocabulary);
        _state = new SamplerState(
            Options switch
            {
                "greedy" => SamplingOptions.Greedy,
                "top_p" => new SamplingOptions { Temperature = 0.8f, TopP = 0.95f },
                "top_k" => new SamplingOptions { Temperature = 0.8f, TopK = 40 },
                "min_p" => new SamplingOptions { Temperature = 0.8f, MinP = 0.05f },
                "penalties" => new SamplingOptions { Temperature = 0.8f, TopP = 0.95f, FrequencyPenalty = 0.5f, RepetitionPenalty = 1.1f },
                _ => new SamplingOptions { Temperature = 0.8f },
            },
            seed: 11,
            [.. Enumerable.Range(0, 1000)]);
    }

    [Benchmark(Description = "sample")]
    public int Sample()
    {
        if (!_state.Options.ChangesLogits)
        {
            return _sampler.Sample(_logits, _state);
        }

        _logits.CopyTo(_changed, 0);
        _state.ChangeLogits(_changed);
        return _sampler.Sample(_changed, _state);
    }
}

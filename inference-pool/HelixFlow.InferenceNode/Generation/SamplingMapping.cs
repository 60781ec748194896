using HelixFlow.Engine.Sampling;
using HelixFlow.InferenceNode.Serving;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.InferenceNode.Generation;

/// <summary>A request's sampling fields, completed with the model's own defaults.</summary>
internal static class SamplingMapping
{
    public static SamplingOptions Complete(SamplingParameters? asked, GenerationDefaults defaults)
    {
        asked ??= new SamplingParameters();
        return new SamplingOptions
        {
            Temperature = asked.HasTemperature ? asked.Temperature : defaults.Temperature ?? 1,
            TopP = asked.HasTopP ? asked.TopP : defaults.TopP ?? 1,
            TopK = asked.HasTopK ? (int)Math.Min(asked.TopK, int.MaxValue) : defaults.TopK ?? 0,
            MinP = asked.HasMinP ? asked.MinP : defaults.MinP ?? 0,
            PresencePenalty = asked.PresencePenalty,
            FrequencyPenalty = asked.FrequencyPenalty,
            RepetitionPenalty = asked.HasRepetitionPenalty ? asked.RepetitionPenalty : defaults.RepetitionPenalty ?? 1,
            LogitBias = asked.LogitBias.Count == 0 ? null : new Dictionary<int, float>(asked.LogitBias),
            Seed = asked.HasSeed ? asked.Seed : null,
        };
    }
}

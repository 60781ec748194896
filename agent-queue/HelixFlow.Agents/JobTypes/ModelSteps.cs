using System.Text.Json.Serialization;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.JobTypes;

/// <summary>Questions to models as steps: each is asked once in a run, and its answer recorded.</summary>
internal static class ModelSteps
{
    public static StepExecutor<ModelCall, ModelAnswer> Answer(IModelClient models) => new(
        "model-answer", 1, EffectClass.Recorded, ModelStepJson.Default.ModelCall, ModelStepJson.Default.ModelAnswer, models.AnswerAsync);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ModelCall))]
[JsonSerializable(typeof(ModelAnswer))]
internal sealed partial class ModelStepJson : JsonSerializerContext;

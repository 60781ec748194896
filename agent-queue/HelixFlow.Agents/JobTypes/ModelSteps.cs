using System.Text.Json.Serialization;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.JobTypes;

/// <summary>Questions to models as steps: each is asked once in a run, and its answer recorded.</summary>
internal static class ModelSteps
{
    public static StepExecutor<ModelCall, ModelAnswer> Answer(IModelClient models) => new(
        "model-answer", 1, EffectClass.Recorded, ModelStepJson.Default.ModelCall, ModelStepJson.Default.ModelAnswer, models.AnswerAsync)
    {
        Usage = static (call, answer) => UsageOf(call.Model, answer),
    };

    /// <summary>Finds the model of a name, or with an empty one the first that is served: the run keeps to it from then on.</summary>
    public static StepExecutor<string, ModelLimits> Find(IModelClient models) => new(
        "find-model", 1, EffectClass.Recorded, ModelStepJson.Default.String, ModelStepJson.Default.ModelLimits,
        (name, _, token) => models.FindAsync(name.Length == 0 ? null : name, token));

    /// <summary>What an answer has cost.</summary>
    public static StepUsage UsageOf(string model, ModelAnswer answer) => new(model, answer.PromptTokens, answer.CompletionTokens);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(string))]
[JsonSerializable(typeof(ModelCall))]
[JsonSerializable(typeof(ModelAnswer))]
[JsonSerializable(typeof(ModelLimits))]
internal sealed partial class ModelStepJson : JsonSerializerContext;

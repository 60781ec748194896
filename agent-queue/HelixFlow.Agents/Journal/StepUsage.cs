namespace HelixFlow.Agents.Journal;

/// <summary>What one question to a model has cost.</summary>
/// <param name="Model">The model's name.</param>
/// <param name="PromptTokens">Tokens of the question.</param>
/// <param name="CompletionTokens">Tokens of the answer.</param>
public sealed record StepUsage(string Model, long PromptTokens, long CompletionTokens);

/// <summary>What a run has used of models.</summary>
/// <param name="ModelCalls">Questions to them.</param>
/// <param name="PromptTokens">Their tokens.</param>
/// <param name="CompletionTokens">The answers' tokens.</param>
public sealed record RunUsage(long ModelCalls, long PromptTokens, long CompletionTokens)
{
    /// <summary>With one more question.</summary>
    public RunUsage Plus(StepUsage step) => new(ModelCalls + 1, PromptTokens + step.PromptTokens, CompletionTokens + step.CompletionTokens);
}

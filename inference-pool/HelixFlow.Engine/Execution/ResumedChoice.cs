namespace HelixFlow.Engine.Execution;

/// <summary>A choice that was generated in part elsewhere and goes on here.</summary>
/// <param name="Choice">The choice's number in the original request, 0 to its count - 1.</param>
/// <param name="Tokens">
/// What was generated for it so far, oldest first; may be empty. No stop token is among them: with one the choice had ended. The memory must not
/// change before <see cref="InferenceEngine.Submit"/> returns.
/// </param>
public readonly record struct ResumedChoice(int Choice, ReadOnlyMemory<int> Tokens);

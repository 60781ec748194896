namespace HelixFlow.Engine.Sampling;

/// <summary>Why a request cannot run.</summary>
/// <param name="Field">The field at fault, by the name that the OpenAI API gives it.</param>
/// <param name="Message">What is wrong and what would be right, for the caller.</param>
public sealed record RequestProblem(string Field, string Message);

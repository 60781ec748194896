namespace HelixFlow.Agents.Journal;

/// <summary>How long people are waited for.</summary>
/// <param name="After">From when the question is first asked; above zero.</param>
/// <param name="Fails">Whether the job fails then, with <c>question_expired</c>; otherwise the question is answered by a rejection.</param>
public sealed record QuestionExpiry(TimeSpan After, bool Fails = false);

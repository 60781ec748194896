namespace HelixFlow.Simulation.Traces;

/// <summary>One request of a trace.</summary>
/// <param name="At">When it arrives, since the trace's start; at least zero.</param>
/// <param name="Model">The model's name; not empty.</param>
/// <param name="PromptTokens">Tokens to compute before the first answer; at least 0.</param>
/// <param name="OutputTokens">Tokens to generate; at least 0.</param>
/// <param name="Project">Who it is accounted to; may be empty.</param>
/// <param name="Priority">Higher is served first.</param>
public readonly record struct TraceRequest(TimeSpan At, string Model, int PromptTokens, int OutputTokens, string Project, int Priority);

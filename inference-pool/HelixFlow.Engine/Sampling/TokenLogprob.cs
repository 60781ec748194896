namespace HelixFlow.Engine.Sampling;

/// <summary>A token and the natural logarithm of its probability under the raw logits, before temperature, penalties and filters.</summary>
public readonly record struct TokenLogprob(int Token, float Logprob);

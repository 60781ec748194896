namespace HelixFlow.InferenceNode.Hosting;

/// <summary>How far a load has come.</summary>
/// <param name="Fraction">0 to 1.</param>
/// <param name="Phase">What is being done now, in a few words.</param>
public readonly record struct LoadProgress(double Fraction, string Phase);

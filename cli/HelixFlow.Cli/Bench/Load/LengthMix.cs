namespace HelixFlow.Cli.Bench.Load;

/// <summary>One kind of text in a mix: a lognormal distribution of its length.</summary>
/// <param name="Share">How often this kind occurs, 0 to 1.</param>
/// <param name="MedianTokens">Half of the texts are shorter.</param>
/// <param name="Sigma">Standard deviation of the length's natural logarithm.</param>
internal sealed record LengthKind(double Share, double MedianTokens, double Sigma);

/// <summary>A distribution of text lengths in tokens: a mixture of lognormal kinds, cut off at both ends. Immutable.</summary>
/// <remarks>
/// The two mixes imitate conversations of the ShareGPT collection as serving benchmarks sample it: a mean of 161 tokens of prompt and 338 of
/// output (Kwon et al., "Efficient Memory Management for Large Language Model Serving with PagedAttention", 2023, figure 11), no text above 1024
/// (the filter of vLLM's benchmark). Prompts are mostly one or two sentences, with a long tail of pasted texts; outputs are mostly long
/// answers, with some of a sentence. The shares, medians and sigmas are chosen here to have those means and that shape.
/// </remarks>
internal sealed record LengthMix(IReadOnlyList<LengthKind> Kinds, int Least, int Most)
{
    public static LengthMix ShareGptPrompts { get; } = new([new(0.68, 25, 1.0), new(0.32, 318, 0.95)], 4, 1024);

    public static LengthMix ShareGptOutputs { get; } = new([new(0.25, 30, 0.9), new(0.75, 365, 0.7)], 4, 1024);

    public int Sample(Random random)
    {
        double pick = random.NextDouble();
        int kind = 0;
        while (kind < Kinds.Count - 1 && pick >= Kinds[kind].Share)
        {
            pick -= Kinds[kind].Share;
            kind++;
        }

        // Box and Muller's transform of two uniform numbers to a normal one.
        double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
        double tokens = Kinds[kind].MedianTokens * Math.Exp(Kinds[kind].Sigma * normal);
        return (int)Math.Clamp(Math.Round(tokens), Least, Most);
    }
}

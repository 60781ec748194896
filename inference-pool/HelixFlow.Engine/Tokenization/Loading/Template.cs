namespace HelixFlow.Engine.Tokenization.Loading;

/// <summary>The ids that go before and after a single text.</summary>
internal sealed record Template(IReadOnlyList<int> Prefix, IReadOnlyList<int> Suffix)
{
    /// <summary>The ids around two texts that are read together; null where the file does not say.</summary>
    public PairTemplate? Pair { get; init; }

    public static readonly Template Empty = new([], []);
}

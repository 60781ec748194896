namespace HelixFlow.Engine.Tokenization.Loading;

/// <summary>The ids that go before and after a single text.</summary>
internal sealed record Template(IReadOnlyList<int> Prefix, IReadOnlyList<int> Suffix)
{
    public static readonly Template Empty = new([], []);
}

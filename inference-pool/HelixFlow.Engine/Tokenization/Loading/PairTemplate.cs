namespace HelixFlow.Engine.Tokenization.Loading;

/// <summary>The ids before, between and after two texts that are read together.</summary>
internal sealed record PairTemplate(IReadOnlyList<int> Prefix, IReadOnlyList<int> Middle, IReadOnlyList<int> Suffix)
{
    /// <summary>Two single texts one after the other, but for the second one's beginning: what BERT does, and the most others.</summary>
    public static PairTemplate Of(IReadOnlyList<int> prefix, IReadOnlyList<int> suffix) => new(prefix, suffix, suffix);
}

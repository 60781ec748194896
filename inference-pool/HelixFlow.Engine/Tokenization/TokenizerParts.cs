using HelixFlow.Engine.Tokenization.Decoders;
using HelixFlow.Engine.Tokenization.Loading;
using HelixFlow.Engine.Tokenization.Normalizers;
using HelixFlow.Engine.Tokenization.PreTokenizers;
using HelixFlow.Engine.Tokenization.Segmentation;

namespace HelixFlow.Engine.Tokenization;

/// <summary>What a file describes, ready to become a <see cref="Tokenizer"/>.</summary>
internal sealed record TokenizerParts
{
    public required Vocabulary Vocabulary { get; init; }

    public required TokenModel Model { get; init; }

    public required DecoderRules Decoder { get; init; }

    public IReadOnlyList<AddedToken> AddedTokens { get; init; } = [];

    public Normalizer? Normalizer { get; init; }

    public PreTokenizer? PreTokenizer { get; init; }

    /// <summary>Ids before and after a text that is encoded with special tokens.</summary>
    public IReadOnlyList<int> Prefix { get; init; } = [];

    public IReadOnlyList<int> Suffix { get; init; } = [];

    /// <summary>Ids around two texts that are read together; null where the file does not say.</summary>
    public PairTemplate? Pair { get; init; }

    public int? BosId { get; init; }

    public int? EosId { get; init; }

    public IReadOnlyCollection<int> EndIds { get; init; } = [];
}

namespace HelixFlow.Engine.Models;

/// <summary>How the hidden states of a text's tokens become one vector.</summary>
public enum Pooling
{
    /// <summary>The last token's state, which has seen the whole text: what decoders that were trained for embeddings use.</summary>
    Last,

    /// <summary>The mean of all tokens' states. Cached prefixes do not help: every position has to be run.</summary>
    Mean,

    /// <summary>The first token's state ([CLS]); for encoders only, whose tokens see what comes after them.</summary>
    First,
}

/// <summary>What a model was made for.</summary>
public enum ModelPurpose
{
    /// <summary>It continues text; its hidden states can be pooled to vectors, too.</summary>
    Generate,

    /// <summary>It turns texts into vectors and writes none.</summary>
    Embed,

    /// <summary>It reads two texts together and scores the pair: a cross-encoder.</summary>
    Rank,
}

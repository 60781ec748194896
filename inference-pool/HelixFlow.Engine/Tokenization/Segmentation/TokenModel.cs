namespace HelixFlow.Engine.Tokenization.Segmentation;

/// <summary>Cuts one pre-tokenised piece of text into tokens. Implementations are immutable and thread-safe.</summary>
internal abstract class TokenModel
{
    /// <summary>Appends the ids of the piece, which holds no lone surrogate.</summary>
    public abstract void Encode(ReadOnlySpan<char> piece, TokenBuffer output);
}

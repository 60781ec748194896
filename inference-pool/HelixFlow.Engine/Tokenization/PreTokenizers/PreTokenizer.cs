namespace HelixFlow.Engine.Tokenization.PreTokenizers;

/// <summary>Cuts text into the pieces that the model encodes one by one. Implementations are immutable and thread-safe.</summary>
internal abstract class PreTokenizer
{
    /// <summary>Appends the pieces of one piece of text; white space may be lost, as the file asks for.</summary>
    public abstract void Split(TextPiece piece, List<TextPiece> output);

    /// <summary>The text with which a pattern would be matched at every place, when this is nothing but such a scanner.</summary>
    public virtual WordScanner? Scanner => null;
}

/// <summary>A part of a text on its way through the pre-tokenizers.</summary>
/// <param name="Text">The characters.</param>
/// <param name="IsStart">Nothing came before it in the whole input, not even an added token.</param>
internal readonly record struct TextPiece(ReadOnlyMemory<char> Text, bool IsStart)
{
    public TextPiece Slice(int start, int length) => new(Text.Slice(start, length), IsStart && start == 0);
}

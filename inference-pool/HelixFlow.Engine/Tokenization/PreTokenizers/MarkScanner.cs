namespace HelixFlow.Engine.Tokenization.PreTokenizers;

/// <summary>Words that start with SentencePiece's space mark, where no token reaches from one word into the next.</summary>
/// <remarks>
/// SentencePiece BPE works on the whole text. If no token has the mark after another character, no merge can cross the start of a
/// word, and words can be encoded one by one with the same result, which is what makes remembering them possible.
/// </remarks>
internal sealed class MarkScanner : WordScanner
{
    public const char Mark = '\u2581';

    /// <summary>A pre-tokenizer, if the vocabulary allows it.</summary>
    public static PreTokenizer? For(Vocabulary vocabulary)
    {
        if (vocabulary.Find([Mark]) < 0)
        {
            return null;
        }

        for (var id = 0; id < vocabulary.Size; id++)
        {
            if (vocabulary[id] is { } text && text.AsSpan().TrimStart(Mark).Contains(Mark))
            {
                return null;
            }
        }

        return new SplitPreTokenizer(new ScannerPattern(new MarkScanner()), SplitBehavior.Isolated, invert: false);
    }

    public override int WordEnd(ReadOnlySpan<char> text, int start)
    {
        var at = start;
        while (at < text.Length && text[at] == Mark)
        {
            at++;
        }

        var next = text[at..].IndexOf(Mark);
        return next < 0 ? text.Length : at + next;
    }
}

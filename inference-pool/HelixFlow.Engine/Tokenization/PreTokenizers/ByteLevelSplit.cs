using System.Text;

namespace HelixFlow.Engine.Tokenization.PreTokenizers;

/// <summary>GPT-2's pre-tokenizer: a space at the start, GPT-2's words, and bytes written in <see cref="ByteAlphabet"/>.</summary>
/// <param name="addsSpace">Puts a space before text that does not start with one.</param>
/// <param name="splitsWords">Cuts by GPT-2's pattern.</param>
/// <param name="writesAlphabet">False when the model works on bytes itself.</param>
internal sealed class ByteLevelSplit(bool addsSpace, bool splitsWords, bool writesAlphabet = true) : PreTokenizer
{
    public override WordScanner? Scanner => splitsWords && !addsSpace && !writesAlphabet ? Gpt2Scanner.Instance : null;

    /// <summary>If the pipeline ends in this step, leaves the writing of bytes to the model.</summary>
    public static bool TryTakeFromEnd(ref PreTokenizer? preTokenizer)
    {
        switch (preTokenizer)
        {
            case ByteLevelSplit split:
                preTokenizer = split.WithoutAlphabet();
                return true;
            case SequencePreTokenizer { Steps: [.., ByteLevelSplit split] } sequence:
                var steps = sequence.Steps.SkipLast(1).ToList();
                if (split.WithoutAlphabet() is { } rest)
                {
                    steps.Add(rest);
                }

                preTokenizer = steps.Count == 0 ? null : new SequencePreTokenizer(steps);
                return true;
            default:
                return false;
        }
    }

    public override void Split(TextPiece piece, List<TextPiece> output)
    {
        var text = piece.Text;
        if (addsSpace && !(text.Length > 0 && text.Span[0] == ' '))
        {
            text = string.Concat(" ", text.Span).AsMemory();
        }

        for (var at = 0; at < text.Length;)
        {
            var end = splitsWords ? Gpt2Scanner.Instance.WordEnd(text.Span, at) : text.Length;
            var word = text[at..end];
            output.Add(new TextPiece(writesAlphabet ? Write(word.Span).AsMemory() : word, piece.IsStart && at == 0));
            at = end;
        }
    }

    /// <summary>The bytes of a text in the alphabet.</summary>
    public static string Write(ReadOnlySpan<char> text)
    {
        var bytes = new byte[Encoding.UTF8.GetByteCount(text)];
        Encoding.UTF8.GetBytes(text, bytes);
        return string.Create(bytes.Length, bytes, static (output, bytes) =>
        {
            for (var at = 0; at < bytes.Length; at++)
            {
                output[at] = ByteAlphabet.ToChar(bytes[at]);
            }
        });
    }

    // Null when nothing is left to do.
    private ByteLevelSplit? WithoutAlphabet() =>
        addsSpace || splitsWords ? new ByteLevelSplit(addsSpace, splitsWords, writesAlphabet: false) : null;
}

namespace HelixFlow.Engine.Tokenization.PreTokenizers;

/// <summary>One pre-tokenizer after the other, each on the pieces of the one before.</summary>
internal sealed class SequencePreTokenizer(IReadOnlyList<PreTokenizer> steps) : PreTokenizer
{
    public IReadOnlyList<PreTokenizer> Steps => steps;

    public override WordScanner? Scanner => steps switch
    {
        [var only] => only.Scanner,
        [SplitPreTokenizer { IsolatesDigits: true }, { Scanner: Gpt2Scanner }] => Gpt2Scanner.WithSingleDigits,
        _ => null,
    };

    public override void Split(TextPiece piece, List<TextPiece> output)
    {
        var pieces = new List<TextPiece> { piece };
        foreach (var step in steps)
        {
            var next = new List<TextPiece>(pieces.Count * 2);
            foreach (var part in pieces)
            {
                step.Split(part, next);
            }

            pieces = next;
        }

        output.AddRange(pieces);
    }
}

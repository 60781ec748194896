namespace HelixFlow.Engine.Tokenization.PreTokenizers;

/// <summary>Where SentencePiece's space mark is put before a text.</summary>
internal enum PrependScheme
{
    Never,

    /// <summary>Only at the start of the whole input.</summary>
    First,

    Always,
}

/// <summary>SentencePiece's pre-tokenizer: spaces become a visible mark that starts a word.</summary>
internal sealed class MetaspaceSplit(char mark, PrependScheme scheme, bool splits) : PreTokenizer
{
    public override void Split(TextPiece piece, List<TextPiece> output)
    {
        var text = piece.Text.ToString().Replace(' ', mark);
        var prepends = scheme == PrependScheme.Always || (scheme == PrependScheme.First && piece.IsStart);
        if (prepends && text.Length > 0 && text[0] != mark)
        {
            text = mark + text;
        }

        for (var at = 0; at < text.Length;)
        {
            var next = splits ? text.IndexOf(mark, at + 1) : -1;
            var end = next < 0 ? text.Length : next;
            output.Add(new TextPiece(text.AsMemory(at, end - at), piece.IsStart && at == 0));
            at = end;
        }
    }
}

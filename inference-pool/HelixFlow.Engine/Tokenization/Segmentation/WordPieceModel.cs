using System.Buffers;

namespace HelixFlow.Engine.Tokenization.Segmentation;

/// <summary>BERT's greedy longest-match segmentation; pieces inside a word carry a prefix such as <c>##</c>.</summary>
internal sealed class WordPieceModel(Vocabulary vocabulary, int unknownId, string prefix, int maxCharacters) : TokenModel
{
    private readonly int _longestToken = LongestToken(vocabulary);

    public override void Encode(ReadOnlySpan<char> piece, TokenBuffer output)
    {
        if (CountCharacters(piece) > maxCharacters)
        {
            output.Add(unknownId);
            return;
        }

        var before = output.Count;
        var buffer = ArrayPool<char>.Shared.Rent(prefix.Length + piece.Length);
        prefix.CopyTo(buffer);
        piece.CopyTo(buffer.AsSpan(prefix.Length));
        for (var at = 0; at < piece.Length;)
        {
            // The prefix is written over the characters that are already done.
            var head = at == 0 ? 0 : prefix.Length;
            var start = prefix.Length + at - head;
            prefix.AsSpan(0, head).CopyTo(buffer.AsSpan(start));
            var length = Math.Min(head + piece.Length - at, _longestToken);
            int id;
            while ((id = vocabulary.Find(buffer.AsSpan(start, length))) < 0 && length > head + 1)
            {
                length--;
            }

            if (id < 0)
            {
                output.Truncate(before);
                output.Add(unknownId);
                break;
            }

            output.Add(id);
            at += length - head;
        }

        ArrayPool<char>.Shared.Return(buffer);
    }

    private static int CountCharacters(ReadOnlySpan<char> text)
    {
        var count = 0;
        foreach (var value in text)
        {
            count += char.IsLowSurrogate(value) ? 0 : 1;
        }

        return count;
    }

    private static int LongestToken(Vocabulary vocabulary)
    {
        var longest = 1;
        for (var id = 0; id < vocabulary.Size; id++)
        {
            longest = Math.Max(longest, vocabulary[id]?.Length ?? 0);
        }

        return longest;
    }
}

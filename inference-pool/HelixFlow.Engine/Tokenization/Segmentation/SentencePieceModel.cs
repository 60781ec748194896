using System.Buffers;
using System.Text;

namespace HelixFlow.Engine.Tokenization.Segmentation;

/// <summary>SentencePiece's BPE as GGUF files keep it: no list of merges, the best-scored token that two neighbours make wins.</summary>
/// <remarks>A character that is in no token becomes its byte tokens.</remarks>
internal sealed class SentencePieceModel : TokenModel
{
    private const int MaxKept = 1 << 12;

    [ThreadStatic]
    private static PriorityQueue<(int Left, int Right, int Length), (float Cost, int At)>? Candidates;

    private readonly Vocabulary _vocabulary;
    private readonly float[] _scores;
    private readonly int _unknownId;
    private readonly int _longestToken;
    private readonly int[] _byteIds = new int[256];

    public SentencePieceModel(Vocabulary vocabulary, float[] scores, int unknownId)
    {
        _vocabulary = vocabulary;
        _scores = scores;
        _unknownId = unknownId;
        for (var id = 0; id < vocabulary.Size; id++)
        {
            _longestToken = Math.Max(_longestToken, vocabulary[id]?.Length ?? 0);
        }

        for (var value = 0; value < 256; value++)
        {
            _byteIds[value] = vocabulary.Find(ByteTokens.Text((byte)value));
        }
    }

    public override void Encode(ReadOnlySpan<char> piece, TokenBuffer output)
    {
        if (piece.IsEmpty)
        {
            return;
        }

        // A symbol is known by where it starts; a length of zero means that the one before has swallowed it.
        var lengths = ArrayPool<int>.Shared.Rent(piece.Length);
        var previous = ArrayPool<int>.Shared.Rent(piece.Length);
        var queue = Candidates ?? new PriorityQueue<(int Left, int Right, int Length), (float Cost, int At)>();
        Candidates = null;
        lengths.AsSpan(0, piece.Length).Clear();
        previous.AsSpan(0, piece.Length).Clear();
        var before = -1;
        for (var at = 0; at < piece.Length; at += lengths[at])
        {
            lengths[at] = char.IsHighSurrogate(piece[at]) && at + 1 < piece.Length ? 2 : 1;
            previous[at] = before;
            before = at;
        }

        for (var at = 0; at < piece.Length; at += lengths[at])
        {
            Offer(piece, lengths, at, queue);
        }

        while (queue.TryDequeue(out var pair, out _))
        {
            var (left, right, length) = pair;
            if (lengths[left] + lengths[right] != length || lengths[left] == 0 || lengths[right] == 0 || left + lengths[left] != right)
            {
                continue;
            }

            lengths[left] = length;
            lengths[right] = 0;
            if (left + length < piece.Length)
            {
                previous[left + length] = left;
            }

            Offer(piece, lengths, left, queue);
            if (previous[left] >= 0)
            {
                Offer(piece, lengths, previous[left], queue);
            }
        }

        for (var at = 0; at < piece.Length; at += lengths[at])
        {
            Append(piece.Slice(at, lengths[at]), output);
        }

        ArrayPool<int>.Shared.Return(lengths);
        ArrayPool<int>.Shared.Return(previous);

        // Empty now. One hostile word must not pin megabytes to a thread for good.
        Candidates = piece.Length <= MaxKept ? queue : null;
    }

    private void Offer(
        ReadOnlySpan<char> piece, int[] lengths, int left, PriorityQueue<(int Left, int Right, int Length), (float Cost, int At)> queue)
    {
        var right = left + lengths[left];
        if (right >= piece.Length)
        {
            return;
        }

        var length = lengths[left] + lengths[right];
        if (length <= _longestToken && _vocabulary.Find(piece.Slice(left, length)) is >= 0 and var id)
        {
            queue.Enqueue((left, right, length), (-_scores[id], left));
        }
    }

    private void Append(ReadOnlySpan<char> symbol, TokenBuffer output)
    {
        if (_vocabulary.Find(symbol) is >= 0 and var id)
        {
            output.Add(id);
            return;
        }

        Span<byte> utf8 = stackalloc byte[4];
        foreach (var value in utf8[..Encoding.UTF8.GetBytes(symbol, utf8)])
        {
            var fallback = _byteIds[value] >= 0 ? _byteIds[value] : _unknownId;
            if (fallback >= 0)
            {
                output.Add(fallback);
            }
        }
    }
}

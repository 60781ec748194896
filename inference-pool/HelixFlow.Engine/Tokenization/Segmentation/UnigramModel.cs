using System.Buffers;

namespace HelixFlow.Engine.Tokenization.Segmentation;

/// <summary>SentencePiece's unigram language model (Kudo 2018): the segmentation of highest total score, by Viterbi's algorithm.</summary>
internal sealed class UnigramModel : TokenModel
{
    // An unknown character costs this much more than the worst token, as in SentencePiece.
    private const double UnknownPenalty = 10;

    private readonly PairTable _trie; // (node, UTF-16 unit) -> (next node, id + 1 or 0)
    private readonly double[] _scores;
    private readonly double _unknownScore;
    private readonly int _unknownId;
    private readonly int[] _byteIds = new int[256];
    private readonly bool _fallsBackToBytes;

    /// <param name="vocabulary">The tokens.</param>
    /// <param name="scores">Their log probabilities.</param>
    /// <param name="unknownId">The token for unknown text, or -1.</param>
    /// <param name="byteFallback">Unknown text becomes its byte tokens instead.</param>
    /// <param name="isText">Whether a token may stand for text; null when all may.</param>
    public UnigramModel(Vocabulary vocabulary, double[] scores, int unknownId, bool byteFallback, Func<int, bool>? isText = null)
    {
        _scores = scores;
        _unknownId = unknownId;
        _unknownScore = (scores.Length == 0 ? 0 : scores.Min()) - UnknownPenalty;
        _trie = BuildTrie(vocabulary, scores.Length, isText);
        for (var value = 0; value < 256; value++)
        {
            _byteIds[value] = vocabulary.Find(ByteTokens.Text((byte)value));
        }

        _fallsBackToBytes = byteFallback;
    }

    public override void Encode(ReadOnlySpan<char> piece, TokenBuffer output)
    {
        // best[i] is the best way to cover the first i units: its score, the start of its last token and that token.
        var best = ArrayPool<(double Score, int Start, int Id)>.Shared.Rent(piece.Length + 1);
        best[0] = default;
        best.AsSpan(1, piece.Length).Fill((double.NegativeInfinity, -1, -1));
        for (var at = 0; at < piece.Length;)
        {
            var length = char.IsHighSurrogate(piece[at]) && at + 1 < piece.Length ? 2 : 1;
            var single = false;
            var node = 0;
            for (var end = at; end < piece.Length;)
            {
                var found = _trie.Find(node, piece[end++]);
                if (found < 0)
                {
                    break;
                }

                node = (int)(found >> 32);
                var id = (int)found - 1;
                if (id >= 0)
                {
                    single |= end - at == length;
                    Offer(ref best[end], best[at].Score + _scores[id], at, id);
                }
            }

            if (!single)
            {
                Offer(ref best[at + length], best[at].Score + _unknownScore, at, _unknownId);
            }

            at += length;
        }

        Append(piece, best, output);
        ArrayPool<(double Score, int Start, int Id)>.Shared.Return(best);
    }

    // The first of equal scores stays, which is the one with the longest last token.
    private static void Offer(ref (double Score, int Start, int Id) best, double score, int start, int id)
    {
        if (best.Start < 0 || score > best.Score)
        {
            best = (score, start, id);
        }
    }

    private void Append(ReadOnlySpan<char> piece, (double Score, int Start, int Id)[] best, TokenBuffer output)
    {
        // Turn the chain of last tokens round: from now on a score is where the next token ends.
        var next = -1;
        for (var end = piece.Length; end > 0; end = best[end].Start)
        {
            best[end].Score = next;
            next = end;
        }

        var unknownFrom = -1;
        var at = 0;
        for (; next > 0; next = (int)best[next].Score)
        {
            var id = best[next].Id;
            if (id == _unknownId)
            {
                unknownFrom = unknownFrom < 0 ? at : unknownFrom;
            }
            else
            {
                AppendUnknown(piece, unknownFrom, at, output);
                unknownFrom = -1;
                output.Add(id);
            }

            at = next;
        }

        AppendUnknown(piece, unknownFrom, at, output);
    }

    // Neighbouring unknown characters are one unknown token, or their bytes.
    private void AppendUnknown(ReadOnlySpan<char> piece, int from, int to, TokenBuffer output)
    {
        if (from < 0)
        {
            return;
        }

        var before = output.Count;
        if (_fallsBackToBytes)
        {
            Span<byte> utf8 = stackalloc byte[4];
            var whole = true;
            foreach (var rune in piece[from..to].EnumerateRunes())
            {
                foreach (var value in utf8[..rune.EncodeToUtf8(utf8)])
                {
                    whole &= _byteIds[value] >= 0;
                    output.Add(_byteIds[value]);
                }
            }

            if (whole)
            {
                return;
            }

            output.Truncate(before);
        }

        if (_unknownId >= 0)
        {
            output.Add(_unknownId);
        }
    }

    private static PairTable BuildTrie(Vocabulary vocabulary, int count, Func<int, bool>? isText)
    {
        var units = 0;
        for (var id = 0; id < count; id++)
        {
            units += vocabulary[id]?.Length ?? 0;
        }

        var edges = new Dictionary<(int Node, char Unit), int>(units);
        var ids = new int[units + 1];
        for (var id = 0; id < count; id++)
        {
            if (isText?.Invoke(id) == false)
            {
                continue;
            }

            var node = 0;
            foreach (var unit in vocabulary[id] ?? "")
            {
                if (!edges.TryGetValue((node, unit), out var next))
                {
                    edges.Add((node, unit), next = edges.Count + 1);
                }

                node = next;
            }

            // Of equal texts the first is the token, as in the vocabulary.
            ids[node] = node == 0 || ids[node] != 0 ? ids[node] : id + 1;
        }

        var trie = new PairTable(edges.Count);
        foreach (var ((node, unit), next) in edges)
        {
            trie.Set(node, unit, next, ids[next]);
        }

        return trie;
    }
}

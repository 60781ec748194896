using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace HelixFlow.Engine.Tokenization.Segmentation;

/// <summary>The symbols of one word while their pairs are merged. One per thread, reused.</summary>
internal sealed class MergeWorkspace
{
    // A scan of all pairs beats the heap up to about this many symbols.
    private const int ScanLimit = 128;
    private const uint NoRank = uint.MaxValue;

    [ThreadStatic]
    private static MergeWorkspace? Current;

    private int[] _ids = new int[256];
    private int[] _next = new int[256];
    private int[] _previous = new int[256];
    private readonly uint[] _ranks = new uint[ScanLimit];
    private readonly int[] _results = new int[ScanLimit];
    private readonly PriorityQueue<int, long> _queue = new(); // by rank, then place
    private int _count;

    public static MergeWorkspace ForThisThread()
    {
        var workspace = Current ??= new MergeWorkspace();
        workspace._count = 0;
        return workspace;
    }

    public int Count => _count;

    public int Last => _ids[_count - 1];

    public void Add(int id)
    {
        if (_count == _ids.Length)
        {
            Array.Resize(ref _ids, _count * 2);
        }

        _ids[_count++] = id;
    }

    /// <summary>Merges the pair of lowest rank, leftmost first, until none is left, and appends what remains.</summary>
    public void MergeInto(PairTable merges, TokenBuffer output)
    {
        if (_count is > 1 and <= ScanLimit)
        {
            MergeByScan(merges);
        }
        else if (_count > ScanLimit)
        {
            MergeByHeap(merges);
        }

        output.AddRange(_ids.AsSpan(0, _count));

        // One hostile word must not pin megabytes to a thread for good.
        if (_ids.Length > 1 << 16)
        {
            Current = null;
        }
    }

    // Symbols keep their places and are linked; ranks stand in the place of the left symbol, so that the lowest is found by vectors.
    private void MergeByScan(PairTable merges)
    {
        var count = _count;
        var ids = _ids.AsSpan(0, count);
        var next = _next.AsSpan(0, count);
        var previous = _previous.AsSpan(0, count);
        var results = _results.AsSpan(0, count);
        var padded = (count + Vector256<uint>.Count - 1) / Vector256<uint>.Count * Vector256<uint>.Count;
        var ranks = _ranks.AsSpan(0, padded);
        ranks[count..].Fill(NoRank);
        for (var at = 0; at < count; at++)
        {
            next[at] = at + 1;
            previous[at] = at - 1;
        }

        for (var at = 0; at < count - 1; at++)
        {
            ranks[at] = Rank(merges, ids[at], ids[at + 1], ref results[at]);
        }

        ranks[count - 1] = NoRank;
        while (Lowest(ranks) is >= 0 and var at)
        {
            var gone = next[at];
            var right = next[gone];
            ids[at] = results[at];
            next[at] = right;
            ranks[gone] = NoRank;
            ranks[at] = NoRank;
            if (right < count)
            {
                previous[right] = at;
                ranks[at] = Rank(merges, ids[at], ids[right], ref results[at]);
            }

            if (previous[at] is >= 0 and var left)
            {
                ranks[left] = Rank(merges, ids[left], ids[at], ref results[left]);
            }
        }

        var kept = 0;
        for (var at = 0; at < count; at = next[at])
        {
            ids[kept++] = ids[at];
        }

        _count = kept;
    }

    // The place of the lowest rank, the leftmost of equal ones, or -1.
    private static int Lowest(ReadOnlySpan<uint> ranks)
    {
        ref var first = ref MemoryMarshal.GetReference(ranks);
        var lowest = Vector256.LoadUnsafe(ref first);
        for (var at = Vector256<uint>.Count; at < ranks.Length; at += Vector256<uint>.Count)
        {
            lowest = Vector256.Min(lowest, Vector256.LoadUnsafe(ref first, (nuint)at));
        }

        var half = Vector128.Min(lowest.GetLower(), lowest.GetUpper());
        half = Vector128.Min(half, Vector128.Shuffle(half, Vector128.Create(2u, 3u, 0u, 1u)));
        half = Vector128.Min(half, Vector128.Shuffle(half, Vector128.Create(1u, 0u, 3u, 2u)));
        var value = half.ToScalar();
        if (value == NoRank)
        {
            return -1;
        }

        var wanted = Vector256.Create(value);
        for (var at = 0; ; at += Vector256<uint>.Count)
        {
            var found = Vector256.Equals(Vector256.LoadUnsafe(ref first, (nuint)at), wanted).ExtractMostSignificantBits();
            if (found != 0)
            {
                return at + BitOperations.TrailingZeroCount(found);
            }
        }
    }

    private static uint Rank(PairTable merges, int left, int right, ref int merged)
    {
        var found = merges.Find(left, right);
        if (found < 0)
        {
            return NoRank;
        }

        merged = (int)found;
        return (uint)(found >> 32);
    }

    // Symbols form a linked list by position; the queue holds candidate merges, stale ones are recognised when they come up.
    private void MergeByHeap(PairTable merges)
    {
        if (_next.Length < _count)
        {
            _next = new int[_ids.Length];
            _previous = new int[_ids.Length];
        }

        _queue.Clear();
        for (var at = 0; at < _count; at++)
        {
            _previous[at] = at - 1;
            _next[at] = at + 1 < _count ? at + 1 : -1;
        }

        for (var at = 0; at < _count - 1; at++)
        {
            Offer(merges, at);
        }

        while (_queue.TryDequeue(out var merged, out var candidate))
        {
            var at = (int)candidate;
            var right = _ids[at] < 0 ? -1 : _next[at];
            if (right < 0 || merges.Find(_ids[at], _ids[right]) != PairTable.Pack((int)(candidate >> 32), merged))
            {
                continue;
            }

            _ids[at] = merged;
            _ids[right] = -1;
            _next[at] = _next[right];
            if (_next[at] >= 0)
            {
                _previous[_next[at]] = at;
                Offer(merges, at);
            }

            if (_previous[at] >= 0)
            {
                Offer(merges, _previous[at]);
            }
        }

        var kept = 0;
        for (var at = 0; at >= 0; at = _next[at])
        {
            _ids[kept++] = _ids[at];
        }

        _count = kept;
    }

    private void Offer(PairTable merges, int at)
    {
        var found = merges.Find(_ids[at], _ids[_next[at]]);
        if (found >= 0)
        {
            _queue.Enqueue((int)found, PairTable.Pack((int)(found >> 32), at));
        }
    }
}

namespace HelixFlow.Engine.Tokenization.Segmentation;

/// <summary>The symbols of one word while their pairs are merged. One per thread, reused.</summary>
internal sealed class MergeWorkspace
{
    // A scan of all pairs beats the heap up to about this many symbols.
    private const int ScanLimit = 24;

    [ThreadStatic]
    private static MergeWorkspace? Current;

    private int[] _ids = new int[256];
    private int[] _next = new int[256];
    private int[] _previous = new int[256];
    private long[] _ranks = new long[ScanLimit];
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
    public void MergeInto(PairTable merges, List<int> output)
    {
        if (_count <= ScanLimit)
        {
            MergeByScan(merges);
        }
        else
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

    private void MergeByScan(PairTable merges)
    {
        var ids = _ids.AsSpan(0, _count);
        var ranks = _ranks.AsSpan(0, Math.Max(0, _count - 1));
        for (var at = 0; at < ranks.Length; at++)
        {
            ranks[at] = Rank(merges, ids[at], ids[at + 1]);
        }

        while (!ranks.IsEmpty)
        {
            var best = 0;
            for (var at = 1; at < ranks.Length; at++)
            {
                // The value is ordered by rank; equal pairs have equal values, so the leftmost wins.
                if (ranks[at] < ranks[best])
                {
                    best = at;
                }
            }

            if (ranks[best] == long.MaxValue)
            {
                break;
            }

            ids[best] = (int)ranks[best];
            ids[(best + 2)..].CopyTo(ids[(best + 1)..]);
            ids = ids[..^1];
            ranks[(best + 1)..].CopyTo(ranks[best..]);
            ranks = ranks[..^1];
            if (best < ranks.Length)
            {
                ranks[best] = Rank(merges, ids[best], ids[best + 1]);
            }

            if (best > 0)
            {
                ranks[best - 1] = Rank(merges, ids[best - 1], ids[best]);
            }
        }

        _count = ids.Length;
    }

    private static long Rank(PairTable merges, int left, int right)
    {
        var found = merges.Find(left, right);
        return found < 0 ? long.MaxValue : found;
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

using System.Diagnostics;
using System.Numerics;
using HelixFlow.Schemas;

namespace HelixFlow.Gateway.Routing;

/// <summary>
/// The blocks of prompts that one node is believed to hold: a bounded set of hashes of <see cref="PromptChain"/>, least recently used first out.
/// </summary>
/// <remarks>
/// <para>
/// A belief: the node may have evicted what is here and may hold what is not. Being wrong costs a cache miss. It is fed by the node's own reports
/// and, at once, by every request that is sent there.
/// </para>
/// <para>
/// Chains are entered from their end to their start, so that a block is never older than the blocks behind it, and the oldest to go is always a
/// chain's end: what is here stays closed under prefixes. <see cref="LongestMatch"/> relies on it. Reports must keep to it too; where they leave a
/// hole, the match is an estimate.
/// </para>
/// <para>Not thread-safe: guarded by the router's lock. 24 to 28 bytes a hash, grown as needed; no allocation after that.</para>
/// </remarks>
internal sealed class PrefixIndex
{
    private const int None = -1;
    private const int SmallestTable = 64;

    private ulong[] _hashes = [];
    private int[] _newer = []; // towards the most recently used
    private int[] _older = []; // towards the least recently used; also links the free entries
    private int[] _next = []; // in the same bucket
    private int[] _buckets = []; // a power of two; the hashes are well mixed, so their low bits do
    private int _newest = None;
    private int _oldest = None;
    private int _free = None;

    /// <param name="capacity">Most hashes; at least 1.</param>
    public PrefixIndex(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        Capacity = capacity;
    }

    public int Capacity { get; }

    public int Count { get; private set; }

    /// <summary>How many of the chain's first blocks the node is believed to hold. Looks at a logarithmic number of them.</summary>
    public int LongestMatch(ReadOnlySpan<ulong> chain)
    {
        if (Count == 0 || chain.IsEmpty || !Contains(chain[0]))
        {
            return 0;
        }

        // Double until a block is missing, then halve: held blocks come first.
        int held = 1;
        int missing = 2;
        while (missing <= chain.Length && Contains(chain[missing - 1]))
        {
            held = missing;
            missing *= 2;
        }

        missing = Math.Min(missing, chain.Length + 1);
        while (missing - held > 1)
        {
            int middle = (held + missing) / 2;
            if (Contains(chain[middle - 1]))
            {
                held = middle;
            }
            else
            {
                missing = middle;
            }
        }

        return held;
    }

    /// <summary>Believes from now on that the node holds the whole chain.</summary>
    public void Add(ReadOnlySpan<ulong> chain)
    {
        for (int at = Math.Min(chain.Length, Capacity) - 1; at >= 0; at--)
        {
            Touch(chain[at]);
        }
    }

    /// <summary>Takes over what the node says it holds, most recently used first, and forgets the rest.</summary>
    public void Replace(ReadOnlySpan<ulong> snapshot)
    {
        Clear();
        Add(snapshot);
    }

    /// <summary>Takes over what changed on the node since its last report; what is in both lists is held.</summary>
    /// <param name="added">New on the node, most recently used first.</param>
    /// <param name="removed">Evicted by the node.</param>
    public void Apply(ReadOnlySpan<ulong> added, ReadOnlySpan<ulong> removed)
    {
        foreach (ulong hash in removed)
        {
            int entry = Find(hash);
            if (entry != None)
            {
                Remove(entry);
            }
        }

        Add(added);
    }

    public void Clear()
    {
        Array.Fill(_buckets, None);
        Count = 0;
        _newest = _oldest = None;
        LinkFree(0);
    }

    public bool Contains(ulong hash) => Find(hash) != None;

    private int Find(ulong hash)
    {
        if (_buckets.Length == 0)
        {
            return None;
        }

        int entry = _buckets[(int)hash & (_buckets.Length - 1)];
        while (entry != None && _hashes[entry] != hash)
        {
            entry = _next[entry];
        }

        return entry;
    }

    private void Touch(ulong hash)
    {
        int entry = Find(hash);
        if (entry == None)
        {
            Insert(hash);
        }
        else if (entry != _newest)
        {
            Unlink(entry);
            LinkNewest(entry);
        }
    }

    private void Insert(ulong hash)
    {
        if (Count == Capacity)
        {
            Remove(_oldest);
        }
        else if (_free == None)
        {
            Grow();
        }

        int entry = _free;
        _free = _older[entry];
        _hashes[entry] = hash;
        ref int bucket = ref _buckets[(int)hash & (_buckets.Length - 1)];
        _next[entry] = bucket;
        bucket = entry;
        LinkNewest(entry);
        Count++;
    }

    private void Remove(int entry)
    {
        ref int link = ref _buckets[(int)_hashes[entry] & (_buckets.Length - 1)];
        while (link != entry)
        {
            link = ref _next[link];
        }

        link = _next[entry];
        Unlink(entry);
        _older[entry] = _free;
        _free = entry;
        Count--;
    }

    private void LinkNewest(int entry)
    {
        _newer[entry] = None;
        _older[entry] = _newest;
        if (_newest == None)
        {
            _oldest = entry;
        }
        else
        {
            _newer[_newest] = entry;
        }

        _newest = entry;
    }

    private void Unlink(int entry)
    {
        int newer = _newer[entry];
        int older = _older[entry];
        if (newer == None)
        {
            _newest = older;
        }
        else
        {
            _older[newer] = older;
        }

        if (older == None)
        {
            _oldest = newer;
        }
        else
        {
            _newer[older] = newer;
        }
    }

    private void Grow()
    {
        int used = _hashes.Length;
        int size = (int)Math.Min(Capacity, Math.Max(SmallestTable, 2L * used));
        Debug.Assert(size > used);
        Array.Resize(ref _hashes, size);
        Array.Resize(ref _newer, size);
        Array.Resize(ref _older, size);
        Array.Resize(ref _next, size);
        _buckets = new int[(int)BitOperations.RoundUpToPowerOf2((uint)size)];
        Array.Fill(_buckets, None);
        for (int entry = 0; entry < used; entry++)
        {
            ref int bucket = ref _buckets[(int)_hashes[entry] & (_buckets.Length - 1)];
            _next[entry] = bucket;
            bucket = entry;
        }

        LinkFree(used);
    }

    /// <summary>Makes all entries from this one on the free ones.</summary>
    private void LinkFree(int first)
    {
        for (int entry = first; entry < _hashes.Length; entry++)
        {
            _older[entry] = entry + 1 == _hashes.Length ? None : entry + 1;
        }

        _free = first < _hashes.Length ? first : None;
    }
}

using System.Numerics;
using System.Runtime.CompilerServices;

namespace HelixFlow.Engine.Tokenization.Segmentation;

/// <summary>A hash table from a pair of non-negative numbers to another pair, in one flat array with linear probing.</summary>
internal sealed class PairTable
{
    private const ulong Empty = ulong.MaxValue;
    private readonly Slot[] _slots; // a power of two, so that a probe touches one cache line mostly
    private readonly ulong[] _filter; // two bits a slot: most pairs of a text are in no table, and this answers from the second-level cache
    private readonly int _shift;

    /// <summary>Room for <paramref name="capacity"/> pairs at a load of at most three quarters.</summary>
    public PairTable(int capacity)
    {
        var slots = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(8, (capacity * 4L / 3) + 1));
        _slots = new Slot[slots];
        _slots.AsSpan().Fill(new Slot(Empty, -1));
        _filter = new ulong[Math.Max(1, slots / 32)];
        _shift = 64 - BitOperations.Log2((uint)slots);
    }

    /// <summary>Adds the pair, or replaces its value.</summary>
    public void Set(int left, int right, int first, int second)
    {
        var key = Key(left, right);
        _slots[Probe(key)] = new Slot(key, Pack(first, second));
        var bit = FilterBit(key);
        _filter[bit >> 6] |= 1UL << (int)bit;
    }

    /// <summary>The packed value (<c>first &lt;&lt; 32 | second</c>, ordered by first), or -1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public long Find(int left, int right)
    {
        var key = Key(left, right);
        var bit = FilterBit(key);
        return (_filter[bit >> 6] & (1UL << (int)bit)) == 0 ? -1 : _slots[Probe(key)].Value;
    }

    public static long Pack(int first, int second) => ((long)first << 32) | (uint)second;

    private static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    // The bits of the hash behind those that choose the slot are as good as independent of it.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ulong FilterBit(ulong key) => ((key * 0x9E3779B97F4A7C15) >> (_shift - 8)) & (((ulong)_filter.Length << 6) - 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Probe(ulong key)
    {
        var slots = _slots;
        var slot = (int)((key * 0x9E3779B97F4A7C15) >> _shift);
        while (true)
        {
            ref readonly var candidate = ref slots[slot];
            if (candidate.Key == key || candidate.Key == Empty)
            {
                return slot;
            }

            slot = (slot + 1) & (slots.Length - 1);
        }
    }

    private readonly record struct Slot(ulong Key, long Value);
}

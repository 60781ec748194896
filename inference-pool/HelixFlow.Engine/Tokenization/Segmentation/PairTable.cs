using System.Numerics;

namespace HelixFlow.Engine.Tokenization.Segmentation;

/// <summary>A hash table from a pair of non-negative numbers to another pair, in two flat arrays with linear probing.</summary>
internal sealed class PairTable
{
    private const ulong Empty = ulong.MaxValue;
    private readonly ulong[] _keys;
    private readonly long[] _values;
    private readonly int _shift;

    /// <summary>Room for <paramref name="capacity"/> pairs at a load of at most one half.</summary>
    public PairTable(int capacity)
    {
        var slots = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(8, capacity * 2L));
        _keys = new ulong[slots];
        _keys.AsSpan().Fill(Empty);
        _values = new long[slots];
        _shift = 64 - BitOperations.Log2((uint)slots);
    }

    /// <summary>Adds the pair, or replaces its value.</summary>
    public void Set(int left, int right, int first, int second)
    {
        var slot = Probe(left, right);
        _keys[slot] = Key(left, right);
        _values[slot] = Pack(first, second);
    }

    /// <summary>The packed value (<c>first &lt;&lt; 32 | second</c>, ordered by first), or -1.</summary>
    public long Find(int left, int right)
    {
        var slot = Probe(left, right);
        return _keys[slot] == Empty ? -1 : _values[slot];
    }

    public static long Pack(int first, int second) => ((long)first << 32) | (uint)second;

    private static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    private int Probe(int left, int right)
    {
        var key = Key(left, right);
        var keys = _keys;
        var slot = (int)((key * 0x9E3779B97F4A7C15) >> _shift);
        while (keys[slot] != key && keys[slot] != Empty)
        {
            slot = (slot + 1) & (keys.Length - 1);
        }

        return slot;
    }
}

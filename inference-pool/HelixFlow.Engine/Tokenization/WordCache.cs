using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace HelixFlow.Engine.Tokenization;

/// <summary>Remembers the ids of words already seen. Bounded, lock-free and safe for any number of threads.</summary>
/// <remarks>
/// Every word has exactly one slot, and a new word simply takes it over, so no input can make the cache slow or large.
/// Entries are immutable; a race of two writers loses one entry, never tears one.
/// </remarks>
internal sealed class WordCache
{
    /// <summary>Longer words are rare and are encoded anew, in UTF-16 units.</summary>
    public const int MaxWordLength = 48;

    // 32 Ki words hold the working set of English prose; at most some 8 MB.
    private const int Slots = 1 << 15;

    private readonly Entry?[] _slots = new Entry?[Slots];

    public static ulong Hash(ReadOnlySpan<char> word)
    {
        const ulong Multiplier = 0x9E3779B97F4A7C15;
        var hash = (ulong)word.Length * Multiplier;
        ref var first = ref Unsafe.As<char, byte>(ref MemoryMarshal.GetReference(word));
        var bytes = word.Length * sizeof(char);
        var at = 0;
        for (; at + sizeof(ulong) <= bytes; at += sizeof(ulong))
        {
            hash = (hash ^ Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref first, at))) * Multiplier;
            hash ^= hash >> 32;
        }

        if (at + sizeof(uint) <= bytes)
        {
            hash = (hash ^ Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref first, at))) * Multiplier;
            hash ^= hash >> 32;
            at += sizeof(uint);
        }

        if (at < bytes)
        {
            hash = (hash ^ Unsafe.ReadUnaligned<char>(ref Unsafe.Add(ref first, at))) * Multiplier;
        }

        return hash ^ (hash >> 29);
    }

    /// <summary>Appends the word's ids when they are known.</summary>
    public bool TryAppend(ReadOnlySpan<char> word, ulong hash, List<int> output)
    {
        var entry = Volatile.Read(ref _slots[(int)(hash & (Slots - 1))]);
        if (entry is null || entry.Hash != hash || !word.SequenceEqual(entry.Word))
        {
            return false;
        }

        if (entry.Ids.Length == 1)
        {
            output.Add(entry.Ids[0]);
        }
        else
        {
            output.AddRange(entry.Ids);
        }

        return true;
    }

    public void Add(ReadOnlySpan<char> word, ulong hash, ReadOnlySpan<int> ids) =>
        Volatile.Write(ref _slots[(int)(hash & (Slots - 1))], new Entry(hash, word.ToString(), ids.ToArray()));

    private sealed class Entry(ulong hash, string word, int[] ids)
    {
        public readonly ulong Hash = hash;
        public readonly string Word = word;
        public readonly int[] Ids = ids;
    }
}

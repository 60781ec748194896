using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace HelixFlow.Engine.Tokenization;

/// <summary>Remembers the ids of words already seen. Bounded, lock-free and safe for any number of threads.</summary>
/// <remarks>
/// Two flat tables without references: one of single cache lines for words of up to 16 UTF-16 units and six ids, one for words of up
/// to 48 units and 20 ids. A word has two places, side by side, and a new word moves the older one to the second, so no input can make
/// the cache slow or large (5.2 MB). A slot's version is odd while it is written; a reader that meets that, or another version after it
/// has read, takes it for a miss.
/// </remarks>
internal sealed unsafe class WordCache
{
    /// <summary>Longer words are rare and are encoded anew, in UTF-16 units.</summary>
    public const int MaxWordLength = 48;

    /// <summary>The most ids that are kept of one word.</summary>
    public const int MaxIds = LongIds;

    private const int ShortChars = 16;
    private const int ShortIds = 6;
    private const int LongIds = 20;
    private const int ShortBytes = 8 + (ShortChars * sizeof(char)) + (ShortIds * sizeof(int)); // a cache line
    private const int LongBytes = 8 + (MaxWordLength * sizeof(char)) + (LongIds * sizeof(int)) + 8; // three of them

    // 32 Ki words hold the working set of English prose, 16 Ki that of long names and of Chinese, which has no spaces.
    private const int ShortSlots = 1 << 15;
    private const int LongSlots = 1 << 14;
    private const int LineBytes = 64;

    // Pinned, so that the tables can start at a cache line.
    private readonly byte[] _memory = GC.AllocateArray<byte>((ShortSlots * ShortBytes) + (LongSlots * LongBytes) + LineBytes, pinned: true);
    private readonly byte* _short;
    private readonly byte* _long;

    public WordCache()
    {
        Debug.Assert(ShortBytes == LineBytes && LongBytes == 3 * LineBytes && sizeof(Header) == 8);
        var start = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_memory));
        _short = (byte*)((start + LineBytes - 1) & ~(nint)(LineBytes - 1));
        _long = _short + (ShortSlots * ShortBytes);
    }

    // 32 times 0xFFFF and 32 times zero: a window of 16 units into it masks a word of any length.
    private static ReadOnlySpan<ushort> Masks =>
    [
        0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];

    /// <summary>Appends the ids of the word at a place of a text when they are known.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryAppend(ReadOnlySpan<char> text, int at, int length, TokenBuffer output)
    {
        if (length <= ShortChars && at + ShortChars <= text.Length)
        {
            // Reads 16 units, all inside the text, and blanks those that belong to the next words.
            Debug.Assert(length > 0);
            ref var first = ref Unsafe.As<char, ushort>(ref Unsafe.Add(ref MemoryMarshal.GetReference(text), at));
            var mask = Vector256.LoadUnsafe(ref MemoryMarshal.GetReference(Masks), (nuint)(ShortChars - length));
            var key = Vector256.LoadUnsafe(ref first) & mask;
            return TryShort(key, length, output) || TryLong(text.Slice(at, length), output);
        }

        return TryAppendSlow(text.Slice(at, length), output);
    }

    /// <summary>Remembers the ids of a word.</summary>
    public void Add(ReadOnlySpan<char> word, ReadOnlySpan<int> ids)
    {
        if (word.Length <= ShortChars && ids.Length <= ShortIds)
        {
            var key = ShortKey(word);
            Write(ShortPlace(key, word.Length), ShortBytes, ShortChars, word, ids);
        }
        else if (word.Length <= MaxWordLength && ids.Length <= LongIds)
        {
            Write(LongPlace(word), LongBytes, MaxWordLength, word, ids);
        }
    }

    /// <summary>Forgets all words. No other thread may use the cache meanwhile.</summary>
    public void Clear() => _memory.AsSpan().Clear();

    private bool TryAppendSlow(ReadOnlySpan<char> word, TokenBuffer output) =>
        word.Length <= MaxWordLength && ((word.Length <= ShortChars && TryShort(ShortKey(word), word.Length, output)) || TryLong(word, output));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryShort(Vector256<ushort> key, int length, TokenBuffer output)
    {
        var slot = ShortPlace(key, length);
        return TryShort(slot, key, length, output) || TryShort(slot + ShortBytes, key, length, output);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool TryShort(byte* slot, Vector256<ushort> key, int length, TokenBuffer output)
    {
        var header = (Header*)slot;
        var version = Volatile.Read(ref header->Version);
        if (!Vector256.EqualsAll(Vector256.Load((ushort*)(slot + sizeof(Header))), key) || header->Length != length)
        {
            return false;
        }

        // A short slot has room for six: they are copied all, which costs less than counting.
        var count = header->Count;
        var ids = (int*)(slot + sizeof(Header) + (ShortChars * sizeof(char)));
        var room = output.Room(8);
        ref var target = ref MemoryMarshal.GetReference(room);
        Unsafe.WriteUnaligned(ref Unsafe.As<int, byte>(ref target), Unsafe.ReadUnaligned<long>(ids));
        if (count > 2)
        {
            Vector128.Load(ids + 2).StoreUnsafe(ref target, 2);
        }

        return EndRead(header, version, count, output);
    }

    private bool TryLong(ReadOnlySpan<char> word, TokenBuffer output)
    {
        var slot = LongPlace(word);
        return TryLong(slot, word, output) || TryLong(slot + LongBytes, word, output);
    }

    private static bool TryLong(byte* slot, ReadOnlySpan<char> word, TokenBuffer output)
    {
        var header = (Header*)slot;
        var version = Volatile.Read(ref header->Version);
        if (header->Length != word.Length || !word.SequenceEqual(new ReadOnlySpan<char>(slot + sizeof(Header), word.Length)))
        {
            return false;
        }

        var count = Math.Min((int)header->Count, LongIds);
        new ReadOnlySpan<int>(slot + sizeof(Header) + (MaxWordLength * sizeof(char)), count).CopyTo(output.Room(count));
        return EndRead(header, version, count, output);
    }

    // What was copied counts only if nobody has written the slot meanwhile.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool EndRead(Header* header, int version, int count, TokenBuffer output)
    {
        Volatile.ReadBarrier();
        if ((version & 1) != 0 || header->Version != version)
        {
            return false;
        }

        output.Advance(count);
        return true;
    }

    private static void Write(byte* slot, int slotBytes, int chars, ReadOnlySpan<char> word, ReadOnlySpan<int> ids)
    {
        var first = (Header*)slot;
        var second = (Header*)(slot + slotBytes);
        if (!TryBeginWrite(first))
        {
            return;
        }

        if (first->Length != 0 && TryBeginWrite(second))
        {
            new ReadOnlySpan<byte>(slot + sizeof(int), slotBytes - sizeof(int)).CopyTo(
                new Span<byte>(slot + slotBytes + sizeof(int), slotBytes - sizeof(int)));
            EndWrite(second);
        }

        var key = new Span<char>(slot + sizeof(Header), chars);
        word.CopyTo(key);
        key[word.Length..].Clear();
        ids.CopyTo(new Span<int>(slot + sizeof(Header) + (chars * sizeof(char)), ids.Length));
        first->Length = (ushort)word.Length;
        first->Count = (ushort)ids.Length;
        EndWrite(first);
    }

    private static bool TryBeginWrite(Header* header)
    {
        var version = Volatile.Read(ref header->Version);
        return (version & 1) == 0 && Interlocked.CompareExchange(ref header->Version, version + 1, version) == version;
    }

    private static void EndWrite(Header* header) => Volatile.Write(ref header->Version, header->Version + 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private byte* ShortPlace(Vector256<ushort> key, int length)
    {
        var parts = key.AsUInt64();
        var high = Math.BigMul(parts[0] ^ 0x9E3779B97F4A7C15, parts[1] ^ (0xC2B2AE3D27D4EB4F + (ulong)length), out ulong low);
        var hash = low ^ high;
        if (length > ShortChars / 2)
        {
            high = Math.BigMul(parts[2] ^ 0x165667B19E3779F9, parts[3] ^ hash, out low);
            hash = low ^ high;
        }

        // The two places of a word are neighbours.
        return _short + ((long)(hash & (ShortSlots - 2)) * ShortBytes);
    }

    private byte* LongPlace(ReadOnlySpan<char> word)
    {
        var bytes = MemoryMarshal.AsBytes(word);
        var hash = (ulong)word.Length * 0x9E3779B97F4A7C15;
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
        {
            hash = Mix(hash ^ MemoryMarshal.Read<ulong>(bytes));
        }

        for (; bytes.Length >= sizeof(char); bytes = bytes[sizeof(char)..])
        {
            hash = Mix(hash ^ MemoryMarshal.Read<char>(bytes));
        }

        return _long + ((long)(hash & (LongSlots - 2)) * LongBytes);
    }

    private static ulong Mix(ulong value)
    {
        value *= 0x9E3779B97F4A7C15;
        return value ^ (value >> 32);
    }

    private static Vector256<ushort> ShortKey(ReadOnlySpan<char> word)
    {
        Span<ushort> padded = stackalloc ushort[ShortChars];
        padded.Clear();
        MemoryMarshal.Cast<char, ushort>(word).CopyTo(padded);
        return Vector256.Create<ushort>(padded);
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Header
    {
        public int Version;
        public ushort Length; // zero in a slot that was never written
        public ushort Count;
    }
}

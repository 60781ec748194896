namespace HelixFlow.Engine.Grammar.Lexical;

/// <summary>A partition of the byte values into classes. Immutable.</summary>
internal sealed class ByteClasses
{
    private readonly byte[] _classOf; // [byte]
    private readonly byte[] _representatives; // [class]

    private ByteClasses(byte[] classOf, byte[] representatives)
    {
        _classOf = classOf;
        _representatives = representatives;
    }

    /// <summary>All bytes in one class.</summary>
    public static ByteClasses One { get; } = new(new byte[256], [0]);

    public int Count => _representatives.Length;

    /// <summary>The set and its complement.</summary>
    public static ByteClasses Of(ByteSet set) => Create(value => set.Contains((byte)value) ? 1 : 0);

    /// <summary>Bytes are together when they are in both partitions.</summary>
    public ByteClasses Meet(ByteClasses other)
    {
        if (Count == 1 || ReferenceEquals(this, other))
        {
            return other;
        }

        return other.Count == 1 ? this : Create(value => (_classOf[value] << 8) | other._classOf[value]);
    }

    public byte Representative(int index) => _representatives[index];

    /// <summary>The representative of a byte's class.</summary>
    public byte Representative(byte value) => _representatives[_classOf[value]];

    public ByteSet SetOf(int index)
    {
        Span<ulong> words = [0, 0, 0, 0];
        for (int value = 0; value < 256; value++)
        {
            if (_classOf[value] == index)
            {
                words[value >> 6] |= 1UL << (value & 63);
            }
        }

        return new ByteSet(words[0], words[1], words[2], words[3]);
    }

    /// <summary>Which class a byte is in.</summary>
    public int IndexOf(byte value) => _classOf[value];

    /// <summary>Bytes with equal keys are together.</summary>
    public static ByteClasses Create(Func<int, int> key)
    {
        var classes = new Dictionary<int, byte>();
        byte[] classOf = new byte[256];
        var representatives = new List<byte>();
        for (int value = 0; value < 256; value++)
        {
            int k = key(value);
            if (!classes.TryGetValue(k, out byte index))
            {
                index = (byte)classes.Count;
                classes.Add(k, index);
                representatives.Add((byte)value);
            }

            classOf[value] = index;
        }

        return new ByteClasses(classOf, [.. representatives]);
    }
}

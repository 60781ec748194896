using System.Buffers.Binary;
using System.Text;

namespace HelixFlow.Engine.Tokenization.Normalizers;

/// <summary>SentencePiece's compiled replacement rules: a double-array trie over UTF-8 and a pool of replacement texts.</summary>
/// <remarks>
/// Layout: the trie's size in bytes (u32), the trie (u32 units as in the Darts-clone library), then texts that end in a zero byte; a
/// leaf's value is the offset of its text. At every place the longest rule that matches is applied.
/// </remarks>
internal sealed class PrecompiledNormalizer : Normalizer
{
    private readonly uint[] _units;
    private readonly byte[] _pool;

    /// <exception cref="InvalidDataException">The map is truncated.</exception>
    public PrecompiledNormalizer(ReadOnlySpan<byte> map)
    {
        if (map.Length < sizeof(uint))
        {
            throw new InvalidDataException("it is shorter than its header");
        }

        var trieBytes = BinaryPrimitives.ReadUInt32LittleEndian(map);
        if (trieBytes > map.Length - sizeof(uint) || trieBytes % sizeof(uint) != 0)
        {
            throw new InvalidDataException($"its trie claims {trieBytes} bytes of {map.Length - sizeof(uint)}");
        }

        _units = new uint[trieBytes / sizeof(uint)];
        for (var at = 0; at < _units.Length; at++)
        {
            _units[at] = BinaryPrimitives.ReadUInt32LittleEndian(map[((at + 1) * sizeof(uint))..]);
        }

        _pool = map[(int)(sizeof(uint) + trieBytes)..].ToArray();
    }

    public override string Normalize(string text)
    {
        if (_units.Length == 0)
        {
            return text;
        }

        var input = Encoding.UTF8.GetBytes(text);
        var output = new MemoryStream(input.Length + 16);
        for (var at = 0; at < input.Length;)
        {
            var length = LongestMatch(input.AsSpan(at), out var replacement);
            if (length > 0)
            {
                output.Write(replacement);
            }
            else
            {
                Rune.DecodeFromUtf8(input.AsSpan(at), out _, out length);
                output.Write(input, at, length);
            }

            at += length;
        }

        return Encoding.UTF8.GetString(output.GetBuffer(), 0, (int)output.Length);
    }

    private int LongestMatch(ReadOnlySpan<byte> input, out ReadOnlySpan<byte> replacement)
    {
        replacement = default;
        var longest = 0;
        var node = Offset(_units[0]);
        for (var at = 0; at < input.Length; at++)
        {
            node ^= input[at];
            if (node >= (uint)_units.Length)
            {
                break;
            }

            // A unit's label is its low byte; the top bit marks units that hold values.
            var unit = _units[node];
            if ((unit & 0x8000_00FF) != input[at])
            {
                break;
            }

            node ^= Offset(unit);
            if ((unit & 0x100) != 0 && node < (uint)_units.Length && TextAt(_units[node] & 0x7FFF_FFFF, out var found))
            {
                longest = at + 1;
                replacement = found;
            }
        }

        return longest;
    }

    private bool TextAt(uint offset, out ReadOnlySpan<byte> text)
    {
        text = default;
        if (offset >= (uint)_pool.Length)
        {
            return false;
        }

        text = _pool.AsSpan((int)offset);
        var end = text.IndexOf((byte)0);
        text = end < 0 ? text : text[..end];
        return true;
    }

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);
}

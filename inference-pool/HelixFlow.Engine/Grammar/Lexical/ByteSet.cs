using System.Numerics;

namespace HelixFlow.Engine.Grammar.Lexical;

/// <summary>A set of byte values.</summary>
internal readonly record struct ByteSet(ulong A, ulong B, ulong C, ulong D)
{
    public static ByteSet All { get; } = new(ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue);

    public bool IsEmpty => (A | B | C | D) == 0;

    public int Count => BitOperations.PopCount(A) + BitOperations.PopCount(B) + BitOperations.PopCount(C) + BitOperations.PopCount(D);

    public static ByteSet operator |(ByteSet left, ByteSet right) => new(left.A | right.A, left.B | right.B, left.C | right.C, left.D | right.D);

    public static ByteSet operator &(ByteSet left, ByteSet right) => new(left.A & right.A, left.B & right.B, left.C & right.C, left.D & right.D);

    public static ByteSet operator ~(ByteSet set) => new(~set.A, ~set.B, ~set.C, ~set.D);

    public static ByteSet Of(byte value) => Range(value, value);

    /// <summary>The values from <paramref name="first"/> to <paramref name="last"/>, both included.</summary>
    public static ByteSet Range(byte first, byte last)
    {
        Span<ulong> words = [0, 0, 0, 0];
        for (int value = first; value <= last; value++)
        {
            words[value >> 6] |= 1UL << (value & 63);
        }

        return new ByteSet(words[0], words[1], words[2], words[3]);
    }

    /// <summary>The value of a set that has one only.</summary>
    public byte Single() =>
        (byte)(A != 0 ? BitOperations.TrailingZeroCount(A) : B != 0 ? 64 + BitOperations.TrailingZeroCount(B) :
            C != 0 ? 128 + BitOperations.TrailingZeroCount(C) : 192 + BitOperations.TrailingZeroCount(D));

    public bool Contains(byte value) => ((value >> 6) switch { 0 => A, 1 => B, 2 => C, _ => D } >> (value & 63) & 1) != 0;
}

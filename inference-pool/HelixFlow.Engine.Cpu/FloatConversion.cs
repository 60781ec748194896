using System.Runtime.Intrinsics;

namespace HelixFlow.Engine.Cpu;

/// <summary>Between float32 and the two 16-bit types, by whole vectors: .NET has no instruction for half precision.</summary>
internal static unsafe class FloatConversion
{
    public static void FromBrain(ushort* source, Span<float> target)
    {
        int i = 0;
        for (; i <= target.Length - 8; i += 8)
        {
            Vector256<uint> wide = Vector256.WidenLower(Vector128.Load(source + i).ToVector256Unsafe());
            (wide << 16).AsSingle().CopyTo(target[i..]);
        }

        for (; i < target.Length; i++)
        {
            target[i] = BitConverter.UInt32BitsToSingle((uint)source[i] << 16);
        }
    }

    public static void FromHalf(ushort* source, Span<float> target)
    {
        int i = 0;
        for (; i <= target.Length - 8; i += 8)
        {
            LoadHalf(source + i).CopyTo(target[i..]);
        }

        for (; i < target.Length; i++)
        {
            target[i] = (float)BitConverter.UInt16BitsToHalf(source[i]);
        }
    }

    /// <summary>
    /// Eight finite halves. Shifted into place, a half's exponent is too small by 112; the multiplication makes up for it and normalises
    /// subnormal numbers on the way.
    /// </summary>
    public static Vector256<float> LoadHalf(ushort* source)
    {
        Vector256<uint> wide = Vector256.WidenLower(Vector128.Load(source).ToVector256Unsafe());
        Vector256<float> magnitude = ((wide & Vector256.Create(0x7FFFu)) << 13).AsSingle() * Vector256.Create(5.192296858534828e33f);
        return (magnitude.AsUInt32() | ((wide & Vector256.Create(0x8000u)) << 16)).AsSingle();
    }
}

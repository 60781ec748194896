using HelixFlow.Engine.Cpu.Quantisation;

namespace HelixFlow.Engine.Cpu.Tests.Quantisation;

public sealed unsafe class HalfRowsTests
{
    [Fact]
    public void Halves_are_rounded_as_the_runtime_rounds()
    {
        // Every half, the midpoints between neighbours, and the floats next to those; then any bits.
        var values = new List<float>();
        for (int bits = 0; bits < 0x7C00; bits++)
        {
            float half = (float)BitConverter.UInt16BitsToHalf((ushort)bits);
            float next = bits == 0x7BFF ? 65536 : (float)BitConverter.UInt16BitsToHalf((ushort)(bits + 1));
            float middle = (half + next) / 2;
            values.AddRange([half, middle, MathF.BitIncrement(middle), MathF.BitDecrement(middle)]);
        }

        values.AddRange([0, float.PositiveInfinity, float.MaxValue, float.Epsilon, 1e6f]);
        values.AddRange([.. values.Select(static value => -value)]);
        AddRandomBits(values);
        ushort[] narrow = new ushort[values.Count];
        fixed (float* source = values.ToArray())
        fixed (ushort* target = narrow)
        {
            HalfRows.Narrow(source, target, values.Count);
        }

        for (int i = 0; i < values.Count; i++)
        {
            if (BitConverter.HalfToUInt16Bits((Half)values[i]) != narrow[i])
            {
                Assert.Fail($"{values[i]:R} became {narrow[i]:X4}");
            }
        }
    }

    [Fact]
    public void Brain_floats_are_the_nearest_ones_and_even_where_two_are()
    {
        var values = new List<float> { 0, -0f, float.MaxValue, float.MinValue, float.PositiveInfinity, float.NegativeInfinity, float.Epsilon, 1.00390625f, 1.01171875f };
        AddRandomBits(values);
        ushort[] narrow = new ushort[values.Count];
        fixed (float* source = values.ToArray())
        fixed (ushort* target = narrow)
        {
            HalfRows.NarrowBrain(source, target, values.Count);
        }

        for (int i = 0; i < values.Count; i++)
        {
            if (BitConverter.SingleToInt32Bits(BrainFloat.Round(values[i])) != narrow[i] << 16)
            {
                Assert.Fail($"{values[i]:R} became {narrow[i]:X4}");
            }
        }
    }

    [Fact]
    public void What_is_not_a_number_stays_so()
    {
        float* source = stackalloc float[9];
        ushort* target = stackalloc ushort[9];
        new Span<float>(source, 9).Fill(BitConverter.Int32BitsToSingle(0x7F800001));

        HalfRows.Narrow(source, target, 9);
        Assert.All(new Span<ushort>(target, 9).ToArray(), bits => Assert.True(Half.IsNaN(BitConverter.UInt16BitsToHalf(bits))));

        HalfRows.NarrowBrain(source, target, 9);
        Assert.All(new Span<ushort>(target, 9).ToArray(), bits => Assert.True(float.IsNaN(BitConverter.Int32BitsToSingle(bits << 16))));
    }

    private static void AddRandomBits(List<float> values)
    {
        var random = new Random(11);
        for (int i = 0; i < 300_000; i++)
        {
            float value = BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue));
            if (!float.IsNaN(value))
            {
                values.Add(value);
            }
        }
    }
}

/// <summary>bfloat16 by its definition.</summary>
internal static class BrainFloat
{
    /// <summary>The nearest of the two neighbours; the even one in the middle between them.</summary>
    public static float Round(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value) & 0xFFFF0000;
        if (!float.IsFinite(value))
        {
            return BitConverter.UInt32BitsToSingle(bits);
        }

        double lower = BitConverter.UInt32BitsToSingle(bits);
        float above = BitConverter.UInt32BitsToSingle(bits + 0x10000);
        double upper = float.IsInfinity(above) ? Math.CopySign(Math.Pow(2, 128), value) : above;
        double toLower = Math.Abs(value - lower);
        double toUpper = Math.Abs(upper - value);
        bool up = toUpper < toLower || (toUpper == toLower && (bits & 0x10000) != 0);
        return up ? above : (float)lower;
    }
}

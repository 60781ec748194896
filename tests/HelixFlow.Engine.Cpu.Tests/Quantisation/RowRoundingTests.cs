using System.Runtime.Intrinsics.X86;
using HelixFlow.Engine.Cpu.Quantisation;

namespace HelixFlow.Engine.Cpu.Tests.Quantisation;

public sealed unsafe class RowRoundingTests
{
    [Fact]
    public void All_widths_round_as_a_plain_loop_does()
    {
        var random = new Random(12);
        float* values = stackalloc float[32];
        sbyte* codes = stackalloc sbyte[32];
        int* sums = stackalloc int[2];
        for (int round = 0; round < 20_000; round++)
        {
            float factor = round % 2 == 0 ? 1 : 0.1f + (0.9f * random.NextSingle());
            for (int i = 0; i < 32; i++)
            {
                // Many ties.
                values[i] = round % 3 == 0 ? (random.Next(-253, 254) / 2f) : (random.NextSingle() - 0.5f) * 230;
            }

            sbyte[] expected = [.. new ReadOnlySpan<float>(values, 32).ToArray().Select(value => (sbyte)MathF.Round(value * factor, MidpointRounding.ToEven))];
            RowRounding.Round(values, factor, codes, sums);
            Check();
            RowRounding.Round256(values, factor, codes, sums);
            Check();
            RowRounding.Round128(values, factor, codes, sums);
            RowRounding.Round128(values + 16, factor, codes + 16, sums + 1);
            Check();
            if (Avx512F.IsSupported)
            {
                RowRounding.Round512(values, factor, codes, sums);
                Check();
            }

            void Check()
            {
                Assert.Equal(expected, new ReadOnlySpan<sbyte>(codes, 32));
                Assert.Equal(expected.Take(16).Sum(code => code), sums[0]);
                Assert.Equal(expected.Skip(16).Sum(code => code), sums[1]);
                new Span<sbyte>(codes, 32).Clear();
                sums[0] = sums[1] = 0;
            }
        }
    }

    [Theory]
    [InlineData(32)]
    [InlineData(256)]
    public void All_widths_find_the_largest_magnitude(int count)
    {
        var random = new Random(13);
        float* values = stackalloc float[256];
        for (int round = 0; round < 5000; round++)
        {
            for (int i = 0; i < count; i++)
            {
                values[i] = (random.NextSingle() - 0.5f) * MathF.Pow(10, random.Next(-44, 38));
            }

            if (round % 10 == 0)
            {
                values[random.Next(count)] = round % 20 == 0 ? float.NaN : float.NegativeInfinity;
            }

            float expected = 0;
            for (int i = 0; i < count; i++)
            {
                expected = MathF.Max(expected, MathF.Abs(values[i]));
            }

            Assert.Equal(expected, RowRounding.LargestMagnitude(values, count));
            Assert.Equal(expected, RowRounding.Largest512((int*)values, count));
            Assert.Equal(expected, RowRounding.Largest256((int*)values, count));
            Assert.Equal(expected, RowRounding.Largest128((int*)values, count));
        }
    }
}

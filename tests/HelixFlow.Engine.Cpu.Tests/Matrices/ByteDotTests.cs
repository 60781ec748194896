using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using HelixFlow.Engine.Cpu.Matrices;

namespace HelixFlow.Engine.Cpu.Tests.Matrices;

public sealed class ByteDotTests
{
    [Fact]
    public void All_variants_agree_with_the_scalar_sum_over_random_and_extreme_bytes()
    {
        var random = new Random(11);
        for (int round = 0; round < 2000; round++)
        {
            byte[] unsigned = new byte[32];
            sbyte[] signed = new sbyte[32];
            for (int i = 0; i < 32; i++)
            {
                unsigned[i] = round % 4 == 0 ? (byte)255 : (byte)random.Next(256);
                signed[i] = round % 4 == 0 ? (random.Next(2) == 0 ? (sbyte)-128 : (sbyte)127) : (sbyte)random.Next(-128, 128);
            }

            int[] start = [.. Enumerable.Range(0, 8).Select(_ => random.Next(-100000, 100000))];
            int[] expected = [.. start.Select((sum, lane) => sum + Enumerable.Range(lane * 4, 4).Sum(i => unsigned[i] * signed[i]))];
            Vector256<int> sum = Vector256.Create(start);
            Vector256<byte> u = Vector256.Create(unsigned);
            Vector256<sbyte> s = Vector256.Create(signed);

            Assert.Equal(Vector256.Create(expected), ByteDot.Add(sum, u, s));
            Assert.Equal(Vector256.Create(expected), ByteDot.AddPortable(sum, u, s));
            if (Avx2.IsSupported)
            {
                Assert.Equal(Vector256.Create(expected), ByteDot.AddAvx2(sum, u, s));
            }
        }
    }
}

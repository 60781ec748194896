using System.Runtime.Intrinsics;
using HelixFlow.Engine.Cpu.Elementwise;

namespace HelixFlow.Engine.Cpu.Tests.Elementwise;

public sealed class ExponentialTests
{
    [Fact]
    public void Results_are_within_two_units_in_the_last_place()
    {
        // All exponents that matter, both signs, and the range of softmax and of activations more densely.
        var random = new Random(7);
        for (int i = 0; i < 300_000; i++)
        {
            float x = (i % 3) switch
            {
                0 => (random.NextSingle() - 0.5f) * 220,
                1 => (random.NextSingle() - 0.5f) * 10,
                _ => BitConverter.Int32BitsToSingle(random.Next()) * (random.Next(2) == 0 ? 1 : -1),
            };
            if (float.IsNaN(x))
            {
                continue;
            }

            float actual = Exponential.Of(Vector256.Create(x))[0];
            float exact = (float)Math.Exp(x);
            Assert.True(Distance(exact, actual) <= 2, $"exp({x:R}) = {exact:R}, not {actual:R}");
        }
    }

    [Theory]
    [InlineData(0f, 1f)]
    [InlineData(float.NegativeInfinity, 0f)]
    [InlineData(float.PositiveInfinity, float.PositiveInfinity)]
    [InlineData(float.MinValue, 0f)]
    [InlineData(float.MaxValue, float.PositiveInfinity)]
    [InlineData(float.Epsilon, 1f)]
    public void Ends_of_the_range_are_exact(float x, float expected) => Assert.Equal(expected, Exponential.Of(Vector256.Create(x))[3]);

    [Fact]
    public void Both_widths_give_the_same_bits()
    {
        var random = new Random(8);
        for (int i = 0; i < 20_000; i++)
        {
            float x = (random.NextSingle() - 0.5f) * 230;

            Assert.Equal(Exponential.Of(Vector256.Create(x))[0], Exponential.Of(Vector512.Create(x))[0]);
        }
    }

    // Floats of one sign are ordered as their bits.
    private static int Distance(float a, float b) => Math.Abs(BitConverter.SingleToInt32Bits(a) - BitConverter.SingleToInt32Bits(b));
}

using System.Runtime.Intrinsics;
using HelixFlow.Engine.Cpu.Vectors;

namespace HelixFlow.Engine.Cpu.Tests.Vectors;

public sealed unsafe class VectorFunctionsTests
{
    [Theory]
    [InlineData((int)VectorWidth.Bits128)]
    [InlineData((int)VectorWidth.Bits256)]
    [InlineData((int)VectorWidth.Bits512)]
    public void Exponentials_are_right_to_two_units_in_the_last_place(int width)
    {
        var random = new Random(3);
        for (int i = 0; i < 200_000; i++)
        {
            float x = i < 100_000 ? (float)(random.NextDouble() * -87.3) : (float)((random.NextDouble() - 0.5) * Math.Pow(2, random.Next(-30, 7)));
            AssertClose(Math.Exp(x), Evaluate(width, x).Exp, 2, $"e^{x}");
        }
    }

    [Theory]
    [InlineData((int)VectorWidth.Bits128)]
    [InlineData((int)VectorWidth.Bits256)]
    [InlineData((int)VectorWidth.Bits512)]
    public void Exponentials_at_the_ends_of_the_range(int width)
    {
        Assert.Equal(1f, Evaluate(width, 0).Exp);
        Assert.Equal(1f, Evaluate(width, -0f).Exp);
        Assert.All((float[])[float.NegativeInfinity, float.MinValue, -1e38f, -1000, -88], x => Assert.Equal(0f, Evaluate(width, x).Exp));
        Assert.True(float.IsNaN(Evaluate(width, float.NaN).Exp));
        AssertClose(Math.Exp(88), Evaluate(width, 88).Exp, 2, "e^88");
    }

    [Theory]
    [InlineData((int)VectorWidth.Bits128)]
    [InlineData((int)VectorWidth.Bits256)]
    [InlineData((int)VectorWidth.Bits512)]
    public void Hyperbolic_tangents_are_right_to_three_units_in_the_last_place(int width)
    {
        var random = new Random(4);
        for (int i = 0; i < 200_000; i++)
        {
            float x = (float)((random.NextDouble() - 0.5) * Math.Pow(2, random.Next(-20, 8)));
            AssertClose(Math.Tanh(x), Evaluate(width, x).Tanh, 3, $"tanh({x})");
        }

        Assert.Equal(0f, Evaluate(width, 0).Tanh);
        Assert.Equal(1f, Evaluate(width, float.PositiveInfinity).Tanh);
        Assert.Equal(-1f, Evaluate(width, float.NegativeInfinity).Tanh);
    }

    private static (float Exp, float Tanh) Evaluate(int width, float x) => Widths.OrSkip(width) switch
    {
        VectorWidth.Bits128 => Evaluate<Width128, Vector128<float>>(x),
        VectorWidth.Bits256 => Evaluate<Width256, Vector256<float>>(x),
        _ => Evaluate<Width512, Vector512<float>>(x),
    };

    private static (float Exp, float Tanh) Evaluate<TWidth, TVector>(float x)
        where TWidth : struct, IVectorWidth<TVector>
        where TVector : struct
    {
        float* lanes = stackalloc float[16];
        TWidth.Store(VectorFunctions<TWidth, TVector>.Exp(TWidth.Create(x)), lanes);
        float exp = lanes[TWidth.Count - 1];
        TWidth.Store(VectorFunctions<TWidth, TVector>.Tanh(TWidth.Create(x)), lanes);
        return (exp, lanes[TWidth.Count - 1]);
    }

    private static void AssertClose(double expected, float actual, int units, string what)
    {
        float rounded = (float)expected;
        double unit = Math.Max(MathF.BitIncrement(MathF.Abs(rounded)) - MathF.Abs(rounded), 1e-45);
        Assert.True(Math.Abs(actual - expected) <= units * unit, $"{what} is {expected:R}, not {actual:R}");
    }
}

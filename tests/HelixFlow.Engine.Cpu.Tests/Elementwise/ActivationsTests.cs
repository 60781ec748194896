using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Elementwise;
using HelixFlow.Engine.Cpu.Tests.Vectors;
using HelixFlow.Engine.Cpu.Vectors;
using HelixFlow.TestKit.Backends;

namespace HelixFlow.Engine.Cpu.Tests.Elementwise;

public sealed unsafe class ActivationsTests
{
    public static TheoryData<int> AllWidths => [(int)VectorWidth.Bits128, (int)VectorWidth.Bits256, (int)VectorWidth.Bits512];

    [Theory]
    [MemberData(nameof(AllWidths))]
    public void Gelu_is_x_times_the_normal_distribution(int width)
    {
        VectorWidth vectors = Widths.OrSkip(width);
        var random = new Random(3);
        for (int i = 0; i < 100_000; i++)
        {
            float x = (random.NextSingle() - 0.5f) * (i % 2 == 0 ? 2 : 30);
            float actual = x;
            Activations.Apply(&actual, 1, Activation.GeluErf, vectors);
            double exact = 0.5 * x * (1 + ReferenceBackend.Erf(x / Math.Sqrt(2)));
            Assert.True(Math.Abs(actual - exact) <= 4e-7 * Math.Max(1, Math.Abs(x)), $"{x:R} gives {exact:R}, not {actual:R}");
        }
    }

    [Theory]
    [MemberData(nameof(AllWidths))]
    public void Tanh_is_that_of_the_library(int width)
    {
        VectorWidth vectors = Widths.OrSkip(width);
        var random = new Random(4);
        for (int i = 0; i < 10_000; i++)
        {
            float x = (random.NextSingle() - 0.5f) * 20;
            float actual = x;
            Activations.Apply(&actual, 1, Activation.Tanh, vectors);
            Assert.Equal(Math.Tanh(x), actual, 3e-7);
        }
    }

    [Theory]
    [MemberData(nameof(AllWidths))]
    public void An_element_has_the_same_bits_wherever_it_stands(int width)
    {
        VectorWidth vectors = Widths.OrSkip(width);
        var random = new Random(6);
        foreach (Activation activation in Enum.GetValues<Activation>())
        {
            float[] values = [.. Enumerable.Range(0, 61).Select(_ => (random.NextSingle() - 0.5f) * 8)];
            float[] together = [.. values];
            fixed (float* at = together)
            {
                Activations.Apply(at, together.Length, activation, vectors);
            }

            for (int i = 0; i < values.Length; i++)
            {
                float alone = values[i];
                Activations.Apply(&alone, 1, activation, vectors);
                Assert.Equal(alone, together[i]);
            }
        }
    }

    [Fact]
    public void A_layer_norm_has_the_mean_of_its_bias_and_the_deviation_of_its_weight()
    {
        var random = new Random(8);
        for (int count = 1; count < 70; count++)
        {
            float[] input = [.. Enumerable.Range(0, count).Select(_ => 100 + random.NextSingle())];
            float[] weight = [.. Enumerable.Range(0, count).Select(_ => random.NextSingle())];
            float[] bias = [.. Enumerable.Range(0, count).Select(_ => random.NextSingle())];
            double mean = input.Average(x => (double)x);
            double deviation = Math.Sqrt(input.Average(x => (x - mean) * (x - mean)) + 1e-5);
            float[] output = new float[count];
            fixed (float* from = input, w = weight, b = bias, to = output)
            {
                RowOperations.LayerNorm(from, w, b, count, 1e-5f, to);
            }

            for (int i = 0; i < count; i++)
            {
                Assert.Equal(((input[i] - mean) / deviation * weight[i]) + bias[i], output[i], 1e-4);
            }
        }
    }
}

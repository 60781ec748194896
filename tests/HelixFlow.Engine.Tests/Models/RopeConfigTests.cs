using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Models;

namespace HelixFlow.Engine.Tests.Models;

public class RopeConfigTests
{
    [Fact]
    public void Frequencies_fall_geometrically_from_one()
    {
        Rope rope = new RopeConfig(RopePairing.Halves, 8, 10000).Create(16, 2048);

        Assert.Equal([1, 0.1f, 0.01f, 0.001f], rope.Frequencies);
        Assert.Equal((16, 1), (rope.HeadSize, rope.Magnitude));
    }

    [Fact]
    public void Linear_scaling_divides_all()
    {
        Assert.Equal([0.25f, 0.0025f], new RopeConfig(RopePairing.Halves, 4, 10000, new RopeScaling.Linear(4)).Create(4, 2048).Frequencies);
    }

    [Fact]
    public void Llama_3_scaling_agrees_with_the_formula_over_wavelengths()
    {
        // Llama 3.1's parameters; the expected values follow Meta's published code, which decides by wavelength.
        const double Factor = 8;
        Rope rope = new RopeConfig(RopePairing.Halves, 128, 500000, new RopeScaling.Llama3((float)Factor, 1, 4, 8192)).Create(128, 131072);
        int kept = 0;
        int divided = 0;
        for (int i = 0; i < 64; i++)
        {
            double frequency = Math.Pow(500000, -i / 64.0);
            double wavelength = 2 * Math.PI / frequency;
            double expected = frequency / Factor;
            if (wavelength < 8192 / 4.0)
            {
                expected = frequency;
                kept++;
            }
            else if (wavelength <= 8192)
            {
                double smooth = ((8192 / wavelength) - 1) / (4 - 1);
                expected = ((1 - smooth) * frequency / Factor) + (smooth * frequency);
            }
            else
            {
                divided++;
            }

            Assert.Equal(expected, rope.Frequencies[i], expected * 1e-6);
        }

        // 64 * ln(wavelength / 2 pi) / ln(500000) is 28.2 for a wavelength of 2048 and 35.0 for one of 8192.
        Assert.Equal((29, 29), (kept, divided));
    }

    [Theory]
    [InlineData(4096, 1.5f)]
    [InlineData(4097, 3f)]
    public void LongRope_chooses_its_factors_by_the_context(int context, float divisor)
    {
        var scaling = new RopeScaling.LongRope([1.5f, 1.5f], [3f, 3f], 4096, 1.19f);

        Rope rope = new RopeConfig(RopePairing.Halves, 4, 10000, scaling).Create(4, context);

        Assert.Equal([1 / divisor, (float)(0.01 / divisor)], rope.Frequencies);
        Assert.Equal(1.19f, rope.Magnitude);
    }

    [Fact]
    public void Yarn_keeps_fast_pairs_and_interpolates_slow_ones()
    {
        var scaling = new RopeScaling.Yarn(4, 32768, 32, 1, RopeScaling.Yarn.DefaultMagnitude(4));
        float[] plain = new RopeConfig(RopePairing.Halves, 128, 1000000).Create(128, 131072).Frequencies;

        Rope rope = new RopeConfig(RopePairing.Halves, 128, 1000000, scaling).Create(128, 131072);

        // Pairs with more than 32 turns in the original context keep their frequency, those with less than one are divided by 4.
        for (int i = 0; i < 64; i++)
        {
            double turns = 32768 * plain[i] / (2 * Math.PI);
            double ratio = plain[i] / rope.Frequencies[i];
            Assert.InRange(ratio, 0.9999, 4.0001);
            if (turns > 40)
            {
                Assert.Equal(1, ratio, 1e-5);
            }

            if (turns < 0.8)
            {
                Assert.Equal(4, ratio, 1e-4);
            }
        }

        Assert.Equal((0.1 * Math.Log(4)) + 1, rope.Magnitude, 1e-6);
    }
}

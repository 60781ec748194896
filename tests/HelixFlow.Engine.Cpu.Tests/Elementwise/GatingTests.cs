using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Elementwise;
using HelixFlow.Engine.Cpu.Tests.Vectors;
using HelixFlow.Engine.Cpu.Vectors;

namespace HelixFlow.Engine.Cpu.Tests.Elementwise;

public sealed unsafe class GatingTests
{
    public static TheoryData<Activation, int> ActivationsAndWidths => new MatrixTheoryData<Activation, int>(
        [Activation.Silu, Activation.GeluTanh], [(int)VectorWidth.Bits128, (int)VectorWidth.Bits256, (int)VectorWidth.Bits512]);

    [Theory]
    [MemberData(nameof(ActivationsAndWidths))]
    public void Activations_are_within_a_few_units_in_the_last_place(Activation activation, int width)
    {
        // Where the exponential is bounded, far out, an activation has long disappeared.
        const double Disappeared = 1e-35;
        VectorWidth vectors = Widths.OrSkip(width);
        var random = new Random(9);
        float one = 1;
        for (int i = 0; i < 100_000; i++)
        {
            float x = (random.NextSingle() - 0.5f) * (i % 2 == 0 ? 4 : 300);
            float actual = x;
            Gating.Apply(&actual, &one, 1, activation, vectors);
            double exact = activation == Activation.Silu
                ? x / (1 + Math.Exp(-x))
                : x / (1 + Math.Exp(-2 * Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x))));

            // The argument of GELU's exponential is itself rounded, and an exponential multiplies its argument's rounding by the argument.
            double argument = activation == Activation.Silu ? 0 : Math.Min(100, Math.Abs(1.6 * (x + (0.044715 * x * x * x))));
            double tolerance = (4 + (4 * argument)) * Math.Pow(2, -24) * Math.Abs(exact);
            Assert.True(Math.Abs(actual - exact) <= tolerance + Disappeared, $"{activation}({x:R}) = {exact:R}, not {actual:R}");
        }
    }

    [Theory]
    [MemberData(nameof(ActivationsAndWidths))]
    public void An_element_has_the_same_bits_wherever_it_stands(Activation activation, int width)
    {
        const int Count = 61;
        VectorWidth vectors = Widths.OrSkip(width);
        var random = new Random(10);
        float[] gate = [.. Enumerable.Range(0, Count).Select(_ => (random.NextSingle() - 0.5f) * 12)];
        float[] up = [.. Enumerable.Range(0, Count).Select(_ => random.NextSingle() - 0.5f)];
        float[] together = [.. gate];
        fixed (float* pointer = together, factors = up)
        {
            Gating.Apply(pointer, factors, Count, activation, vectors);
        }

        for (int i = 0; i < Count; i++)
        {
            float alone = gate[i];
            float factor = up[i];
            Gating.Apply(&alone, &factor, 1, activation, vectors);
            Assert.Equal(alone, together[i]);
        }
    }

    [Theory]
    [MemberData(nameof(ActivationsAndWidths))]
    public void Not_a_number_stays_so(Activation activation, int width)
    {
        float gate = float.NaN;
        float up = 1;

        Gating.Apply(&gate, &up, 1, activation, Widths.OrSkip(width));

        Assert.True(float.IsNaN(gate));
    }
}

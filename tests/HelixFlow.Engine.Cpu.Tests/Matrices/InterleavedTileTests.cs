using System.Runtime.InteropServices;
using HelixFlow.Engine.Cpu.Matrices;
using HelixFlow.Engine.Cpu.Quantisation;

namespace HelixFlow.Engine.Cpu.Tests.Matrices;

/// <summary>Every kernel of the tile against a scalar sum over the packed bytes, at the extremes of codes and activations too.</summary>
public sealed unsafe class InterleavedTileTests
{
    [Fact]
    public void Tiles_of_4_bit_codes_agree_with_the_scalar_sum() => Check<Q4Format>(narrow: true);

    [Fact]
    public void Tiles_of_4_bit_codes_with_minima_agree_with_the_scalar_sum() => Check<Q4MinFormat>(narrow: true);

    [Fact]
    public void Tiles_of_4_bit_codes_with_single_precision_scales_agree_with_the_scalar_sum() => Check<Q4KFormat>(narrow: true);

    [Fact]
    public void Tiles_of_6_bit_codes_agree_with_the_scalar_sum() => Check<Q6KFormat>(narrow: true);

    [Fact]
    public void Tiles_of_8_bit_codes_agree_with_the_scalar_sum() => Check<Q8Format>(narrow: true);

    [Fact]
    public void Wide_tiles_of_4_bit_codes_agree_with_the_scalar_sum() => Check<Q4Format>(narrow: false);

    [Fact]
    public void Wide_tiles_of_4_bit_codes_with_minima_agree_with_the_scalar_sum() => Check<Q4MinFormat>(narrow: false);

    [Fact]
    public void Wide_tiles_of_4_bit_codes_with_single_precision_scales_agree_with_the_scalar_sum() => Check<Q4KFormat>(narrow: false);

    private static void Check<TFormat>(bool narrow)
        where TFormat : struct, IBlockFormat
    {
        Assert.SkipUnless(narrow || InterleavedTile<TFormat>.HasWide, "needs AVX-512BW");
        var random = new Random(5);
        for (int round = 0; round < 60; round++)
        {
            bool extreme = round % 3 == 0;
            int columns = 32 * random.Next(1, 9);
            int columnGroups = columns / TFormat.GroupColumns;
            byte[] packed = Pack<TFormat>(random, 2 * columnGroups, extreme);
            float[] input = new float[5 * columns];
            for (int i = 0; i < input.Length; i++)
            {
                input[i] = extreme ? (random.Next(8) == 0 ? -1 : 1) : ((float)random.NextDouble() * 2) - 1;
            }

            using var rows = new QuantisedRows();
            rows.Prepare(5, columns, QuantisedRows.Block);
            float[] sums = new float[InterleavedTile<TFormat>.Rows * InterleavedTile<TFormat>.Outputs];
            fixed (float* values = input, output = sums)
            fixed (byte* weights = packed)
            {
                for (int row = 0; row < 5; row++)
                {
                    rows.Quantise(row, values + (row * columns));
                }

                byte* next = weights + (packed.Length / 2);
                if (narrow)
                {
                    InterleavedTile<TFormat>.MultiplyNarrow(weights, next, rows, 1, columnGroups, output);
                }
                else
                {
                    InterleavedTile<TFormat>.MultiplyWide(weights, next, rows, 1, columnGroups, output);
                }

                for (int row = 0; row < InterleavedTile<TFormat>.Rows; row++)
                {
                    for (int i = 0; i < InterleavedTile<TFormat>.Outputs; i++)
                    {
                        (double expected, double magnitude) = Scalar<TFormat>(i < 8 ? weights : next, i % 8, rows, row + 1, columnGroups);
                        double actual = sums[(row * InterleavedTile<TFormat>.Outputs) + i];
                        Assert.True(Math.Abs(actual - expected) <= 1e-5 * (magnitude + 1), $"round {round}, row {row}, output {i}: {actual}, not {expected}");
                    }
                }
            }
        }
    }

    private static byte[] Pack<TFormat>(Random random, int columnGroups, bool extreme)
        where TFormat : struct, IBlockFormat
    {
        int scaleBytes = InterleavedMatrix<TFormat>.ScaleBytes;
        int stride = scaleBytes + InterleavedMatrix<TFormat>.CodeBytes;
        byte[] packed = new byte[columnGroups * stride];
        int largest = TFormat.Offset == 32 ? 63 : 255;
        for (int group = 0; group < columnGroups; group++)
        {
            Span<byte> scales = packed.AsSpan(group * stride, scaleBytes);
            for (int i = 0; i < scales.Length / (TFormat.HalfScales ? 2 : 4); i++)
            {
                float scale = ((float)random.NextDouble() * 2) - 1;
                if (TFormat.HalfScales)
                {
                    MemoryMarshal.Cast<byte, Half>(scales)[i] = (Half)scale;
                }
                else
                {
                    MemoryMarshal.Cast<byte, float>(scales)[i] = scale;
                }
            }

            for (int i = scaleBytes; i < stride; i++)
            {
                packed[(group * stride) + i] = (byte)(extreme ? largest : random.Next(largest + 1));
            }
        }

        return packed;
    }

    // The layout as InterleavedMatrix documents it, one product at a time; also the sum of magnitudes, which bounds rounding.
    private static (double Sum, double Magnitude) Scalar<TFormat>(byte* weights, int lane, QuantisedRows rows, int row, int columnGroups)
        where TFormat : struct, IBlockFormat
    {
        int scaleBytes = InterleavedMatrix<TFormat>.ScaleBytes;
        double sum = 0;
        double magnitude = 0;
        for (int group = 0; group < columnGroups; group++, weights += scaleBytes + InterleavedMatrix<TFormat>.CodeBytes)
        {
            float scale = TFormat.HalfScales ? (float)((Half*)weights)[lane] : ((float*)weights)[lane];
            float min = !TFormat.HasMins ? 0 : TFormat.HalfScales ? (float)((Half*)weights)[8 + lane] : ((float*)weights)[8 + lane];
            for (int i = 0; i < TFormat.GroupColumns; i++)
            {
                int half = TFormat.FourBit ? TFormat.GroupColumns / 2 : TFormat.GroupColumns;
                byte code = weights[scaleBytes + (i % half / 4 * 32) + (lane * 4) + (i % 4)];
                int value = (TFormat.FourBit ? (i < half ? code & 15 : code >> 4) : code) - TFormat.Offset;
                int column = (group * TFormat.GroupColumns) + i;
                double product = ((scale * value) + min) * (double)rows.Scales(row)[column / QuantisedRows.Block] * rows.Codes(row)[column];
                sum += product;
                magnitude += Math.Abs(product);
            }
        }

        return (sum, magnitude);
    }
}

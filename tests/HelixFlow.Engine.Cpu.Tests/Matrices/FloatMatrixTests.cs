using HelixFlow.Engine.Cpu.Matrices;
using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Cpu.Quantisation;
using HelixFlow.Engine.Cpu.Tests.Vectors;
using HelixFlow.Engine.Cpu.Vectors;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Tests.Matrices;

/// <summary>Float matrices of every type on every width of vectors, over random shapes with remainders.</summary>
public sealed unsafe class FloatMatrixTests
{
    public static TheoryData<int, TensorType> WidthsAndTypes
    {
        get
        {
            var data = new TheoryData<int, TensorType>();
            foreach (VectorWidth width in Enum.GetValues<VectorWidth>())
            {
                foreach (TensorType type in (TensorType[])[TensorType.F32, TensorType.F16, TensorType.BF16])
                {
                    data.Add((int)width, type);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(WidthsAndTypes))]
    public void Products_agree_with_the_scalar_sum_and_do_not_depend_on_the_other_rows(int vectors, TensorType type)
    {
        VectorWidth width = Widths.OrSkip(vectors);
        var random = new Random(21);
        for (int round = 0; round < 30; round++)
        {
            int outputs = random.Next(1, 40);
            int columns = round % 3 == 0 ? random.Next(1, 70) : 16 * random.Next(1, 30);
            int rows = random.Next(1, 24);
            bool accumulate = round % 2 == 0;
            byte[] bytes = new byte[outputs * type.RowBytes(columns)];
            double[,] weights = Weights(random, type, outputs, columns, bytes);
            fixed (byte* data = bytes)
            {
                using var matrix = new FloatMatrix(new StoredTensor("w", type, [outputs, columns], data, bytes.Length), width);
                using var input = new CpuTensor(rows, columns);
                using var together = new CpuTensor(rows, outputs);
                using var alone = new CpuTensor(1, outputs);
                using var one = new CpuTensor(1, columns);
                using var bias = new CpuVector(outputs);
                (input.Rows, together.Rows, alone.Rows, one.Rows) = (rows, rows, 1, 1);
                Fill(random, new Span<float>(input.Data, rows * columns));
                Fill(random, new Span<float>(bias.Data, outputs));
                new Span<float>(together.Data, rows * outputs).Fill(0.5f);
                Multiply(matrix, input, bias, together, accumulate);
                for (int row = 0; row < rows; row++)
                {
                    new Span<float>(alone.Data, outputs).Fill(0.5f);
                    new Span<float>(input.Row(row), columns).CopyTo(new Span<float>(one.Data, columns));
                    Multiply(matrix, one, bias, alone, accumulate);
                    Assert.True(new Span<float>(alone.Data, outputs).SequenceEqual(new Span<float>(together.Row(row), outputs)), $"round {round}: row {row} of {rows} differs");
                    for (int output = 0; output < outputs; output++)
                    {
                        double expected = bias.Data[output] + (accumulate ? 0.5 : 0);
                        for (int column = 0; column < columns; column++)
                        {
                            expected += weights[output, column] * input.Row(row)[column];
                        }

                        Assert.True(Math.Abs(together.Row(row)[output] - expected) <= 2e-6 * (columns + 4), $"round {round}: row {row}, output {output}");
                    }
                }
            }
        }
    }

    private static void Multiply(FloatMatrix matrix, CpuTensor input, CpuVector bias, CpuTensor output, bool accumulate)
    {
        using var unused = new QuantisedRows();
        int groups = (matrix.Rows + CpuMatrix.GroupRows - 1) / CpuMatrix.GroupRows;
        matrix.Multiply(input, unused, bias, output, accumulate, 0, groups / 2);
        matrix.Multiply(input, unused, bias, output, accumulate, groups / 2, groups);
    }

    private static void Fill(Random random, Span<float> values)
    {
        foreach (ref float value in values)
        {
            value = ((float)random.NextDouble() * 2) - 1;
        }
    }

    private static double[,] Weights(Random random, TensorType type, int outputs, int columns, byte[] bytes)
    {
        double[,] weights = new double[outputs, columns];
        for (int i = 0; i < outputs * columns; i++)
        {
            // Small ones too, which are subnormal as halves.
            float value = (((float)random.NextDouble() * 2) - 1) * (random.Next(10) == 0 ? 1e-6f : 1);
            switch (type)
            {
                case TensorType.F32:
                    BitConverter.TryWriteBytes(bytes.AsSpan(4 * i), value);
                    break;
                case TensorType.F16:
                    BitConverter.TryWriteBytes(bytes.AsSpan(2 * i), (Half)value);
                    value = (float)(Half)value;
                    break;
                default:
                    value = Tests.Quantisation.BrainFloat.Round(value);
                    BitConverter.TryWriteBytes(bytes.AsSpan(2 * i), (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16));
                    break;
            }

            weights[i / columns, i % columns] = value;
        }

        return weights;
    }
}

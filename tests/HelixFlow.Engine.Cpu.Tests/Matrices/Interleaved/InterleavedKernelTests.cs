using HelixFlow.Engine.Cpu.Matrices;
using HelixFlow.Engine.Cpu.Matrices.Interleaved;
using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Cpu.Quantisation;
using HelixFlow.Engine.Cpu.Threads;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Tests.Matrices.Interleaved;

/// <summary>Every kernel of every instruction set that this processor has gives the bits of the scalar sum; a path of another processor is skipped.</summary>
public sealed unsafe class InterleavedKernelTests
{
    public static TheoryData<TensorType, string> TypesAndPaths
    {
        get
        {
            var data = new TheoryData<TensorType, string>();
            foreach (TensorType type in QuantisedTypes)
            {
                foreach (InterleavedPath path in Enum.GetValues<InterleavedPath>())
                {
                    data.Add(type, path.ToString());
                }
            }

            return data;
        }
    }

    public static TheoryData<TensorType> Types => [.. QuantisedTypes];

    private static IEnumerable<TensorType> QuantisedTypes => Enum.GetValues<TensorType>().Where(type => type.BlockElements() > 1);

    [Theory]
    [MemberData(nameof(Types))]
    public void Packing_puts_every_code_where_the_layout_says(TensorType type)
    {
        var random = new Random(31);
        using var team = new WorkerTeam(2);
        foreach ((int rows, int blocks) in ((int, int)[])[(1, 1), (16, 1), (17, 3), (47, 2), (64, 5)])
        {
            using var stored = new RandomBlocks(type, rows, blocks * type.BlockElements(), random);
            byte[] expected = new ScalarMatrix(stored.Tensor).Pack();
            byte[] actual = new byte[expected.Length];
            fixed (byte* target = actual)
            {
                new InterleavedPacking(stored.Tensor, target).Run(team);
            }

            Assert.Equal(expected, actual);
        }
    }

    [Theory]
    [MemberData(nameof(TypesAndPaths))]
    public void Products_have_the_bits_of_the_scalar_sum(TensorType type, string pathName)
    {
        InterleavedPath path = Enum.Parse<InterleavedPath>(pathName);
        Assert.SkipUnless(InterleavedKernels.IsSupported(path), $"this processor has no {path}");
        var random = new Random(7);
        var memory = new WeightMemory();
        using var team = new WorkerTeam(1);
        for (int round = 0; round < 24; round++)
        {
            bool extreme = round % 4 == 0;
            int outputs = round < 8 ? random.Next(1, 33) : random.Next(1, 80);
            int columns = random.Next(1, type.BlockElements() == 256 ? 4 : 12) * type.BlockElements();
            int rows = 1 + (round % 9);
            using var stored = new RandomBlocks(type, outputs, columns, random, extreme);
            var scalar = new ScalarMatrix(stored.Tensor);
            using var matrix = new InterleavedMatrix(stored.Tensor, memory, team, InterleavedKernels.For(type, path));
            using QuantisedRows input = RandomRows(random, rows, columns, type.BlockElements(), extreme);
            using CpuVector bias = Floats(random, outputs);
            using var output = new CpuTensor(rows, outputs) { Rows = rows };
            bool accumulate = round % 2 == 1;
            float[] before = [.. Enumerable.Range(0, rows * outputs).Select(_ => random.NextSingle())];
            before.CopyTo(new Span<float>(output.Data, before.Length));

            matrix.Multiply(output, input, bias, output, accumulate, 0, InterleavedLayout.Groups(outputs));

            for (int row = 0; row < rows; row++)
            {
                for (int i = 0; i < outputs; i++)
                {
                    float sum = scalar.Product(i, input, row) + bias.Data[i];
                    float expected = accumulate ? before[(row * outputs) + i] + sum : sum;
                    Assert.True(expected.Equals(output.Row(row)[i]), $"round {round}, row {row}, output {i}: {output.Row(row)[i]:R}, not {expected:R}");
                }
            }
        }
    }

    [Fact]
    public void A_path_for_this_processor_is_chosen_and_a_kernel_for_one_row_is_needed()
    {
        Assert.All(QuantisedTypes, type => Assert.Equal(1, InterleavedKernels.For(type).Of(1).Rows));
        Assert.Throws<ArgumentException>(() => new InterleavedKernels());
        Assert.Throws<ArgumentException>(() => new InterleavedKernels(new TileKernel(4, &DoNothing)));
    }

    [Fact]
    public void The_largest_kernel_that_fits_is_taken_and_preferred_ones_replace_others()
    {
        var kernels = new InterleavedKernels(new TileKernel(1, &DoNothing), new TileKernel(4, &DoNothing));
        InterleavedKernels more = kernels.With(new TileKernel(4, &DoNothing), new TileKernel(6, &DoNothing));

        Assert.Equal([1, 1, 1, 4, 4, 4], Enumerable.Range(1, 6).Select(rows => kernels.Of(rows).Rows));
        Assert.Equal([1, 1, 1, 4, 4, 6, 6], Enumerable.Range(1, 7).Select(rows => more.Of(rows).Rows));
        Assert.Equal(6, more.MaxRows);
    }

    private static void DoNothing(TileCall* call)
    {
    }

    private static QuantisedRows RandomRows(Random random, int rows, int columns, int shared, bool extreme)
    {
        var quantised = new QuantisedRows();
        quantised.Prepare(rows, columns, shared);
        float[] values = new float[columns];
        fixed (float* data = values)
        {
            for (int row = 0; row < rows; row++)
            {
                bool negative = random.Next(2) == 0;
                for (int i = 0; i < columns; i++)
                {
                    values[i] = !extreme ? (random.NextSingle() * 2) - 1 : negative ? -1 : 1;
                }

                quantised.Quantise(row, data);
            }
        }

        return quantised;
    }

    private static CpuVector Floats(Random random, int count)
    {
        var vector = new CpuVector(count);
        for (int i = 0; i < count; i++)
        {
            vector.Data[i] = random.NextSingle() - 0.5f;
        }

        return vector;
    }
}

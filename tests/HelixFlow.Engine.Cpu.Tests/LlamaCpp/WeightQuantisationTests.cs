using System.Collections.Immutable;
using HelixFlow.Engine.Cpu.Quantisation;
using HelixFlow.Engine.Cpu.Threads;
using HelixFlow.Engine.Formats;
using HelixFlow.LlamaCpp;

namespace HelixFlow.Engine.Cpu.Tests.LlamaCpp;

/// <summary>Weights that are rounded when they are loaded get the bytes that llama.cpp gives them.</summary>
public sealed unsafe class WeightQuantisationTests
{
    [Theory]
    [InlineData(TensorType.Q8_0)]
    [InlineData(TensorType.Q4_0)]
    [InlineData(TensorType.Q4_K)]
    public void Rounded_weights_have_llama_cpps_bytes(TensorType type)
    {
        Assert.SkipUnless(LlamaCppLibrary.IsInstalled, LlamaCppLibrary.HowToInstall);
        const int Rows = 24;
        const int Columns = 512;
        float[] values = Weights(new Random(3), Rows * Columns);
        byte[] expected = LlamaCppLibrary.Load().Quantise(values, Columns, type);

        Assert.Equal(expected, Quantise(values, Rows, Columns, type));
    }

    [Theory]
    [InlineData(TensorType.F16, TensorType.Q8_0)]
    [InlineData(TensorType.BF16, TensorType.Q4_K)]
    [InlineData(TensorType.F32, TensorType.Q4_0)]
    public void Weights_of_every_float_type_are_read(TensorType stored, TensorType type)
    {
        const int Columns = 256;
        float[] values = [.. Weights(new Random(4), Columns).Select(value => (float)(Half)BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value) & 0xFFFF0000))];
        byte[] bytes = [.. values.SelectMany(value => stored switch
        {
            TensorType.F16 => BitConverter.GetBytes((Half)value),
            TensorType.BF16 => BitConverter.GetBytes(value)[2..],
            _ => BitConverter.GetBytes(value),
        })];
        fixed (byte* data = bytes)
        {
            using var team = new WorkerTeam(1);
            using WeightQuantisation quantised = WeightQuantisation.Run(new StoredTensor("x", stored, [1, Columns], data, bytes.Length), type, team);

            Assert.Equal(Quantise(values, 1, Columns, type), new ReadOnlySpan<byte>(quantised.Tensor.Data, (int)quantised.Tensor.SizeBytes));
        }
    }

    [Theory]
    [InlineData(TensorType.BF16, 512, TensorType.Q4_K, TensorType.Q4_K)]
    [InlineData(TensorType.BF16, 96, TensorType.Q4_K, TensorType.Q8_0)]
    [InlineData(TensorType.BF16, 96, TensorType.Q4_0, TensorType.Q4_0)]
    [InlineData(TensorType.F16, 90, TensorType.Q8_0, null)]
    [InlineData(TensorType.Q4_0, 512, TensorType.Q8_0, null)]
    public void Only_float_rows_of_whole_blocks_are_rounded(TensorType stored, int columns, TensorType wanted, TensorType? expected)
    {
        ImmutableArray<long> shape = [1, columns];

        Assert.Equal(expected, WeightQuantisation.TypeFor(new StoredTensor("x", stored, shape, null, 0), wanted));
    }

    [Fact]
    public void A_type_without_a_rule_is_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new CpuBackend(new CpuBackendOptions { Threads = 1, Quantize = TensorType.Q6_K }));

    // Ordinary weights, and blocks of zeros, of one number, of only positive ones and with one that is far out.
    private static float[] Weights(Random random, int count)
    {
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
        {
            float normal = MathF.Sqrt(-2 * MathF.Log(1 - random.NextSingle())) * MathF.Cos(MathF.Tau * random.NextSingle());
            values[i] = (i / 32 % 11) switch
            {
                3 => 0,
                5 => 0.25f,
                7 => MathF.Abs(normal) * 0.1f,
                9 => i % 32 == 17 ? 8 : normal * 0.01f,
                _ => normal * 0.05f,
            };
        }

        return values;
    }

    private static byte[] Quantise(float[] values, int rows, int columns, TensorType type)
    {
        fixed (float* data = values)
        {
            using var team = new WorkerTeam(2);
            var source = new StoredTensor("x", TensorType.F32, [rows, columns], (byte*)data, 4L * values.Length);
            using WeightQuantisation quantised = WeightQuantisation.Run(source, type, team);
            return new ReadOnlySpan<byte>(quantised.Tensor.Data, (int)quantised.Tensor.SizeBytes).ToArray();
        }
    }
}

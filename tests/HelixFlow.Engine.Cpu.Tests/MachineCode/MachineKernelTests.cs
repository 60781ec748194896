using HelixFlow.Engine.Cpu.MachineCode;
using HelixFlow.Engine.Cpu.Matrices.Interleaved;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Tests.MachineCode;

/// <summary>Every kernel, to the bit, against a plain loop over the documented layout.</summary>
public sealed unsafe class MachineKernelTests
{
    [Theory]
    [InlineData(TensorType.Q4_0)]
    [InlineData(TensorType.Q4_1)]
    [InlineData(TensorType.Q5_0)]
    [InlineData(TensorType.Q5_1)]
    [InlineData(TensorType.Q8_0)]
    [InlineData(TensorType.Q4_K)]
    [InlineData(TensorType.Q5_K)]
    [InlineData(TensorType.Q6_K)]
    public void Every_kernel_gives_the_bits_of_the_plain_loop(TensorType type)
    {
        Assert.SkipUnless(MachineKernels.IsSupported, "needs AVX512_VNNI and Linux or macOS");
        var random = new Random(29);
        int most = MachineKernels.MaxRows(type);
        for (int rows = 1; rows <= most; rows++)
        {
            Assert.True(MachineKernels.TryGet(type, rows) is not null);
            for (int round = 0; round < 8; round++)
            {
                var problem = new TileProblem(type, rows, random.Next(1, 4), random.Next(1, 6), extreme: round % 4 == 3, random);

                float[] actual = problem.Run(MachineKernels.TryGet(type, rows));

                Assert.Equal(problem.Expected().Select(BitConverter.SingleToInt32Bits), actual.Select(BitConverter.SingleToInt32Bits));
            }
        }
    }

    [Fact]
    public void There_is_no_kernel_for_floats_or_more_rows_than_registers()
    {
        Assert.True(MachineKernels.TryGet(TensorType.F32, 1) is null);
        Assert.True(MachineKernels.TryGet(TensorType.Q8_0, 0) is null);
        Assert.True(MachineKernels.TryGet(TensorType.Q8_0, MachineKernels.MaxRows(TensorType.Q8_0) + 1) is null);
    }

    [Fact]
    public void Threads_that_ask_together_get_the_same_kernel()
    {
        Assert.SkipUnless(MachineKernels.IsSupported, "needs AVX512_VNNI and Linux or macOS");
        nint[] addresses = new nint[32];

        Parallel.For(0, addresses.Length, i => addresses[i] = (nint)MachineKernels.TryGet(TensorType.Q5_1, 3));

        Assert.Single(addresses.Distinct());
    }

    [Fact]
    public void Machine_code_can_be_turned_off()
    {
        using var with = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        using var without = new CpuBackend(new CpuBackendOptions { Threads = 1, MachineCode = false });

        Assert.Equal(MachineKernels.IsSupported, with.Description.Contains("AVX512-VNNI", StringComparison.Ordinal));
        Assert.DoesNotContain("AVX512-VNNI", without.Description, StringComparison.Ordinal);
        Assert.Equal(4, InterleavedKernels.For(TensorType.Q8_0, machineCode: false).MaxRows);
    }
}

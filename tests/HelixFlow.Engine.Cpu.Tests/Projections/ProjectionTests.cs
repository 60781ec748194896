using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Tests.LlamaCpp;
using HelixFlow.Engine.Formats;
using HelixFlow.TestKit.Backends;

namespace HelixFlow.Engine.Cpu.Tests.Projections;

/// <summary>Projections of normalised rows against the reference backend and, to the bit, against the operations that they join.</summary>
public sealed class ProjectionTests : IDisposable
{
    private readonly RandomTensors _random = new(20261121);

    /// <summary>Types of matrices with one input; with different needs: no rounding, a scale for 32 columns, a scale for 256.</summary>
    public static TheoryData<TensorType[], int, int> Mixes => new()
    {
        { [TensorType.Q4_0, TensorType.Q4_0, TensorType.Q8_0], 1, 2 },
        { [TensorType.Q4_K, TensorType.Q5_K, TensorType.Q6_K], 3, 3 },
        { [TensorType.Q4_0, TensorType.Q6_K], 1, 1 },
        { [TensorType.Q8_0, TensorType.Q4_K, TensorType.BF16], 2, 2 },
        { [TensorType.F32, TensorType.Q4_0], 7, 3 },
        { [TensorType.F16, TensorType.F32, TensorType.BF16], 5, 2 },
        { [TensorType.Q5_1, TensorType.Q6_K, TensorType.Q5_0, TensorType.F32, TensorType.Q4_1], 33, 4 },
    };

    public void Dispose() => _random.Dispose();

    [Theory]
    [MemberData(nameof(Mixes))]
    public void Several_matrices_at_once_give_the_bits_of_a_norm_and_single_products(TensorType[] types, int rows, int threads)
    {
        const int Inputs = 512;
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = threads });
        using DeviceTensor input = _random.Tensor(backend, rows, Inputs);
        using DeviceTensor scratch = Empty(backend, rows, Inputs);
        using DeviceWeight norm = backend.LoadVector(_random.Stored(TensorType.F32, 1, Inputs), add: 1);
        Projection[] projections = [.. types.Select((type, i) => Projection(backend, type, rows, (37 * i) + 5, Inputs))];

        backend.Project(new NormedRows(input, norm, 1e-5f, scratch), projections);

        float[][] joined = [.. projections.Select(projection => backend.Read(projection.Output).ToArray())];
        backend.RmsNorm(input, norm, 1e-5f, scratch);
        for (int i = 0; i < projections.Length; i++)
        {
            backend.Linear(scratch, projections[i].Weight, projections[i].Bias, projections[i].Output);
            Assert.Equal(backend.Read(projections[i].Output).ToArray(), joined[i]);
            Release(projections[i]);
        }
    }

    [Theory]
    [InlineData(TensorType.Q4_0, TensorType.Q4_0, Activation.Silu, 1, 2)]
    [InlineData(TensorType.Q4_K, TensorType.Q6_K, Activation.GeluTanh, 3, 3)]
    [InlineData(TensorType.F32, TensorType.Q8_0, Activation.Silu, 20, 2)]
    [InlineData(TensorType.BF16, TensorType.BF16, Activation.GeluTanh, 37, 1)]
    public void Gated_projections_agree_with_the_reference(TensorType gateType, TensorType upType, Activation activation, int rows, int threads)
    {
        const int Inputs = 256;
        using var ours = new CpuBackend(new CpuBackendOptions { Threads = threads });
        using var reference = new ReferenceBackend();
        foreach (int outputs in (int[])[1, 31, 32, 150])
        {
            float[] values = _random.Floats(rows * Inputs);
            StoredTensor norm = _random.Stored(TensorType.F32, 1, Inputs);
            StoredTensor gate = _random.Stored(gateType, outputs, Inputs);
            StoredTensor up = _random.Stored(upType, outputs, Inputs);
            StoredTensor bias = _random.Stored(TensorType.F32, 1, outputs);

            double error = Comparison.RelativeError(Run(ours), Run(reference));

            Assert.True(error < (gateType.BlockElements() > 1 || upType.BlockElements() > 1 ? 0.03 : 1e-5), $"{outputs} outputs: relative error {error:E2}");

            float[] Run(IBackend backend)
            {
                using DeviceTensor input = RandomTensors.Tensor(backend, rows, Inputs, values);
                using DeviceTensor scratch = Empty(backend, rows, Inputs);
                using DeviceWeight weight = backend.LoadVector(norm, add: 1);
                var gateProjection = new Projection(backend.LoadMatrix(gate), backend.LoadVector(bias), Empty(backend, rows, outputs));
                var upProjection = new Projection(backend.LoadMatrix(up), null, Empty(backend, rows, outputs));
                backend.ProjectGated(new NormedRows(input, weight, 1e-5f, scratch), gateProjection, upProjection, activation);
                float[] result = backend.Read(gateProjection.Output).ToArray();
                Release(gateProjection);
                Release(upProjection);
                return result;
            }
        }
    }

    [Theory]
    [InlineData(TensorType.Q4_0)]
    [InlineData(TensorType.F32)]
    public void A_gated_row_has_the_same_bits_alone_and_in_a_batch_with_any_number_of_threads(TensorType type)
    {
        const int Rows = 19;
        const int Columns = 96;
        const int Outputs = 77;
        float[] values = _random.Floats(Rows * Columns);
        StoredTensor norm = _random.Stored(TensorType.F32, 1, Columns);
        StoredTensor gate = _random.Stored(type, Outputs, Columns);
        StoredTensor up = _random.Stored(type, Outputs, Columns);
        float[] together = Run(1, 0, Rows);

        Assert.Equal(together, Run(3, 0, Rows));
        for (int row = 0; row < Rows; row++)
        {
            Assert.Equal(together[(row * Outputs)..((row + 1) * Outputs)], Run(2, row, 1));
        }

        float[] Run(int threads, int first, int rows)
        {
            using var backend = new CpuBackend(new CpuBackendOptions { Threads = threads });
            using DeviceTensor input = RandomTensors.Tensor(backend, rows, Columns, values.AsSpan(first * Columns, rows * Columns));
            using DeviceTensor scratch = Empty(backend, rows, Columns);
            using DeviceWeight weight = backend.LoadVector(norm, add: 1);
            var gateProjection = new Projection(backend.LoadMatrix(gate), null, Empty(backend, rows, Outputs));
            var upProjection = new Projection(backend.LoadMatrix(up), null, Empty(backend, rows, Outputs));
            backend.ProjectGated(new NormedRows(input, weight, 1e-5f, scratch), gateProjection, upProjection, Activation.Silu);
            float[] result = backend.Read(gateProjection.Output).ToArray();
            Release(gateProjection);
            Release(upProjection);
            return result;
        }
    }

    private static DeviceTensor Empty(IBackend backend, int rows, int columns)
    {
        DeviceTensor tensor = backend.Allocate(rows, columns);
        tensor.Rows = rows;
        return tensor;
    }

    private static void Release(Projection projection)
    {
        projection.Weight.Dispose();
        projection.Bias?.Dispose();
        projection.Output.Dispose();
    }

    private Projection Projection(CpuBackend backend, TensorType type, int rows, int outputs, int inputs) =>
        new(backend.LoadMatrix(_random.Stored(type, outputs, inputs)), backend.LoadVector(_random.Stored(TensorType.F32, 1, outputs)), Empty(backend, rows, outputs));
}

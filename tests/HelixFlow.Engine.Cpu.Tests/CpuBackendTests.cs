using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Tests.LlamaCpp;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.TestKit.Backends;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestKit.Measures;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Cpu.Tests;

/// <summary>Every operation against the reference backend, over random shapes.</summary>
public sealed class CpuBackendTests : IDisposable
{
    private readonly RandomTensors _tensors = new(20261120);

    public static TheoryData<TensorType, int> TypesAndThreads
    {
        get
        {
            var data = new TheoryData<TensorType, int>();
            foreach (TensorType type in Enum.GetValues<TensorType>())
            {
                data.Add(type, 1);
                data.Add(type, 3);
            }

            return data;
        }
    }

    public void Dispose() => _tensors.Dispose();

    [Theory]
    [MemberData(nameof(TypesAndThreads))]
    public void Linear_agrees_with_the_reference(TensorType type, int threads)
    {
        using var ours = new CpuBackend(new CpuBackendOptions { Threads = threads });
        using var reference = new ReferenceBackend();

        // Activations are rounded to 8 bits for quantised weights.
        double tolerance = type.BlockElements() > 1 ? 0.02 : 1e-5;
        foreach ((int rows, int outputs, int blocks) in ((int, int, int)[])[(3, 7, 1), (1, 40, 3), (2, 17, 2), (4, 8, 1), (5, 31, 2), (13, 64, 3), (40, 9, 1)])
        {
            int inputs = type.BlockElements() == 1 ? (blocks * 37) + rows : type.BlockElements() * blocks;
            StoredTensor weight = RandomTensor(type, outputs, inputs);
            StoredTensor bias = RandomTensor(TensorType.F32, 1, outputs);
            float[] input = RandomFloats(rows * inputs);
            float[] before = RandomFloats(rows * outputs);
            foreach (bool accumulate in (bool[])[false, true])
            {
                float[] expected = Run(reference, accumulate);
                float[] actual = Run(ours, accumulate);

                AssertClose(expected, actual, tolerance, $"{type} {rows}x{inputs} to {outputs}");
            }

            float[] Run(IBackend backend, bool accumulate)
            {
                using DeviceTensor x = Tensor(backend, rows, inputs, input);
                using DeviceTensor y = Tensor(backend, rows, outputs, before);
                using DeviceWeight w = backend.LoadMatrix(weight);
                using DeviceWeight b = backend.LoadVector(bias);
                backend.Linear(x, w, accumulate ? null : b, y, accumulate);
                return backend.Read(y).ToArray();
            }
        }
    }

    [Theory]
    [MemberData(nameof(TypesAndThreads))]
    public void A_row_has_the_same_bits_alone_and_in_a_batch(TensorType type, int threads)
    {
        const int Rows = 11;
        const int Outputs = 45;
        int inputs = type.BlockElements() == 1 ? 93 : 2 * type.BlockElements();
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = threads });
        using DeviceWeight weight = backend.LoadMatrix(RandomTensor(type, Outputs, inputs));
        float[] input = RandomFloats(Rows * inputs);
        float[] together = Run(0, Rows);
        for (int row = 0; row < Rows; row++)
        {
            Assert.Equal(together[(row * Outputs)..((row + 1) * Outputs)], Run(row, 1));
        }

        float[] Run(int first, int rows)
        {
            using DeviceTensor x = Tensor(backend, rows, inputs, input.AsSpan(first * inputs, rows * inputs));
            using DeviceTensor y = backend.Allocate(rows, Outputs);
            y.Rows = rows;
            backend.Linear(x, weight, null, y);
            return backend.Read(y).ToArray();
        }
    }

    [Theory]
    [MemberData(nameof(TypesAndThreads))]
    public void Embeddings_agree_with_the_reference(TensorType type, int threads)
    {
        StoredTensor table = RandomTensor(type, 50, 512);

        Check(threads, backend =>
        {
            using DeviceWeight weight = backend.LoadTable(table);
            using DeviceTensor output = backend.Allocate(8, 512);
            backend.Embed(weight, [49, 0, 7], 1.5f, output);
            return backend.Read(output).ToArray();
        });
    }

    [Theory]
    [InlineData(1, 20, 20)]
    [InlineData(7, 96, 16)]
    [InlineData(40, 512, 512)]
    [InlineData(40, 1024, 128)]
    public void Norms_agree_with_the_reference(int rows, int columns, int group)
    {
        float[] input = RandomFloats(rows * columns);
        StoredTensor weight = RandomTensor(TensorType.F32, 1, group);

        Check(2, backend =>
        {
            using DeviceTensor x = Tensor(backend, rows, columns, input);
            using DeviceWeight w = backend.LoadVector(weight, add: 1);
            backend.RmsNorm(x, w, 1e-5f, x);
            return backend.Read(x).ToArray();
        });
    }

    [Theory]
    [InlineData(3, 21)]
    [InlineData(40, 600)]
    public void Elementwise_operations_agree_with_the_reference(int rows, int columns)
    {
        float[] a = RandomFloats(rows * columns, 4);
        float[] b = RandomFloats(rows * columns, 4);
        StoredTensor weight = RandomTensor(TensorType.F32, 1, columns);

        Check(2, backend =>
        {
            using DeviceTensor x = Tensor(backend, rows, columns, a);
            using DeviceTensor y = Tensor(backend, rows, columns, b);
            using DeviceTensor picked = backend.Allocate(rows, columns);
            using DeviceWeight norm = backend.LoadVector(weight, add: 1);
            backend.AddNormed(x, y, norm, 1e-5f);
            backend.ScaleAndCap(x, 0.5f, 3);
            backend.Gather(x, [rows - 1, 0], picked);
            return backend.Read(picked).ToArray();
        });
    }

    [Theory]
    [InlineData(RopePairing.Adjacent, KvType.F32, 16, 0, 0f)]
    [InlineData(RopePairing.Halves, KvType.F32, 16, 12, 0f)]
    [InlineData(RopePairing.Halves, KvType.F32, 10, 5, 2f)]
    [InlineData(RopePairing.Adjacent, KvType.F16, 24, 0, 2f)]
    [InlineData(RopePairing.Halves, KvType.BF16, 16, 0, 0f)]
    [InlineData(RopePairing.Halves, KvType.Q8_0, 32, 12, 0f)]
    public void Attention_agrees_with_the_reference(RopePairing pairing, KvType kvType, int headSize, int window, float cap)
    {
        const int Heads = 6;
        const int KvHeads = 2;
        var rope = new Rope(headSize, pairing, [1, 0.3f, 0.01f], 1.1f);
        var layout = new KvLayout(2, KvHeads, headSize, 12, 4, kvType);
        var parameters = new AttentionParameters(Heads, 0.3f, cap, window);
        float[][] inputs = [.. Enumerable.Range(0, 6).Select(i => RandomFloats(40 * (i % 3 == 0 ? Heads : KvHeads) * headSize))];

        Check(
            2,
            backend =>
            {
                using DeviceKvStore kv = backend.AllocateKv(layout);
                using DeviceTensor output = backend.Allocate(40, Heads * headSize);
                var batch = new Batch(40, 2);

                // Two sequences over scattered blocks: a prompt in two chunks beside one that decodes; then a block moves.
                int[] tableA = [7, 2, 9, 4, 11];
                int[] tableB = [3, 5];
                Step(0, [(0, 13, tableA), (0, 5, tableB)]);
                backend.CopyBlock(kv, 2, 8);
                tableA = [7, 8, 9, 4, 11];
                Step(3, [(13, 6, tableA), (5, 1, tableB)]);
                return backend.Read(output).ToArray();

                void Step(int first, (int Position, int Count, int[] Table)[] sequences)
                {
                    batch.Clear();
                    foreach ((int position, int count, int[] table) in sequences)
                    {
                        batch.Add(new int[count], position, table, wantLogits: false);
                    }

                    using DeviceTensor query = Tensor(backend, batch.Rows, Heads * headSize, inputs[first]);
                    using DeviceTensor key = Tensor(backend, batch.Rows, KvHeads * headSize, inputs[first + 1]);
                    using DeviceTensor value = Tensor(backend, batch.Rows, KvHeads * headSize, inputs[first + 2]);
                    output.Rows = batch.Rows;
                    backend.RopeAndStore(query, key, value, rope, kv, 1, batch);
                    backend.Attention(query, kv, 1, batch, parameters, output);
                }
            },
            kvType switch
            {
                KvType.F32 => 1e-5,
                KvType.F16 => 1e-3,
                _ => 1e-2,
            });
    }

    [Fact]
    public void A_step_allocates_nothing()
    {
        using var folder = new TempFolder();
        RandomModel.Write("nano", "gemma3", TensorType.Q8_0, folder["model.gguf"]);
        using ModelRunner runner = ComparedModels.OpenOurs(folder["model.gguf"], KvType.F16);
        int[] table = [.. Enumerable.Range(0, 64)];
        var batch = new Batch(64, 4);

        // The buffer for attention scores has its final size after one sequence of the same length.
        Steps();

        Assert.Equal(0, ThreadAllocations.Least(Steps));

        void Steps()
        {
            for (int i = 0; i < 40; i++)
            {
                Step(i);
            }
        }

        void Step(int position)
        {
            batch.Clear();
            batch.Add([position], position, table, wantLogits: true);
            runner.Run(batch);
        }
    }

    [Fact]
    public void Idle_workers_wake_up_again()
    {
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 4 });
        using DeviceTensor x = Tensor(backend, 64, 512, RandomFloats(64 * 512));
        using DeviceTensor y = Tensor(backend, 64, 512, new float[64 * 512]);
        using DeviceWeight weight = backend.LoadVector(RandomTensor(TensorType.F32, 1, 512), add: 1);
        for (int i = 0; i < 300; i++)
        {
            backend.RmsNorm(x, weight, 1e-5f, y);
            float[] before = backend.Read(y).ToArray();
            if (i % 30 == 0)
            {
                // Longer than the workers spin.
                Thread.SpinWait(2_000_000);
            }

            backend.RmsNorm(x, weight, 1e-5f, y);
            Assert.Equal(before, backend.Read(y).ToArray());
        }
    }

    private static void Check(int threads, Func<IBackend, float[]> run, double tolerance = 1e-5)
    {
        using var ours = new CpuBackend(new CpuBackendOptions { Threads = threads });
        using var reference = new ReferenceBackend();

        AssertClose(run(reference), run(ours), tolerance, "result");
    }

    private static void AssertClose(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double tolerance, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        double error = Comparison.RelativeError(actual, expected);
        Assert.True(error <= tolerance, $"{what}: relative error {error:E2}");
    }

    private static DeviceTensor Tensor(IBackend backend, int rows, int columns, ReadOnlySpan<float> values) =>
        RandomTensors.Tensor(backend, rows, columns, values);

    private float[] RandomFloats(int count, float scale = 1) => _tensors.Floats(count, scale);

    private StoredTensor RandomTensor(TensorType type, int rows, int columns) => _tensors.Stored(type, rows, columns);
}

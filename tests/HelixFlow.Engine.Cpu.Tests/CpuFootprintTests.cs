using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Attention;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.LlamaCpp;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Cpu.Tests;

/// <summary>What placement is told of a model before it is loaded, against what the model takes then.</summary>
public sealed class CpuFootprintTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public static TheoryData<string, TensorType, TensorType?> Models
    {
        get
        {
            var data = new TheoryData<string, TensorType, TensorType?>();
            foreach (string family in RandomModel.Families)
            {
                data.Add(family, TensorType.F32, null);
                data.Add(family, TensorType.BF16, TensorType.Q8_0);
                data.Add(family, TensorType.F16, TensorType.Q4_K); // rows of 64 become Q8_0
                data.Add(family, TensorType.Q8_0, TensorType.Q4_0); // which leaves what is quantised
                data.Add(family, TensorType.Q4_0, null);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void A_models_weights_take_what_was_worked_out(string family, TensorType type, TensorType? quantize)
    {
        RandomModel.Write("nano", family, type, _folder["model.gguf"]);

        Check(_folder["model.gguf"], quantize, KvType.F16);
    }

    [Theory]
    [InlineData(TensorType.Q4_1)]
    [InlineData(TensorType.Q5_0)]
    [InlineData(TensorType.Q5_1)]
    [InlineData(TensorType.Q4_K)]
    [InlineData(TensorType.Q5_K)]
    [InlineData(TensorType.Q6_K)]
    public void So_do_those_of_types_that_llama_cpp_writes(TensorType type)
    {
        Assert.SkipUnless(LlamaCppLibrary.IsInstalled, LlamaCppLibrary.HowToInstall);
        RandomModel.Write("tiny", "llama", type, _folder["model.gguf"]);

        Check(_folder["model.gguf"], quantize: null, KvType.Q8_0);
    }

    [Fact]
    public void A_matrix_takes_what_was_worked_out_whatever_its_type_and_shape()
    {
        var random = new Random(3);
        using var tensors = new RandomTensors(4);
        foreach (TensorType type in Enum.GetValues<TensorType>())
        {
            foreach (TensorType? quantize in (TensorType?[])[null, TensorType.Q8_0, TensorType.Q4_0, TensorType.Q4_K])
            {
                var options = new CpuBackendOptions { Threads = 2, Quantize = quantize };
                using var backend = new CpuBackend(options);
                for (int round = 0; round < 4; round++)
                {
                    StoredTensor tensor = tensors.Stored(type, random.Next(2, 70), random.Next(1, 4) * Math.Max(32, type.BlockElements()));
                    using DeviceWeight loaded = backend.LoadMatrix(tensor);

                    Assert.Equal(loaded.SizeBytes, new CpuFootprint(options).LoadMatrix(tensor).SizeBytes);
                }
            }
        }
    }

    [Fact]
    public void Keys_and_values_take_what_their_layout_says_padding_included()
    {
        var random = new Random(5);
        foreach (KvType type in Enum.GetValues<KvType>())
        {
            for (int round = 0; round < 40; round++)
            {
                int headSize = type == KvType.Q8_0 ? 32 * random.Next(1, 5) : random.Next(1, 140);
                var layout = new KvLayout(random.Next(1, 4), random.Next(1, 4), headSize, random.Next(1, 5), random.Next(1, 40), type);
                using var store = new CpuKvStore(layout);

                Assert.Equal(layout.Blocks * layout.BlockBytes, store.SizeBytes);
            }
        }
    }

    public void Dispose() => _folder.Dispose();

    private static void Check(string path, TensorType? quantize, KvType kvType)
    {
        var device = new CpuBackendOptions { Threads = 2, Quantize = quantize };
        var options = new ModelRunnerOptions { KvBlocks = 40, KvBlockSize = 24, KvType = kvType, MaxBatchRows = 100, ExpectedSequences = 3 };
        ModelMemory memory;
        using (ModelFile file = ModelFile.Open(path))
        {
            memory = ModelMemory.Of(file, options, new CpuFootprint(device));
            Assert.InRange(memory.MappedBytes, 1, file.Tensors.Values.Sum(tensor => tensor.SizeBytes)); // a tied table counts once
        }

        using var backend = new CpuBackend(device);
        using var runner = new ModelRunner(ModelFile.Open(path), backend, options);
        Assert.Equal(memory.WeightBytes, runner.WeightBytes);

        // A long prompt in full batches, then single steps, whose attention is cut into spans.
        var session = new RunnerSession(runner);
        int[] prompt = [.. Enumerable.Range(0, 700).Select(i => 3 + (i * 7 % 90))];
        session.Evaluate(prompt, 0, chunk: 100);
        session.Evaluate([5], prompt.Length);
        using ModelFile again = ModelFile.Open(path);
        long buffers = ModelMemory.Of(again, options).ScratchBytes;
        Assert.InRange(backend.ScratchBytes, 1, memory.ScratchBytes - buffers);
    }
}

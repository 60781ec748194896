using System.Collections.Concurrent;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.LlamaCpp;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestKit.Models;

[assembly: AssemblyFixture(typeof(HelixFlow.Engine.Cpu.Tests.LlamaCpp.ComparedModels))]

namespace HelixFlow.Engine.Cpu.Tests.LlamaCpp;

/// <summary>The random models of the comparison with llama.cpp, each written once, in a folder that is deleted at the end.</summary>
public sealed class ComparedModels : IDisposable
{
    /// <summary>The context unless a test wants another; both sides must have the same, since LongRoPE chooses its factors by it.</summary>
    private const int Context = 1024;

    /// <summary>Enough for the longest prompt here, and for a context beyond the original one of the models with rope scaling.</summary>
    private const int MaxContext = 2048;

    private readonly TempFolder _folder = new();
    private readonly ConcurrentDictionary<string, Lazy<string>> _paths = new();

    /// <summary>The model's file; skips the test when llama.cpp is not installed.</summary>
    public string PathOf(string preset, string family, TensorType type)
    {
        Assert.SkipUnless(LlamaCppLibrary.IsInstalled, LlamaCppLibrary.HowToInstall);
        string name = $"{preset}-{family}-{type}.gguf";
        return _paths.GetOrAdd(name, key => new Lazy<string>(() => Write(_folder[key]))).Value;

        string Write(string path)
        {
            RandomModel.Write(preset, family, type, path);
            return path;
        }
    }

    /// <summary>Our side.</summary>
    public static ModelRunner OpenOurs(string path, KvType kvType, IBackend? backend = null, int contextLength = Context) => new(
        ModelFile.Open(path),
        backend ?? new CpuBackend(new CpuBackendOptions { Threads = 1 }),
        new ModelRunnerOptions { KvType = kvType, KvBlocks = MaxContext / 16, KvBlockSize = 16, MaxBatchRows = 512, ContextLength = contextLength });

    /// <summary>
    /// llama.cpp in the same precision as ours: with a float32 cache its fused attention is off too, since that one rounds even then.
    /// </summary>
    public static LlamaCppContextOptions TheirOptions(KvType kvType) => new()
    {
        ContextLength = Context,
        FloatCache = kvType == KvType.F32,
        FlashAttention = kvType == KvType.F32 ? false : null,
    };

    /// <summary>The prompts of the speed comparison: ids spread over the vocabulary.</summary>
    public static int[] Prompt(int length, int vocabulary, int sequence = 0) =>
        [.. Enumerable.Range(0, length).Select(i => 100 + (int)(((i * 7919L) + (31 * sequence)) % Math.Min(7000, vocabulary - 200)))];

    public void Dispose() => _folder.Dispose();
}

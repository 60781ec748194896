using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Grammar;
using HelixFlow.Engine.Speculation;
using HelixFlow.InferenceNode.Placement;

namespace HelixFlow.InferenceNode;

/// <summary>Which models a node serves and what it may use for them. Read once at start.</summary>
public sealed class NodeOptions
{
    /// <summary>The node's name in its pool; unique there. Default: the machine's name.</summary>
    public string NodeId { get; set; } = Environment.MachineName;

    /// <summary>The models, in the order they are listed to clients; names are unique.</summary>
    public IReadOnlyList<ModelSource> Models { get; set; } = [];

    /// <summary>Names of models that are loaded at start and never evicted.</summary>
    public IReadOnlyList<string> Pinned { get; set; } = [];

    /// <summary>Worker threads of the CPU backend, 1 to 1024; 0 (the default) is one per core.</summary>
    public int Threads { get; set; }

    /// <summary>What float weights are rounded to when they are loaded: Q8_0, Q4_0 or Q4_K; null (the default) leaves them as they are.</summary>
    public TensorType? Quantize { get; set; }

    /// <summary>Most sequences that run together per model, 1 to 1024. Default 64.</summary>
    public int MaxSequences { get; set; } = 64;

    /// <summary>Most requests that wait per model before new ones are refused. Default 256.</summary>
    public int MaxWaiting { get; set; } = 256;

    /// <summary>How long a step should take at most while any sequence of the model decodes; null for no limit. Default 100 ms.</summary>
    public TimeSpan? StepTimeBudget { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Whether equal requests get equal answers, requests without a seed included. Default no.</summary>
    public bool Deterministic { get; set; }

    /// <summary>Where guesses at the next tokens come from; they change the speed only. Default: prompt lookup.</summary>
    public SpeculationMode Speculation { get; set; } = SpeculationMode.NGram;

    /// <summary>
    /// The second model of <see cref="SpeculationMode.Draft"/>, which belongs to that mode alone: a .gguf file or a folder in Hugging Face's layout, with the
    /// vocabulary of the served models. Each replica loads one.
    /// </summary>
    public string? DraftModel { get; set; }

    /// <summary>Most guesses that a sequence runs in one step, 1 to 31. Default 8.</summary>
    public int SpeculationTokens { get; set; } = 8;

    /// <summary>White space in JSON whose form a request demands. Default: as models are used to write it, within bounds.</summary>
    public JsonWhiteSpace JsonWhiteSpace { get; set; } = JsonWhiteSpace.Indented;

    /// <summary>
    /// Memory for keys and values per model, in bytes. 0 (the default) takes an eighth of the device's budget, but no more than
    /// <see cref="MaxSequences"/> sequences of full context can use.
    /// </summary>
    public long KvBytes { get; set; }

    /// <summary>How keys and values are stored. Default F16.</summary>
    public KvType KvType { get; set; } = KvType.F16;

    /// <summary>What all models may take of the machine's memory together, in bytes; 0 (the default) takes four fifths of it.</summary>
    public long MemoryBytes { get; set; }

    /// <summary>By project: its share of an engine against the others of the same priority; above 0. A project that is not named has 1.</summary>
    public IReadOnlyDictionary<string, double> ProjectWeights { get; set; } = new Dictionary<string, double>(StringComparer.Ordinal);

    /// <summary>How models compete for memory.</summary>
    public PlacementOptions Placement { get; set; } = new();

    /// <summary>An engine that works without progress for this long hangs, and the node is unhealthy. Default 4 s.</summary>
    public TimeSpan HangLimit { get; set; } = TimeSpan.FromSeconds(4);

    /// <summary>Makes the device's backend for one replica of a model; tests put a device that fails in its place.</summary>
    internal Func<NodeOptions, IBackend> CreateBackend { get; set; } =
        static options => new CpuBackend(options.Cpu);

    /// <summary>A new footprint of a model on the device.</summary>
    internal DeviceFootprint Footprint => new CpuFootprint(Cpu);

    private CpuBackendOptions Cpu => new() { Threads = Threads > 0 ? Threads : Environment.ProcessorCount, Quantize = Quantize };

    /// <summary>An engine that has been idle for this long computes one token, to prove that it can. Default 30 s.</summary>
    public TimeSpan CanaryInterval { get; set; } = TimeSpan.FromSeconds(30);
}

/// <summary>A model to serve.</summary>
/// <param name="Name">The name that requests use.</param>
/// <param name="Path">A .gguf file or a folder in Hugging Face's layout.</param>
public sealed record ModelSource(string Name, string Path)
{
    /// <summary>The name under which a file or folder is served: its own name, without .gguf.</summary>
    public static string NameOf(string path)
    {
        string name = System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path)));
        return name.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) ? name[..^".gguf".Length] : name;
    }
}

using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Models;

/// <summary>How much a <see cref="ModelRunner"/> sets aside for running a model.</summary>
public sealed record ModelRunnerOptions
{
    /// <summary>The most rows (tokens) of a batch; default 512. More speeds up prefill a little and takes memory for activations.</summary>
    public int MaxBatchRows { get; init; } = 512;

    /// <summary>The most sequences whose logits are expected in one batch, for the memory estimate; default 32. More also work.</summary>
    public int ExpectedSequences { get; init; } = 32;

    /// <summary>Positions per key/value block; default 16.</summary>
    public int KvBlockSize { get; init; } = 16;

    /// <summary>Blocks of the key/value store; default null: as many as <see cref="KvBytes"/> hold.</summary>
    public int? KvBlocks { get; init; }

    /// <summary>Bytes for keys and values when <see cref="KvBlocks"/> is not given; default 1 GiB, or less where no batch could use it.</summary>
    public long KvBytes { get; init; } = 1L << 30;

    /// <summary>How keys and values are stored; default F16.</summary>
    public KvType KvType { get; init; } = KvType.F16;

    /// <summary>A limit of the context below the model's own; default null for none.</summary>
    public int? ContextLength { get; init; }

    /// <summary>Told, on the loading thread, which share of the file's weights has been brought to the device, 0 to 1; default null for nobody.</summary>
    public IProgress<double>? LoadProgress { get; init; }
}

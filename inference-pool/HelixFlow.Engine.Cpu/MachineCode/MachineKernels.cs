using HelixFlow.Engine.Cpu.Matrices;
using HelixFlow.Engine.Cpu.Matrices.Interleaved;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.MachineCode;

/// <summary>The process's machine-code kernels, written when a format's first one is asked for. Thread-safe.</summary>
internal static unsafe class MachineKernels
{
    // Measured with weights in memory: one row of a simple format reads at 94 % of a plain read's rate, and asking ahead costs up to 40 %; from four
    // rows on it gains 0 to 30 %, and with the long loops of Q5_K and Q6_K
    // 10 to 40 % from two rows on, since the processor does not look that far beyond a long loop by itself.
    private const int PrefetchFromRows = 3;
    private const int PrefetchBytes = 2048;

    private static readonly Dictionary<TensorType, Lazy<Compiled?>> Formats = Enum.GetValues<TensorType>()
        .Where(type => TileFormat.Of(type) is not null)
        .ToDictionary(type => type, type => new Lazy<Compiled?>(() => Compiled.TryCreate(TileFormat.Of(type)!)));

    /// <summary>Whether this processor and system can run them.</summary>
    public static bool IsSupported { get; } = ProcessorFeatures.HasWideByteDot && (OperatingSystem.IsLinux() || OperatingSystem.IsMacOS());

    /// <summary>The most rows that a kernel of this type takes; 0 where there is none.</summary>
    public static int MaxRows(TensorType type) => IsSupported && TileFormat.Of(type) is not null ? TileKernelWriter.MaxRows : 0;

    /// <summary>The kernel of a type for a number of activation rows; null where there is none. It stays valid as long as the process lives.</summary>
    public static delegate* unmanaged<TileCall*, void> TryGet(TensorType type, int rows)
    {
        if (!IsSupported || rows < 1 || !Formats.TryGetValue(type, out Lazy<Compiled?>? format) || format.Value is not { } kernels)
        {
            return null;
        }

        return rows > kernels.Count ? null : kernels[rows];
    }

    /// <summary>The kernels of a type that are faster than methods; none where the processor or the system cannot run them.</summary>
    public static TileKernel[] Preferred(TensorType type)
    {
        // One row of Q5_K and Q6_K: methods read memory 5 to 10 % faster.
        int first = TileFormat.Of(type) is { HasUpperBits: true } ? 2 : 1;
        var kernels = new List<TileKernel>();
        for (int rows = first; rows <= MaxRows(type) && TryGet(type, rows) is var entry && entry is not null; rows++)
        {
            kernels.Add(new TileKernel(rows, entry));
        }

        return [.. kernels];
    }

    // The kernels of one format for 1 row and more.
    private sealed class Compiled
    {
        private readonly ExecutablePages _pages;
        private readonly int[] _offsets;

        private Compiled(ExecutablePages pages, int[] offsets) => (_pages, _offsets) = (pages, offsets);

        public int Count => _offsets.Length;

        public delegate* unmanaged<TileCall*, void> this[int rows] => (delegate* unmanaged<TileCall*, void>)(_pages.Address + _offsets[rows - 1]);

        public static Compiled? TryCreate(TileFormat format)
        {
            var code = new Assembler();
            int[] offsets = new int[TileKernelWriter.MaxRows];
            for (int rows = 1; rows <= offsets.Length; rows++)
            {
                code.Align(64);
                offsets[rows - 1] = code.Length;
                TileKernelWriter.Write(code, format, rows, rows >= PrefetchFromRows || format.HasUpperBits ? PrefetchBytes : 0);
            }

            return ExecutablePages.TryCreate(code.Code) is { } pages ? new Compiled(pages, offsets) : null;
        }
    }
}

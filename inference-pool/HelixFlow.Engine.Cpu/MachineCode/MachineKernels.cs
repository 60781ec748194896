using HelixFlow.Engine.Cpu.Matrices;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.MachineCode;

/// <summary>The process's machine-code kernels, written when a format's first one is asked for. Thread-safe.</summary>
internal static unsafe class MachineKernels
{
    // Ahead of the loads of weights, which come from memory when there are few rows.
    private const int PrefetchBytes = 4096;

    private static readonly Dictionary<TensorType, Lazy<Compiled?>> Formats = Enum.GetValues<TensorType>()
        .Where(type => TileFormat.Of(type) is not null)
        .ToDictionary(type => type, type => new Lazy<Compiled?>(() => Compiled.TryCreate(TileFormat.Of(type)!)));

    /// <summary>Whether this processor and system can run them.</summary>
    public static bool IsSupported { get; } = ProcessorFeatures.HasWideByteDot && (OperatingSystem.IsLinux() || OperatingSystem.IsMacOS());

    /// <summary>The most rows that a kernel of this type takes; 0 where there is none.</summary>
    public static int MaxRows(TensorType type) => IsSupported && TileFormat.Of(type) is { } format ? TileKernel.RowsOf(format) : 0;

    /// <summary>The kernel of a type for a number of activation rows; null where there is none. It stays valid as long as the process lives.</summary>
    public static delegate* unmanaged<TileCall*, void> TryGet(TensorType type, int rows)
    {
        if (!IsSupported || rows < 1 || !Formats.TryGetValue(type, out Lazy<Compiled?>? format) || format.Value is not { } kernels)
        {
            return null;
        }

        return rows > kernels.Count ? null : kernels[rows];
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
            int[] offsets = new int[TileKernel.RowsOf(format)];
            for (int rows = 1; rows <= offsets.Length; rows++)
            {
                code.Align(64);
                offsets[rows - 1] = code.Length;
                TileKernel.Write(code, format, rows, PrefetchBytes);
            }

            return ExecutablePages.TryCreate(code.Code) is { } pages ? new Compiled(pages, offsets) : null;
        }
    }
}

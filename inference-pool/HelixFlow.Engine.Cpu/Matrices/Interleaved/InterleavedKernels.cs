using HelixFlow.Engine.Cpu.MachineCode;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>The kernels that multiply by a quantised type here: which one takes how many activation rows.</summary>
/// <remarks>Immutable; any thread. There is always a kernel for one row.</remarks>
internal sealed unsafe class InterleavedKernels
{
    private readonly TileKernel[] _byRows; // [rows], the largest kernel that does not take more; index 0 unused

    /// <param name="kernels">At least one for a single row; of two for the same number of rows the later one is used.</param>
    /// <exception cref="ArgumentException">No kernel takes a single row.</exception>
    public InterleavedKernels(params ReadOnlySpan<TileKernel> kernels)
    {
        foreach (TileKernel kernel in kernels)
        {
            MaxRows = Math.Max(MaxRows, kernel.Rows);
        }

        _byRows = new TileKernel[MaxRows + 1];
        foreach (TileKernel kernel in kernels)
        {
            _byRows[kernel.Rows] = kernel;
        }

        if (MaxRows == 0 || _byRows[1].Rows == 0)
        {
            throw new ArgumentException("no kernel takes a single row", nameof(kernels));
        }

        for (int rows = 2; rows <= MaxRows; rows++)
        {
            if (_byRows[rows].Rows == 0)
            {
                _byRows[rows] = _byRows[rows - 1];
            }
        }
    }

    /// <summary>The most rows that a kernel takes.</summary>
    public int MaxRows { get; }

    /// <summary>The kernel that takes the most rows, but not more than <paramref name="rows"/>, which is at least 1.</summary>
    public TileKernel Of(int rows) => _byRows[Math.Min(rows, MaxRows)];

    /// <summary>These kernels with others that are preferred for their numbers of rows.</summary>
    public InterleavedKernels With(params ReadOnlySpan<TileKernel> preferred)
    {
        var kernels = new List<TileKernel>();
        for (int rows = 1; rows <= MaxRows; rows++)
        {
            if (_byRows[rows].Rows == rows)
            {
                kernels.Add(_byRows[rows]);
            }
        }

        kernels.AddRange(preferred);
        return new InterleavedKernels([.. kernels]);
    }

    /// <summary>The fastest kernels of this processor; without machine code, methods alone.</summary>
    public static InterleavedKernels For(TensorType type, bool machineCode = true) =>
        For(type, machineCode && IsSupported(InterleavedPath.MachineCode) ? InterleavedPath.MachineCode : BestMethods);

    /// <summary>The kernels of one instruction set, which <see cref="IsSupported"/> here.</summary>
    public static InterleavedKernels For(TensorType type, InterleavedPath path) => path switch
    {
        InterleavedPath.MachineCode => For(type, BestMethods).With(MachineKernels.Preferred(type)),
        InterleavedPath.Avx512 => Of<Avx512Dots<NibbleCodes>, Avx512Dots<FiveBitCodes>, Avx512Dots<ByteCodes>, Avx512Dots<FifthBitCodes>, Avx512Dots<SixBitCodes>>(type),
        InterleavedPath.AvxVnni => Of<VnniDots<NibbleCodes>, VnniDots<FiveBitCodes>, VnniDots<ByteCodes>, VnniDots<FifthBitCodes>, VnniDots<SixBitCodes>>(type),
        InterleavedPath.Avx2 => Of<Avx2Dots<NibbleCodes>, Avx2Dots<FiveBitCodes>, Avx2Dots<ByteCodes>, Avx2Dots<FifthBitCodes>, Avx2Dots<SixBitCodes>>(type),
        InterleavedPath.Arm => OfNarrow<ArmDot>(type),
        InterleavedPath.SignedPortable => OfNarrow<SignedPortableDot>(type),
        _ => OfNarrow<PortableDot>(type),
    };

    /// <summary>Whether a path runs on this processor.</summary>
    public static bool IsSupported(InterleavedPath path) => path switch
    {
        InterleavedPath.MachineCode => MachineKernels.IsSupported,
        InterleavedPath.Avx512 => Avx512Dots<ByteCodes>.IsSupported,
        InterleavedPath.AvxVnni => VnniDots<ByteCodes>.IsSupported,
        InterleavedPath.Avx2 => Avx2Dots<ByteCodes>.IsSupported,
        InterleavedPath.Arm => ArmDot.IsSupported,
        _ => true,
    };

    // 512-bit byte products need more instructions than 256-bit VNNI, which wins by the lower number of them.
    private static InterleavedPath BestMethods =>
        IsSupported(InterleavedPath.AvxVnni) ? InterleavedPath.AvxVnni
        : IsSupported(InterleavedPath.Avx512) ? InterleavedPath.Avx512
        : IsSupported(InterleavedPath.Avx2) ? InterleavedPath.Avx2
        : IsSupported(InterleavedPath.Arm) ? InterleavedPath.Arm
        : InterleavedPath.Portable;

    private static InterleavedKernels OfNarrow<TDot>(TensorType type)
        where TDot : struct, IByteDot128 =>
        Of<NarrowDots<NibbleCodes, TDot>, NarrowDots<FiveBitCodes, TDot>, NarrowDots<ByteCodes, TDot>, NarrowDots<FifthBitCodes, TDot>, NarrowDots<SixBitCodes, TDot>>(type);

    private static InterleavedKernels Of<TNibbles, TFiveBits, TBytes, TFifthBits, TSixBits>(TensorType type)
        where TNibbles : struct, IDots
        where TFiveBits : struct, IDots
        where TBytes : struct, IDots
        where TFifthBits : struct, IDots
        where TSixBits : struct, IDots => type switch
        {
            TensorType.Q4_0 => Pair(&BlockTile<Q4Format, TNibbles>.One, &BlockTile<Q4Format, TNibbles>.Four),
            TensorType.Q4_1 => Pair(&BlockTile<Q4MinFormat, TNibbles>.One, &BlockTile<Q4MinFormat, TNibbles>.Four),
            TensorType.Q5_0 => Pair(&BlockTile<Q5Format, TFiveBits>.One, &BlockTile<Q5Format, TFiveBits>.Four),
            TensorType.Q5_1 => Pair(&BlockTile<Q5MinFormat, TFiveBits>.One, &BlockTile<Q5MinFormat, TFiveBits>.Four),
            TensorType.Q8_0 => Pair(&BlockTile<Q8Format, TBytes>.One, &BlockTile<Q8Format, TBytes>.Four),
            TensorType.Q4_K => Pair(&SuperBlockTile<NibbleCodes, TNibbles>.One, &SuperBlockTile<NibbleCodes, TNibbles>.Four),
            TensorType.Q5_K => Pair(&SuperBlockTile<FifthBitCodes, TFifthBits>.One, &SuperBlockTile<FifthBitCodes, TFifthBits>.Four),
            TensorType.Q6_K => Pair(&SixBitTile<TSixBits>.One, &SixBitTile<TSixBits>.Four),
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not a quantised type"),
        };

    private static InterleavedKernels Pair(delegate*<TileCall*, void> one, delegate*<TileCall*, void> four) =>
        new(new TileKernel(1, one), new TileKernel(4, four));
}

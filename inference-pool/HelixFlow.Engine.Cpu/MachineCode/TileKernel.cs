using System.Numerics;
using HelixFlow.Engine.Cpu.Matrices;

namespace HelixFlow.Engine.Cpu.MachineCode;

/// <summary>Writes the kernel of one format for a number of activation rows.</summary>
/// <remarks>
/// The codes of 16 outputs by 32 columns lie in eight vector registers; every activation row passes by, four rows at a time so that four chains
/// of dot products hide the latency. The four activations of a lane come straight from memory, spread by the instruction itself. Int32 sums are
/// exact, so only the order of the floating-point steps matters: it is the one that all kernels of the layout follow.
/// </remarks>
internal sealed class TileKernel
{
    /// <summary>Rows that leave enough registers.</summary>
    public const int MaxRows = 16;

    private const int RowsTogether = 4;

    private static readonly Zmm Spare = new(20);
    private static readonly Zmm Nibble = new(21);
    private static readonly Zmm Min = new(22);
    private static readonly Zmm Scale = new(23);

    private readonly Assembler _code;
    private readonly TileFormat _format;
    private readonly TileFrame _frame;
    private readonly int _rows;
    private readonly int _prefetchBytes;

    private TileKernel(Assembler code, TileFormat format, int rows, int prefetchBytes)
    {
        (_code, _format, _rows, _prefetchBytes) = (code, format, rows, prefetchBytes);
        _frame = new TileFrame(code, rows);
    }

    /// <summary>The most rows of a format's kernels: K types keep two sums a row.</summary>
    public static int RowsOf(TileFormat format) => format.IsSuper && format.HasMins ? 8 : format.IsSuper ? 12 : MaxRows;

    /// <summary>Appends a kernel, a function of the address of a <see cref="TileCall"/> in the System V convention.</summary>
    public static void Write(Assembler code, TileFormat format, int rows, int prefetchBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, RowsOf(format));
        var kernel = new TileKernel(code, format, rows, prefetchBytes);
        kernel._frame.Write(kernel.Prepare, format.IsSuper ? kernel.SuperGroup : kernel.PlainGroup);
    }

    // Registers: 0 to 15 what is kept per row, 16 to 19 dot products, 24 to 31 weights.
    private static Zmm Sum(int row) => new(row);

    private static Zmm Low(int row) => new(8 + row);

    private static Zmm Dot(int chain) => new(16 + chain);

    private static Zmm Weight(int k) => new(24 + k);

    // The register that holds zeros to subtract from, in formats with an offset: these have no minima; Q6_K's scales need the minima's register.
    private Zmm Zero => _format.IsSuper ? new Zmm(15) : Min;

    private void Prepare()
    {
        if (_format.Codes != TileCodes.Bytes)
        {
            _code.VpbroadcastdEach(Nibble, TileFrame.NibbleMask);
        }

        if (_format.Codes is TileCodes.NibblesAndBits or TileCodes.NibblesAndPairs)
        {
            _code.Mov(TileFrame.UpperMask, _format.Codes == TileCodes.NibblesAndBits ? 0x10101010 : 0x30303030);
        }

        if (_format.Offset != 0)
        {
            Clear(Zero);
        }
    }

    private void PlainGroup()
    {
        for (int row = 0; row < _rows; row++)
        {
            Clear(Sum(row));
        }

        _code.Mov(TileFrame.Count, TileFrame.Field(nameof(TileCall.Blocks)));
        Label next = _code.Here();
        Prefetch();
        LoadCodes(_format.ScaleBytes);
        _code.Vcvtph2ps(Scale, new MemoryOperand(TileFrame.Weights));
        if (_format.HasMins)
        {
            _code.Vcvtph2ps(Min, new MemoryOperand(TileFrame.Weights, 32));
        }

        ForFourRows(PlainRows);
        _code.Add(TileFrame.Weights, _format.BlockBytes);
        _code.Add(_frame.Codes.Start, 32);
        _code.Add(_frame.Scales.Start, sizeof(float));
        _code.Add(_frame.CodeSums.Start, 2 * sizeof(int));
        _code.Sub(TileFrame.Count, 1);
        _code.JumpIfNotZero(next);
        _frame.ForEachOutput((row, output) => _code.Vmovups(output, Sum(row)));
    }

    private void PlainRows(int first, int count)
    {
        _frame.Scales.Seek(_code, first);
        DotProducts(first, count, 0, 8);
        for (int row = first; row < first + count; row++)
        {
            MemoryOperand scale = _frame.Scales.At(row, 0);
            Zmm dot = Dot(row - first);
            _code.Vcvtdq2ps(dot, dot);
            _code.VmulpsEach(Spare, Scale, scale);
            _code.Vfmadd231ps(Sum(row), dot, Spare);
            if (_format.HasMins)
            {
                LoadCodeSum(Spare, row);
                _code.Vcvtdq2ps(Spare, Spare);
                _code.VmulpsEach(Spare, Spare, scale);
                _code.Vfmadd231ps(Sum(row), Min, Spare);
            }
        }
    }

    private void SuperGroup()
    {
        Clear(Spare);
        _frame.ForEachOutput((_, output) => _code.Vmovups(output, Spare));
        _code.Mov(GeneralRegister.Rax, TileFrame.Field(nameof(TileCall.Blocks)));
        _code.Mov(TileFrame.BlocksLeft, GeneralRegister.Rax);
        Label nextSuper = _code.Here();
        for (int row = 0; row < _rows; row++)
        {
            Clear(Sum(row));
            if (_format.HasMins)
            {
                Clear(Low(row));
            }
        }

        _code.Add(TileFrame.Weights, _format.HeadBytes);
        _code.Mov(TileFrame.Count, _format.BlocksTogether);
        Label next = _code.Here();
        Prefetch();
        LoadCodes(_format.ScaleBytes);
        LoadBlockScales();
        ForFourRows(SuperRows);
        _code.Add(TileFrame.Weights, _format.ScaleBytes + _format.CodeBytes);
        _code.Add(_frame.Codes.Start, 32);
        _code.Add(_frame.CodeSums.Start, 2 * sizeof(int));
        _code.Sub(TileFrame.Count, 1);
        _code.JumpIfNotZero(next);

        FinishSuper();
        _code.Add(_frame.Scales.Start, _format.BlocksTogether * sizeof(float));
        _code.Sub(TileFrame.BlocksLeft, 1);
        _code.JumpIfNotZero(nextSuper);
    }

    // Sixteen 8-bit scales, and as many minima, or as many scales of the second half of the columns.
    private void LoadBlockScales()
    {
        var scales = new MemoryOperand(TileFrame.Weights);
        if (_format.ScalesPerBlock == 2)
        {
            _code.Vpmovsxbd(Scale, scales);
            _code.Vpmovsxbd(Min, scales.Plus(16));
        }
        else
        {
            _code.Vpmovzxbd(Scale, scales);
            _code.Vpmovzxbd(Min, scales.Plus(16));
        }

        _code.Vcvtdq2ps(Scale, Scale);
        _code.Vcvtdq2ps(Min, Min);
    }

    private void SuperRows(int first, int count)
    {
        if (_format.ScalesPerBlock == 2)
        {
            for (int half = 0; half < 2; half++)
            {
                DotProducts(first, count, 4 * half, 4);
                for (int row = first; row < first + count; row++)
                {
                    _code.Vcvtdq2ps(Dot(row - first), Dot(row - first));
                    _code.Vfmadd231ps(Sum(row), Dot(row - first), half == 0 ? Scale : Min);
                }
            }

            return;
        }

        DotProducts(first, count, 0, 8);
        for (int row = first; row < first + count; row++)
        {
            _code.Vcvtdq2ps(Dot(row - first), Dot(row - first));
            _code.Vfmadd231ps(Sum(row), Dot(row - first), Scale);
            LoadCodeSum(Spare, row);
            _code.Vcvtdq2ps(Spare, Spare);
            _code.Vfmadd231ps(Low(row), Min, Spare);
        }
    }

    // The block's own scale and minimum, and the activations' scale.
    private void FinishSuper()
    {
        var head = new MemoryOperand(TileFrame.Weights, -_format.BlockBytes);
        (Zmm scale, Zmm min, Zmm product, Zmm sum) = (Dot(0), Dot(1), Dot(2), Dot(3));
        _code.Vcvtph2ps(scale, head);
        if (_format.HasMins)
        {
            _code.Vcvtph2ps(min, head.Plus(32));
        }

        _frame.ForEachOutput((row, output) =>
        {
            if (row % RowsTogether == 0)
            {
                _frame.Scales.Seek(_code, row);
            }

            _code.Vmulps(product, scale, Sum(row));
            if (_format.HasMins)
            {
                _code.Vfnmadd231ps(product, min, Low(row));
            }

            _code.Vmovups(sum, output);
            _code.Vfmadd231psEach(sum, product, _frame.Scales.At(row, 0));
            _code.Vmovups(output, sum);
        });
    }

    private void ForFourRows(Action<int, int> write)
    {
        for (int first = 0; first < _rows; first += RowsTogether)
        {
            _frame.Codes.Seek(_code, first);
            _frame.CodeSums.Seek(_code, first);
            write(first, Math.Min(RowsTogether, _rows - first));
        }
    }

    // Exact dot products of rows with weights k to k + count - 1, in Dot(0) and on. Few rows have several chains each, which are added at the end.
    private void DotProducts(int first, int rows, int k, int count)
    {
        int chains = RowsTogether / rows;
        for (int row = 0; row < rows; row++)
        {
            StartDot(Dot(row), first + row, k, count);
            for (int chain = 1; chain < chains; chain++)
            {
                Clear(Dot(row + (chain * rows)));
            }
        }

        for (int at = k; at < k + count; at++)
        {
            for (int row = 0; row < rows; row++)
            {
                _code.VpdpbusdEach(Dot(row + (at % chains * rows)), Weight(at), _frame.Codes.At(first + row, 4 * at));
            }
        }

        for (int chain = 1; chain < chains; chain++)
        {
            for (int row = 0; row < rows; row++)
            {
                _code.Vpaddd(Dot(row), Dot(row), Dot(row + (chain * rows)));
            }
        }
    }

    // -offset * (sum of the activation codes), which takes out what the offset adds to the products.
    private void StartDot(Zmm dot, int row, int k, int count)
    {
        if (_format.Offset == 0)
        {
            Clear(dot);
            return;
        }

        int sum = k / 4 * sizeof(int);
        _code.VpsubdEach(dot, Zero, _frame.CodeSums.At(row, sum));
        if (count == 8)
        {
            _code.VpsubdEach(dot, dot, _frame.CodeSums.At(row, sum + sizeof(int)));
        }

        _code.Vpslld(dot, dot, BitOperations.Log2((uint)_format.Offset));
    }

    private void LoadCodeSum(Zmm target, int row)
    {
        _code.VpbroadcastdEach(target, _frame.CodeSums.At(row, 0));
        _code.VpadddEach(target, target, _frame.CodeSums.At(row, sizeof(int)));
    }

    private void LoadCodes(int offset)
    {
        var codes = new MemoryOperand(TileFrame.Weights, offset);
        if (_format.Codes == TileCodes.Bytes)
        {
            for (int k = 0; k < 8; k++)
            {
                _code.Vmovdqu32(Weight(k), codes.Plus(64 * k));
            }

            return;
        }

        for (int k = 0; k < 4; k++)
        {
            _code.Vmovdqu32(Weight(4 + k), codes.Plus(64 * k));
            _code.Vpandd(Weight(k), Weight(4 + k), Nibble);
            _code.Vpsrlw(Weight(4 + k), Weight(4 + k), 4);
            _code.Vpandd(Weight(4 + k), Weight(4 + k), Nibble);
        }

        if (_format.Codes == TileCodes.NibblesAndBits)
        {
            _code.Vmovdqu32(Dot(0), codes.Plus(256));
            for (int k = 0; k < 8; k++)
            {
                MergeUpper(k, Dot(0), 4 - k);
            }
        }
        else if (_format.Codes == TileCodes.NibblesAndPairs)
        {
            _code.Vmovdqu32(Dot(0), codes.Plus(256));
            _code.Vmovdqu32(Dot(1), codes.Plus(320));
            for (int k = 0; k < 8; k++)
            {
                MergeUpper(k, Dot(k / 4), 4 - (2 * (k % 4)));
            }
        }
    }

    // Bits that cross into a neighbouring byte are masked out.
    private void MergeUpper(int k, Zmm upper, int shift)
    {
        const byte OrMasked = 0xF8; // a | (b & c)
        Zmm shifted = shift == 0 ? upper : Dot(2 + (k % 2));
        if (shift > 0)
        {
            _code.Vpsllw(shifted, upper, shift);
        }
        else if (shift < 0)
        {
            _code.Vpsrlw(shifted, upper, -shift);
        }

        _code.VpternlogdEach(Weight(k), shifted, TileFrame.UpperMask, OrMasked);
    }

    private void Prefetch()
    {
        if (_prefetchBytes == 0)
        {
            return;
        }

        for (int at = 0; at < _format.ScaleBytes + _format.CodeBytes; at += 64)
        {
            _code.PrefetchT0(new MemoryOperand(TileFrame.Weights, _prefetchBytes + at));
        }
    }

    private void Clear(Zmm register) => _code.Vpxord(register, register, register);
}

using System.Numerics;
using HelixFlow.Engine.Cpu.Matrices;

namespace HelixFlow.Engine.Cpu.MachineCode;

/// <summary>Writes the kernel of one format for a number of activation rows.</summary>
/// <remarks>
/// A register of weights holds four inputs of 16 outputs. As soon as it is unpacked it meets all rows of the tile, each row having its own dot
/// product; the four activations of a lane come straight from memory, spread by the instruction itself. Eight chains of dot products hide
/// their latency, and six rows leave less than 3 % of the multipliers' time unused beside scaling. Int32 sums are exact, so only the order of the
/// floating-point steps matters: it is the one that all kernels of the layout follow.
/// </remarks>
internal sealed class TileKernelWriter
{
    /// <summary>Rows that leave enough registers, vector and general ones.</summary>
    public const int MaxRows = ActivationArray.MaxRows;

    // Registers: 0 to 7 the sums of the rows, 8 to 15 their sums of minima, 16 to 23 dot products, 24 and on the weights of one load.
    private static readonly Zmm LowCodes = new(24);
    private static readonly Zmm HighCodes = new(25);
    private static readonly Zmm Upper = new(26);
    private static readonly Zmm Shifted = new(27);
    private static readonly Zmm Scale = new(28);
    private static readonly Zmm Min = new(29);
    private static readonly Zmm Spare = new(30);
    private static readonly Zmm Nibble = new(31);

    private readonly Assembler _code;
    private readonly TileFormat _format;
    private readonly TileFrame _frame;
    private readonly int _rows;
    private readonly int _chains; // of dot products for each row, added at the end
    private readonly int _prefetchBytes;

    private TileKernelWriter(Assembler code, TileFormat format, int rows, int prefetchBytes)
    {
        (_code, _format, _rows, _prefetchBytes) = (code, format, rows, prefetchBytes);
        _chains = Math.Clamp((format.ScalesPerBlock == 2 ? 4 : 8) / rows, 1, 4);
        _frame = new TileFrame(code, rows);
    }

    /// <summary>Appends a kernel, a function of the address of a <see cref="TileCall"/> in the System V convention.</summary>
    /// <param name="code">Where to.</param>
    /// <param name="format">The layout of the weights.</param>
    /// <param name="rows">1 to <see cref="MaxRows"/>.</param>
    /// <param name="prefetchBytes">How far ahead of the weights in use memory is asked for; 0 to leave it to the processor.</param>
    public static void Write(Assembler code, TileFormat format, int rows, int prefetchBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, MaxRows);
        var kernel = new TileKernelWriter(code, format, rows, prefetchBytes);
        kernel._frame.Write(kernel.Prepare, format.IsSuper ? kernel.SuperGroup : kernel.PlainGroup);
    }

    private static Zmm Sum(int row) => new(row);

    private static Zmm Low(int row) => new(8 + row);

    private Zmm Dot(int row, int chain = 0) => new(16 + row + (chain * _rows));

    // Zeros to subtract from, in formats with an offset: these have no minima, but Q6_K has other scales in their register.
    private Zmm Zero => _format.IsSuper ? Low(0) : Min;

    private void Prepare()
    {
        if (_format.Codes != TileCodes.Bytes)
        {
            _code.Mov(TileFrame.NibbleMask, 0x0F0F0F0F);
            _code.VpbroadcastdEach(Nibble, TileFrame.NibbleMask);
        }

        if (_format.HasUpperBits)
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
        ForRows(row => Clear(Sum(row)));
        _code.Mov(TileFrame.Count, TileFrame.Field(nameof(TileCall.Blocks)));
        Label next = _code.Here();
        Prefetch();
        StartDots(half: null);
        AddProducts(half: null);
        EndDots();
        ScalePlain();
        _code.Add(TileFrame.Weights, _format.BlockBytes);
        _frame.Codes.Advance(_code, _rows, 32);
        _frame.CodeSums.Advance(_code, _rows, 2 * sizeof(int));
        _frame.Scales.Advance(_code, _rows, sizeof(float));
        _code.Sub(TileFrame.Count, 1);
        _code.JumpIfNotZero(next);
        _frame.ForEachOutput((row, output) => _code.Vmovups(output, Sum(row)));
    }

    private void ScalePlain()
    {
        _code.Vcvtph2ps(Scale, new MemoryOperand(TileFrame.Weights));
        if (_format.HasMins)
        {
            _code.Vcvtph2ps(Min, new MemoryOperand(TileFrame.Weights, 32));
        }

        ForRows(row =>
        {
            MemoryOperand scale = _frame.Scales.At(row, 0);
            _code.VmulpsEach(Spare, Scale, scale);
            _code.Vfmadd231ps(Sum(row), Dot(row), Spare);
            if (_format.HasMins)
            {
                LoadCodeSum(Spare, row);
                _code.VmulpsEach(Spare, Spare, scale);
                _code.Vfmadd231ps(Sum(row), Min, Spare);
            }
        });
    }

    private void SuperGroup()
    {
        Clear(Spare);
        _frame.ForEachOutput((_, output) => _code.Vmovups(output, Spare));
        _code.Mov(GeneralRegister.Rax, TileFrame.Field(nameof(TileCall.Blocks)));
        _code.Mov(TileFrame.BlocksLeft, GeneralRegister.Rax);
        Label nextSuper = _code.Here();
        ForRows(row => Clear(Sum(row)));
        if (_format.HasMins)
        {
            ForRows(row => Clear(Low(row)));
        }

        _code.Add(TileFrame.Weights, _format.HeadBytes);
        _code.Mov(TileFrame.Count, _format.BlocksTogether);
        Label next = _code.Here();
        Prefetch();
        AddPart();
        _code.Add(TileFrame.Weights, _format.ScaleBytes + _format.CodeBytes);
        _frame.Codes.Advance(_code, _rows, 32);
        _frame.CodeSums.Advance(_code, _rows, 2 * sizeof(int));
        _code.Sub(TileFrame.Count, 1);
        _code.JumpIfNotZero(next);

        FinishSuper();
        _frame.Scales.Advance(_code, _rows, _format.BlocksTogether * sizeof(float));
        _code.Sub(TileFrame.BlocksLeft, 1);
        _code.JumpIfNotZero(nextSuper);
    }

    // 32 columns of a K type.
    private void AddPart()
    {
        var scales = new MemoryOperand(TileFrame.Weights);
        if (_format.ScalesPerBlock == 2)
        {
            for (int half = 0; half < 2; half++)
            {
                StartDots(half);
                AddProducts(half);
                EndDots();
                _code.Vpmovsxbd(Scale, scales.Plus(16 * half));
                _code.Vcvtdq2ps(Scale, Scale);
                ForRows(row => _code.Vfmadd231ps(Sum(row), Dot(row), Scale));
            }

            return;
        }

        StartDots(half: null);
        AddProducts(half: null);
        EndDots();
        _code.Vpmovzxbd(Scale, scales);
        _code.Vpmovzxbd(Min, scales.Plus(16));
        _code.Vcvtdq2ps(Scale, Scale);
        _code.Vcvtdq2ps(Min, Min);
        ForRows(row =>
        {
            LoadCodeSum(Spare, row);
            _code.Vfmadd231ps(Sum(row), Dot(row), Scale);
            _code.Vfmadd231ps(Low(row), Min, Spare);
        });
    }

    // The block's own scale and minimum, and the activations' scale.
    private void FinishSuper()
    {
        var head = new MemoryOperand(TileFrame.Weights, -_format.BlockBytes);
        (Zmm product, Zmm sum) = (Spare, Shifted);
        _code.Vcvtph2ps(Scale, head);
        if (_format.HasMins)
        {
            _code.Vcvtph2ps(Min, head.Plus(32));
        }

        _frame.ForEachOutput((row, output) =>
        {
            _code.Vmulps(product, Scale, Sum(row));
            if (_format.HasMins)
            {
                _code.Vfnmadd231ps(product, Min, Low(row));
            }

            _code.Vmovups(sum, output);
            _code.Vfmadd231psEach(sum, product, _frame.Scales.At(row, 0));
            _code.Vmovups(output, sum);
        });
    }

    // -offset * (sum of the activation codes), which takes out what the offset adds to the products; of 16 columns or of all 32.
    private void StartDots(int? half)
    {
        ForRows(row =>
        {
            if (_format.Offset == 0)
            {
                Clear(Dot(row));
            }
            else
            {
                _code.VpsubdEach(Dot(row), Zero, _frame.CodeSums.At(row, (half ?? 0) * sizeof(int)));
                if (half is null)
                {
                    _code.VpsubdEach(Dot(row), Dot(row), _frame.CodeSums.At(row, sizeof(int)));
                }

                _code.Vpslld(Dot(row), Dot(row), BitOperations.Log2((uint)_format.Offset));
            }

            for (int chain = 1; chain < _chains; chain++)
            {
                Clear(Dot(row, chain));
            }
        });
    }

    // Weight k is inputs 4k to 4k + 3 of 32; k and k + 4 share the bytes of a load of nibbles.
    private void AddProducts(int? half)
    {
        var codes = new MemoryOperand(TileFrame.Weights, _format.ScaleBytes);
        if (_format.Codes == TileCodes.Bytes)
        {
            for (int k = 0; k < 8; k++)
            {
                Zmm weight = new(LowCodes.Number + (k % 4));
                _code.Vmovdqu32(weight, codes.Plus(64 * k));
                AddProducts(k, weight, k % _chains);
            }

            return;
        }

        LoadUpper(codes.Plus(256), half);
        for (int k = 0; k < 4; k++)
        {
            _code.Vmovdqu32(HighCodes, codes.Plus(64 * k));
            if (half != 1)
            {
                _code.Vpandd(LowCodes, HighCodes, Nibble);
                MergeUpper(LowCodes, k);
            }

            if (half != 0)
            {
                _code.Vpsrlw(HighCodes, HighCodes, 4);
                _code.Vpandd(HighCodes, HighCodes, Nibble);
                MergeUpper(HighCodes, k + 4);
            }

            if (half != 1)
            {
                AddProducts(k, LowCodes, (half is null ? 2 * k : k) % _chains);
            }

            if (half != 0)
            {
                AddProducts(k + 4, HighCodes, (half is null ? (2 * k) + 1 : k) % _chains);
            }
        }
    }

    private void AddProducts(int k, Zmm weight, int chain) =>
        ForRows(row => _code.VpdpbusdEach(Dot(row, chain), weight, _frame.Codes.At(row, 4 * k)));

    private void EndDots()
    {
        for (int step = _chains / 2; step > 0; step /= 2)
        {
            for (int chain = 0; chain < step; chain++)
            {
                ForRows(row => _code.Vpaddd(Dot(row, chain), Dot(row, chain), Dot(row, chain + step)));
            }
        }

        ForRows(row => _code.Vcvtdq2ps(Dot(row), Dot(row)));
    }

    private void LoadCodeSum(Zmm target, int row)
    {
        _code.VpbroadcastdEach(target, _frame.CodeSums.At(row, 0));
        _code.VpadddEach(target, target, _frame.CodeSums.At(row, sizeof(int)));
        _code.Vcvtdq2ps(target, target);
    }

    private void LoadUpper(MemoryOperand upper, int? half)
    {
        if (_format.HasUpperBits)
        {
            _code.Vmovdqu32(Upper, upper.Plus((half ?? 0) * 64));
        }
    }

    // Brings the upper bits of weight k to bits 4 and 5; what comes from neighbouring bytes is masked out.
    private void MergeUpper(Zmm weight, int k)
    {
        const byte OrMasked = 0xF8; // a | (b & c)
        int shift;
        switch (_format.Codes)
        {
            case TileCodes.NibblesAndBits:
                shift = 4 - k;
                break;
            case TileCodes.NibblesAndPairs:
                shift = 4 - (2 * (k % 4));
                break;
            default:
                return;
        }

        if (shift > 0)
        {
            _code.Vpsllw(Shifted, Upper, shift);
        }
        else if (shift < 0)
        {
            _code.Vpsrlw(Shifted, Upper, -shift);
        }

        _code.VpternlogdEach(weight, shift == 0 ? Upper : Shifted, TileFrame.UpperMask, OrMasked);
    }

    private void Prefetch()
    {
        for (int at = 0; _prefetchBytes > 0 && at < _format.ScaleBytes + _format.CodeBytes; at += 64)
        {
            _code.PrefetchT0(new MemoryOperand(TileFrame.Weights, _prefetchBytes + at));
        }
    }

    private void Clear(Zmm register) => _code.Vpxord(register, register, register);

    private void ForRows(Action<int> write)
    {
        for (int row = 0; row < _rows; row++)
        {
            write(row);
        }
    }
}

using HelixFlow.Engine.Cpu.Matrices;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Tests.MachineCode;

/// <summary>Random interleaved weights and activations of one shape, and their products by a plain loop that reads the layout as it is documented.</summary>
/// <remarks>
/// Nothing here is shared with the kernels under test. Unused bytes hold noise, so that a kernel which reads them is found out.
/// </remarks>
internal sealed unsafe class TileProblem
{
    private readonly TensorType _type;
    private readonly int _rows;
    private readonly int _groups;
    private readonly int _blocks;
    private readonly int _columns;
    private readonly int _groupBytes;
    private readonly byte[] _weights;
    private readonly sbyte[] _codes;
    private readonly float[] _scales;
    private readonly int[] _sums;
    private readonly int _columnStride; // in columns, more than there are

    public TileProblem(TensorType type, int rows, int groups, int blocks, bool extreme, Random random)
    {
        (_type, _rows, _groups, _blocks) = (type, rows, groups, blocks);
        _columns = blocks * BlockColumns(type);
        _columnStride = _columns + (32 * random.Next(3));
        _groupBytes = ((blocks * BlockBytes(type)) + 63) / 64 * 64;
        _weights = new byte[groups * _groupBytes];
        random.NextBytes(_weights);
        for (int group = 0; group < groups; group++)
        {
            for (int block = 0; block < blocks; block++)
            {
                FillBlock(_weights.AsSpan((group * _groupBytes) + (block * BlockBytes(type)), BlockBytes(type)), extreme, random);
            }
        }

        _codes = new sbyte[rows * _columnStride];
        _scales = new float[rows * _columnStride / 32];
        _sums = new int[rows * _columnStride / 16];
        for (int i = 0; i < _codes.Length; i++)
        {
            _codes[i] = (sbyte)(extreme ? (i / _columnStride % 2 == 0 ? 127 : -127) : random.Next(-127, 128));
            _sums[i / 16] += _codes[i];
        }

        int shared = BlockColumns(type) / 32;
        for (int row = 0; row < rows; row++)
        {
            for (int i = 0; i < _columnStride / 32; i++)
            {
                int at = (row * _columnStride / 32) + i;
                _scales[at] = i % shared == 0 ? (shared == 1 ? (float)(Half)random.NextDouble() : (float)random.NextDouble()) : _scales[at - 1];
            }
        }
    }

    /// <summary>Products [row, output], with room after each row that must stay as it is.</summary>
    public float[] Run(delegate* unmanaged<TileCall*, void> kernel)
    {
        const int Room = 5;
        int stride = (16 * _groups) + Room;
        float[] output = new float[_rows * stride];
        Array.Fill(output, float.NaN);
        float[] products = new float[_rows * 16 * _groups];
        byte* aligned = (byte*)System.Runtime.InteropServices.NativeMemory.AlignedAlloc((nuint)_weights.Length, 64);
        _weights.CopyTo(new Span<byte>(aligned, _weights.Length));
        fixed (sbyte* codes = _codes)
        fixed (float* scales = _scales, sums = output)
        fixed (int* codeSums = _sums)
        {
            var call = new TileCall
            {
                Weights = aligned,
                GroupStride = _groupBytes,
                Groups = _groups,
                Blocks = _blocks,
                Codes = codes,
                CodesStride = _columnStride,
                Scales = scales,
                ScalesStride = _columnStride / 32 * sizeof(float),
                CodeSums = codeSums,
                CodeSumsStride = _columnStride / 16 * sizeof(int),
                Sums = sums,
                SumsStride = stride * sizeof(float),
            };
            kernel(&call);
        }

        System.Runtime.InteropServices.NativeMemory.AlignedFree(aligned);
        for (int row = 0; row < _rows; row++)
        {
            output.AsSpan(row * stride, 16 * _groups).CopyTo(products.AsSpan(row * 16 * _groups));
            Assert.All(output[((row * stride) + (16 * _groups))..((row + 1) * stride)], unused => Assert.True(float.IsNaN(unused)));
        }

        return products;
    }

    /// <summary>The same by the plain loop.</summary>
    public float[] Expected()
    {
        float[] products = new float[_rows * 16 * _groups];
        for (int i = 0; i < products.Length; i++)
        {
            int row = i / (16 * _groups);
            int output = i % (16 * _groups);
            ReadOnlySpan<byte> group = _weights.AsSpan(output / 16 * _groupBytes, _groupBytes);
            float sum = 0;
            for (int block = 0; block < _blocks; block++)
            {
                ReadOnlySpan<byte> bytes = group.Slice(block * BlockBytes(_type), BlockBytes(_type));
                sum = BlockColumns(_type) == 32 ? AddBlock(sum, bytes, output % 16, row, block * 32) : AddSuper(sum, bytes, output % 16, row, block * 256);
            }

            products[i] = sum;
        }

        return products;
    }

    private static int BlockColumns(TensorType type) => type is TensorType.Q4_K or TensorType.Q5_K or TensorType.Q6_K ? 256 : 32;

    private static int BlockBytes(TensorType type) => type switch
    {
        TensorType.Q8_0 or TensorType.Q5_0 => 32 + 512,
        TensorType.Q5_1 => 64 + 512,
        TensorType.Q4_0 => 32 + 256,
        TensorType.Q4_1 => 64 + 256,
        TensorType.Q4_K => 64 + (8 * (32 + 256)),
        TensorType.Q5_K => 64 + (8 * (32 + 256 + 64)),
        TensorType.Q6_K => 64 + (8 * (32 + 256 + 128)),
        _ => throw new ArgumentOutOfRangeException(nameof(type)),
    };

    private static int Offset(TensorType type) => type switch
    {
        TensorType.Q8_0 => 128,
        TensorType.Q5_0 => 16,
        TensorType.Q4_0 => 8,
        TensorType.Q6_K => 32,
        _ => 0,
    };

    private void FillBlock(Span<byte> block, bool extreme, Random random)
    {
        bool plain = BlockColumns(_type) == 32;
        int halves = plain ? (_type is TensorType.Q4_1 or TensorType.Q5_1 ? 32 : 16) : _type == TensorType.Q6_K ? 16 : 32;
        if (extreme)
        {
            block.Fill(255);
        }

        if (_type is TensorType.Q5_0 or TensorType.Q5_1)
        {
            foreach (ref byte code in block)
            {
                code &= 31;
            }
        }

        for (int i = 0; i < halves; i++)
        {
            BitConverter.TryWriteBytes(block[(2 * i)..], (Half)((random.NextDouble() - 0.5) * (random.Next(8) == 0 ? 1e-5 : 0.1)));
        }

        // 6-bit scales and minima; Q6_K's scales are any signed byte.
        for (int sub = 0; !plain && _type != TensorType.Q6_K && sub < 8; sub++)
        {
            foreach (ref byte scale in block.Slice(64 + (sub * ((BlockBytes(_type) - 64) / 8)), 32))
            {
                scale &= 63;
            }
        }
    }

    // Code without its offset taken out, of input i of 32.
    private int Code(ReadOnlySpan<byte> codes, int output, int i)
    {
        int low(ReadOnlySpan<byte> from) => (from[(i % 16 / 4 * 64) + (4 * output) + (i % 4)] >> (i < 16 ? 0 : 4)) & 15;
        switch (_type)
        {
            case TensorType.Q8_0 or TensorType.Q5_0 or TensorType.Q5_1:
                return codes[(i / 4 * 64) + (4 * output) + (i % 4)];
            case TensorType.Q5_K:
                int bit = (4 * (i / 16)) + (i % 16 / 4);
                return low(codes) + (((codes[256 + (4 * output) + (i % 4)] >> bit) & 1) << 4);
            case TensorType.Q6_K:
                return low(codes) + (((codes[256 + (i / 16 * 64) + (4 * output) + (i % 4)] >> (2 * (i % 16 / 4))) & 3) << 4);
            default:
                return low(codes);
        }
    }

    private (int Dot, int CodeSum) Dot(ReadOnlySpan<byte> codes, int output, int row, int column, int from, int to)
    {
        int dot = 0;
        int codeSum = 0;
        for (int i = from; i < to; i++)
        {
            int activation = _codes[(row * _columnStride) + column + i];
            dot += Code(codes, output, i) * activation;
            codeSum += activation;
        }

        return (dot - (Offset(_type) * codeSum), codeSum);
    }

    private float AddBlock(float sum, ReadOnlySpan<byte> block, int output, int row, int column)
    {
        bool mins = _type is TensorType.Q4_1 or TensorType.Q5_1;
        float scale = _scales[((row * _columnStride) + column) / 32];
        (int dot, int codeSum) = Dot(block[(mins ? 64 : 32)..], output, row, column, 0, 32);
        sum = MathF.FusedMultiplyAdd(dot, HalfAt(block, output) * scale, sum);
        return mins ? MathF.FusedMultiplyAdd(HalfAt(block, 16 + output), scale * codeSum, sum) : sum;
    }

    private float AddSuper(float sum, ReadOnlySpan<byte> block, int output, int row, int column)
    {
        float scale = _scales[((row * _columnStride) + column) / 32];
        int subBytes = (BlockBytes(_type) - 64) / 8;
        float part = 0;
        float low = 0;
        for (int sub = 0; sub < 8; sub++)
        {
            ReadOnlySpan<byte> bytes = block.Slice(64 + (sub * subBytes), subBytes);
            if (_type == TensorType.Q6_K)
            {
                part = MathF.FusedMultiplyAdd(Dot(bytes[32..], output, row, column + (32 * sub), 0, 16).Dot, (sbyte)bytes[output], part);
                part = MathF.FusedMultiplyAdd(Dot(bytes[32..], output, row, column + (32 * sub), 16, 32).Dot, (sbyte)bytes[16 + output], part);
                continue;
            }

            (int dot, int codeSum) = Dot(bytes[32..], output, row, column + (32 * sub), 0, 32);
            part = MathF.FusedMultiplyAdd(dot, bytes[output], part);
            low = MathF.FusedMultiplyAdd(bytes[16 + output], codeSum, low);
        }

        float product = HalfAt(block, output) * part;
        if (_type != TensorType.Q6_K)
        {
            product = MathF.FusedMultiplyAdd(-HalfAt(block, 16 + output), low, product);
        }

        return MathF.FusedMultiplyAdd(product, scale, sum);
    }

    private static float HalfAt(ReadOnlySpan<byte> block, int index) => (float)BitConverter.ToHalf(block[(2 * index)..]);
}

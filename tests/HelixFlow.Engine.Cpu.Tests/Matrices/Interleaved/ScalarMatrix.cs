using HelixFlow.Engine.Cpu.Matrices.Interleaved;
using HelixFlow.Engine.Cpu.Quantisation;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Tests.Matrices.Interleaved;

/// <summary>
/// What interleaved matrices compute and how they are stored, one number at a time from the stored blocks: the sums have to agree to the bit, and the packed
/// bytes to the byte.
/// </summary>
internal sealed unsafe class ScalarMatrix
{
    private readonly TensorType _type;
    private readonly int _rows;
    private readonly int _columns;
    private readonly ScalarBlock[,] _blocks; // [row, column block]

    public ScalarMatrix(StoredTensor tensor)
    {
        (_type, _rows, _columns) = (tensor.Type, tensor.Rows, tensor.Columns);
        int perRow = tensor.Columns / _type.BlockElements();
        _blocks = new ScalarBlock[_rows, perRow];
        for (int row = 0; row < _rows; row++)
        {
            for (int i = 0; i < perRow; i++)
            {
                byte* block = tensor.Data + (((row * (long)perRow) + i) * _type.BlockBytes());
                _blocks[row, i] = new ScalarBlock(_type, new ReadOnlySpan<byte>(block, _type.BlockBytes()));
            }
        }
    }

    /// <summary>The product of an output row and an activation row.</summary>
    public float Product(int output, QuantisedRows input, int row)
    {
        float sum = 0;
        for (int i = 0; i < _blocks.GetLength(1); i++)
        {
            ScalarBlock block = _blocks[output, i];
            int column = i * block.Codes.Length;
            sum = _type switch
            {
                TensorType.Q4_K or TensorType.Q5_K => AddSuperBlock(sum, block, input, row, column),
                TensorType.Q6_K => AddSixBits(sum, block, input, row, column),
                _ => AddBlock(sum, block, input, row, column),
            };
        }

        return sum;
    }

    /// <summary>The bytes of all groups.</summary>
    public byte[] Pack()
    {
        InterleavedLayout layout = InterleavedLayout.Of(_type);
        byte[] packed = new byte[InterleavedLayout.Groups(_rows) * layout.GroupBytes(_columns)];
        for (int row = 0; row < _rows; row++)
        {
            for (int i = 0; i < _blocks.GetLength(1); i++)
            {
                long at = (row / 16 * layout.GroupBytes(_columns)) + (i * layout.BlockBytes);
                PackBlock(_blocks[row, i], row % 16, packed.AsSpan(checked((int)at), layout.BlockBytes));
            }
        }

        return packed;
    }

    private float AddBlock(float sum, ScalarBlock block, QuantisedRows input, int row, int column)
    {
        float scale = input.Scales(row)[column / 32];
        int codeSum = CodeSum(input, row, column, 32);
        int dot = Dot(block, 0, 32, input, row, column) - (ScalarBlock.Offset(_type) * codeSum);
        sum = MathF.FusedMultiplyAdd(dot, (float)block.Scale * scale, sum);
        return _type is TensorType.Q4_1 or TensorType.Q5_1 ? MathF.FusedMultiplyAdd((float)block.Min, scale * codeSum, sum) : sum;
    }

    private static float AddSuperBlock(float sum, ScalarBlock block, QuantisedRows input, int row, int column)
    {
        float high = 0, low = 0;
        for (int part = 0; part < 8; part++)
        {
            high = MathF.FusedMultiplyAdd(Dot(block, 32 * part, 32, input, row, column), block.Scales[part], high);
            low = MathF.FusedMultiplyAdd(block.Mins[part], CodeSum(input, row, column + (32 * part), 32), low);
        }

        float t = (float)block.Scale * high;
        t = MathF.FusedMultiplyAdd(-(float)block.Min, low, t);
        return MathF.FusedMultiplyAdd(t, input.Scales(row)[column / 32], sum);
    }

    private static float AddSixBits(float sum, ScalarBlock block, QuantisedRows input, int row, int column)
    {
        float high = 0;
        for (int part = 0; part < 16; part++)
        {
            int dot = Dot(block, 16 * part, 16, input, row, column) - (32 * CodeSum(input, row, column + (16 * part), 16));
            high = MathF.FusedMultiplyAdd(dot, block.Scales[part], high);
        }

        return MathF.FusedMultiplyAdd((float)block.Scale * high, input.Scales(row)[column / 32], sum);
    }

    private static int Dot(ScalarBlock block, int first, int count, QuantisedRows input, int row, int column)
    {
        int dot = 0;
        for (int i = first; i < first + count; i++)
        {
            dot += block.Codes[i] * input.Codes(row)[column + i];
        }

        return dot;
    }

    private static int CodeSum(QuantisedRows input, int row, int column, int count)
    {
        int sum = 0;
        for (int i = 0; i < count; i++)
        {
            sum += input.Codes(row)[column + i];
        }

        return sum;
    }

    private void PackBlock(ScalarBlock block, int row, Span<byte> packed)
    {
        BitConverter.TryWriteBytes(packed[(2 * row)..], block.Scale);
        switch (_type)
        {
            case TensorType.Q4_0:
                PackNibbles(block, 0, row, packed[32..]);
                break;
            case TensorType.Q4_1:
                BitConverter.TryWriteBytes(packed[(32 + (2 * row))..], block.Min);
                PackNibbles(block, 0, row, packed[64..]);
                break;
            case TensorType.Q5_0 or TensorType.Q8_0:
                PackBytes(block, row, packed[32..]);
                break;
            case TensorType.Q5_1:
                BitConverter.TryWriteBytes(packed[(32 + (2 * row))..], block.Min);
                PackBytes(block, row, packed[64..]);
                break;
            case TensorType.Q6_K:
                PackSixBits(block, row, packed[64..]);
                break;
            default:
                BitConverter.TryWriteBytes(packed[(32 + (2 * row))..], block.Min);
                PackParts(block, row, packed[64..]);
                break;
        }
    }

    private static void PackBytes(ScalarBlock block, int row, Span<byte> packed)
    {
        for (int i = 0; i < 32; i++)
        {
            packed[(i / 4 * 64) + (4 * row) + (i % 4)] = block.Codes[i];
        }
    }

    private static void PackNibbles(ScalarBlock block, int first, int row, Span<byte> packed)
    {
        for (int i = 0; i < 32; i++)
        {
            packed[(i % 16 / 4 * 64) + (4 * row) + (i % 4)] |= (byte)((block.Codes[first + i] & 15) << (i / 16 * 4));
        }
    }

    private void PackParts(ScalarBlock block, int row, Span<byte> packed)
    {
        int partBytes = _type == TensorType.Q5_K ? 352 : 288;
        for (int part = 0; part < 8; part++, packed = packed[partBytes..])
        {
            packed[row] = (byte)block.Scales[part];
            packed[16 + row] = (byte)block.Mins[part];
            PackNibbles(block, 32 * part, row, packed[32..]);
            for (int i = 0; i < 32 && _type == TensorType.Q5_K; i++)
            {
                int bit = (i / 16 * 4) + (i % 16 / 4);
                packed[288 + (4 * row) + (i % 4)] |= (byte)((block.Codes[(32 * part) + i] >> 4) << bit);
            }
        }
    }

    private static void PackSixBits(ScalarBlock block, int row, Span<byte> packed)
    {
        for (int part = 0; part < 8; part++, packed = packed[416..])
        {
            packed[row] = (byte)block.Scales[2 * part];
            packed[16 + row] = (byte)block.Scales[(2 * part) + 1];
            PackNibbles(block, 32 * part, row, packed[32..]);
            for (int i = 0; i < 32; i++)
            {
                packed[288 + (i / 16 * 64) + (4 * row) + (i % 4)] |= (byte)((block.Codes[(32 * part) + i] >> 4) << (i % 16 / 4 * 2));
            }
        }
    }
}

using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu;

/// <summary>
/// A quantised matrix, repacked so that one multiplication of bytes advances 8 output rows.
/// </summary>
/// <remarks>
/// All block types become the same: a weight is d * (u - z) or d * u + m, with u an unsigned integer of 4 or 8 bits. For each group of 8 rows
/// and each block of 32 (Q6_K: 16) inputs there are 8 factors d, 8 terms c (-d * z or m), and the quants, interleaved so that 32 bytes hold
/// 4 consecutive inputs of each of the 8 rows; with 4 bits a byte holds in its upper half the input 4 further on. The product with a block of
/// activations x = s * q is then s * (d * sum(u * q) + c * sum(q)).
/// </remarks>
internal sealed unsafe class QuantizedMatrix : DeviceWeight
{
    public const int GroupRows = 8;

    private readonly CpuMemory _quants;
    private readonly CpuMemory _factors;

    public QuantizedMatrix(StoredTensor tensor, WorkerPool pool)
        : base(tensor.Rows, tensor.Columns)
    {
        BlockSize = tensor.Type == TensorType.Q6_K ? 16 : 32;
        HasNibbles = tensor.Type is TensorType.Q4_0 or TensorType.Q4_1 or TensorType.Q4_K;
        ActivationBlock = tensor.Type.BlockElements();
        Blocks = Columns / BlockSize;
        Groups = (Rows + GroupRows - 1) / GroupRows;
        BlockBytes = GroupRows * BlockSize / (HasNibbles ? 2 : 1);
        _quants = new CpuMemory((long)Groups * Blocks * BlockBytes);
        _factors = new CpuMemory((long)Groups * Blocks * 2 * GroupRows * sizeof(float));
        pool.Run(new Packing(this, tensor));
    }

    public int BlockSize { get; }

    /// <summary>Whether two quants share a byte.</summary>
    public bool HasNibbles { get; }

    /// <summary>Activations that share a scale: 256 for the K types, as llama.cpp rounds them, else 32.</summary>
    public int ActivationBlock { get; }

    /// <summary>Blocks of a row.</summary>
    public int Blocks { get; }

    public int Groups { get; }

    /// <summary>Bytes of the quants of a group's block.</summary>
    public int BlockBytes { get; }

    /// <inheritdoc/>
    public override long SizeBytes => _quants.SizeBytes + _factors.SizeBytes;

    /// <summary>[blocks, BlockBytes] of a group.</summary>
    public byte* Quants(int group) => _quants.Pointer + ((long)group * Blocks * BlockBytes);

    /// <summary>[blocks, {d, c}, 8] of a group.</summary>
    public float* Factors(int group) => (float*)_factors.Pointer + ((long)group * Blocks * 2 * GroupRows);

    protected override void Dispose(bool disposing)
    {
        _quants.Dispose();
        _factors.Dispose();
    }

    private void PackGroup(StoredTensor tensor, int group)
    {
        byte* quants = Quants(group);
        float* factors = Factors(group);
        new Span<byte>(quants, Blocks * BlockBytes).Clear();
        new Span<float>(factors, Blocks * 2 * GroupRows).Clear();
        long rowBytes = tensor.Type.RowBytes(Columns);
        Span<byte> unpacked = stackalloc byte[32];
        for (int r = 0; r < GroupRows && (group * GroupRows) + r < Rows; r++)
        {
            byte* row = tensor.Data + (((group * (long)GroupRows) + r) * rowBytes);
            for (int b = 0; b < Blocks; b++)
            {
                (float d, float c) = BlockUnpacking.Unpack(tensor.Type, row, b, unpacked);
                factors[(b * 2 * GroupRows) + r] = d;
                factors[(b * 2 * GroupRows) + GroupRows + r] = c;
                byte* target = quants + ((long)b * BlockBytes);
                for (int i = 0; i < BlockSize; i++)
                {
                    if (HasNibbles)
                    {
                        target[(i / 8 * 32) + (r * 4) + (i % 4)] |= (byte)(unpacked[i] << (i % 8 < 4 ? 0 : 4));
                    }
                    else
                    {
                        target[(i / 4 * 32) + (r * 4) + (i % 4)] = unpacked[i];
                    }
                }
            }
        }
    }

    private sealed class Packing(QuantizedMatrix matrix, StoredTensor tensor) : ICpuWork
    {
        public void Run(int part, int parts)
        {
            for (int group = part; group < matrix.Groups; group += parts)
            {
                matrix.PackGroup(tensor, group);
            }
        }
    }
}

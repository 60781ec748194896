using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Cpu.Threads;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>Writes a stored matrix in the interleaved layout: a chunk of work is some groups of 16 rows, whose pages are first touched by who writes them.</summary>
internal sealed unsafe class InterleavedPacking(StoredTensor tensor, byte* target) : ParallelWork
{
    // Long enough for the system to map a chunk's pages together, short enough that the team ends together.
    private const int ChunkBytes = 1 << 20;

    private readonly InterleavedLayout _layout = InterleavedLayout.Of(tensor.Type);
    private readonly int _groups = InterleavedLayout.Groups(tensor.Rows);
    private readonly long _rowBytes = tensor.Type.RowBytes(tensor.Columns);

    private int GroupsPerChunk => Math.Max((int)(ChunkBytes / (_rowBytes * InterleavedLayout.Rows)), (_groups / WorkerTeam.MaxChunks) + 1);

    /// <summary>Packs all groups with all of the team.</summary>
    public void Run(WorkerTeam team) => team.Run(this, (_groups + GroupsPerChunk - 1) / GroupsPerChunk);

    public override void Run(int chunk, int worker)
    {
        int first = chunk * GroupsPerChunk;
        int end = Math.Min(first + GroupsPerChunk, _groups);
        long firstByte = first * InterleavedLayout.Rows * _rowBytes;
        long endByte = Math.Min((long)end * InterleavedLayout.Rows, tensor.Rows) * _rowBytes;
        NativeBuffer.MapForReading(tensor.Data + firstByte, endByte - firstByte);
        for (int group = first; group < end; group++)
        {
            switch (tensor.Type)
            {
                case TensorType.Q4_0:
                    Pack<Q4Packer>(group);
                    break;
                case TensorType.Q4_1:
                    Pack<Q4MinPacker>(group);
                    break;
                case TensorType.Q5_0:
                    Pack<Q5Packer>(group);
                    break;
                case TensorType.Q5_1:
                    Pack<Q5MinPacker>(group);
                    break;
                case TensorType.Q8_0:
                    Pack<Q8Packer>(group);
                    break;
                case TensorType.Q4_K:
                    Pack<Q4KPacker>(group);
                    break;
                case TensorType.Q5_K:
                    Pack<Q5KPacker>(group);
                    break;
                default:
                    Pack<Q6KPacker>(group);
                    break;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Pack<TPacker>(int group)
        where TPacker : struct, IBlockPacker
    {
        int first = group * InterleavedLayout.Rows;
        int rows = Math.Min(InterleavedLayout.Rows, tensor.Rows - first);
        byte* block = target + (group * _layout.GroupBytes(tensor.Columns));
        if (rows < InterleavedLayout.Rows)
        {
            new Span<byte>(block, checked((int)_layout.GroupBytes(tensor.Columns))).Clear();
        }

        byte* source = tensor.Data + (first * _rowBytes);
        byte* ahead = source + (InterleavedLayout.Rows * _rowBytes);
        int storedBytes = tensor.Type.BlockBytes();
        for (int column = 0; column < tensor.Columns; column += _layout.BlockColumns)
        {
            // Sixteen rows are too short for the processor to find out what comes next; asking for memory that is not there does nothing.
            for (int i = 0; i < storedBytes * InterleavedLayout.Rows && Sse.IsSupported; i += 64)
            {
                Sse.Prefetch0(ahead + i);
            }

            byte* stored = source;
            for (int row = 0; row < rows; row++, stored += _rowBytes)
            {
                TPacker.Pack(stored, block, row);
            }

            source += storedBytes;
            ahead += storedBytes * InterleavedLayout.Rows;
            block += _layout.BlockBytes;
        }
    }
}

using System.Runtime.CompilerServices;
using HelixFlow.Engine.Cpu.Threads;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>Writes a stored matrix in the interleaved layout: a chunk of work is a group of 16 rows, and its pages are first touched by who writes them.</summary>
internal sealed unsafe class InterleavedPacking(StoredTensor tensor, byte* target) : ParallelWork
{
    private readonly InterleavedLayout _layout = InterleavedLayout.Of(tensor.Type);
    private readonly int _groups = InterleavedLayout.Groups(tensor.Rows);

    /// <summary>Packs all groups with all of the team.</summary>
    public void Run(WorkerTeam team) => team.Run(this, Math.Min(_groups, WorkerTeam.MaxChunks));

    public override void Run(int chunk, int worker)
    {
        for (int group = chunk; group < _groups; group += WorkerTeam.MaxChunks)
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
        long rowBytes = tensor.Type.RowBytes(tensor.Columns);
        byte* block = target + (group * _layout.GroupBytes(tensor.Columns));
        if (rows < InterleavedLayout.Rows)
        {
            new Span<byte>(block, checked((int)_layout.GroupBytes(tensor.Columns))).Clear();
        }

        byte* source = tensor.Data + (first * rowBytes);
        for (int column = 0; column < tensor.Columns; column += _layout.BlockColumns)
        {
            byte* stored = source;
            for (int row = 0; row < rows; row++, stored += rowBytes)
            {
                TPacker.Pack(stored, block, row);
            }

            source += tensor.Type.BlockBytes();
            block += _layout.BlockBytes;
        }
    }
}

using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Elementwise;
using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Cpu.Threads;

namespace HelixFlow.Engine.Cpu.Projections;

/// <summary>Multiplies rows by a gate and by its companion and joins both while they are in the cache: a chunk is a run of strips of both.</summary>
internal sealed unsafe class GatedWork(ProductInput input, ChunkPlan plan) : ParallelWork
{
    public Product Gate { get; set; }

    public Product Up { get; set; }

    public Activation Activation { get; set; }

    public override void Run(int chunk, int worker)
    {
        (int firstStrip, int endStrip) = plan[chunk];
        Gate.Multiply(input, firstStrip, endStrip);
        Up.Multiply(input, firstStrip, endStrip);

        (CpuTensor gate, CpuTensor up) = (Gate.Output, Up.Output);
        int first = firstStrip * Product.StripRows;
        int count = Math.Min(endStrip * Product.StripRows, gate.Columns) - first;
        for (int row = 0; row < gate.Rows; row++)
        {
            RowOperations.GatedActivation(gate.Row(row) + first, up.Row(row) + first, count, Activation);
        }
    }
}

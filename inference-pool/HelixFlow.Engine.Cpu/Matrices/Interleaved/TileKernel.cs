namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>A kernel of interleaved weights and the activation rows that it takes at once.</summary>
/// <param name="rows">At least 1.</param>
/// <param name="entry">Managed or machine code; valid for as long as it is used.</param>
internal readonly unsafe struct TileKernel(int rows, delegate*<TileCall*, void> entry)
{
    public int Rows { get; } = rows;

    public void Run(TileCall* call) => entry(call);
}

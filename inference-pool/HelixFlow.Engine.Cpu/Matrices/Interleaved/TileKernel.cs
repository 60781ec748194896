namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>A kernel of interleaved weights and the activation rows that it takes at once.</summary>
internal readonly unsafe struct TileKernel
{
    private readonly delegate*<TileCall*, void> _managed;
    private readonly delegate* unmanaged<TileCall*, void> _machine;

    /// <param name="rows">At least 1.</param>
    /// <param name="entry">A method.</param>
    public TileKernel(int rows, delegate*<TileCall*, void> entry)
    {
        Rows = rows;
        _managed = entry;
    }

    /// <param name="rows">At least 1.</param>
    /// <param name="entry">Machine code; valid for as long as it is used.</param>
    public TileKernel(int rows, delegate* unmanaged<TileCall*, void> entry)
    {
        Rows = rows;
        _machine = entry;
    }

    public int Rows { get; }

    public void Run(TileCall* call)
    {
        if (_machine is not null)
        {
            _machine(call);
        }
        else
        {
            _managed(call);
        }
    }
}

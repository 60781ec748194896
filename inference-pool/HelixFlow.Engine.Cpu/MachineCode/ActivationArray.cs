namespace HelixFlow.Engine.Cpu.MachineCode;

/// <summary>Registers that address one array of activations over the rows of a tile, up to eight.</summary>
/// <param name="Start">The current block of the first row.</param>
/// <param name="Sixth">The current block of the sixth row, from where rows are reached that no multiple of the strides leads to.</param>
/// <param name="Stride">Bytes from row to row.</param>
/// <param name="Stride3">Three times that.</param>
internal readonly record struct ActivationArray(GeneralRegister Start, GeneralRegister Sixth, GeneralRegister Stride, GeneralRegister Stride3)
{
    public const int MaxRows = 8;

    /// <summary>Goes to the first block.</summary>
    public void Begin(Assembler code, int rows, MemoryOperand address)
    {
        code.Mov(Start, address);
        if (rows > 5)
        {
            code.Lea(Sixth, new MemoryOperand(Start, Stride, 4, 0));
            code.Add(Sixth, Stride);
        }
    }

    /// <summary>Goes on by a number of bytes.</summary>
    public void Advance(Assembler code, int rows, int bytes)
    {
        code.Add(Start, bytes);
        if (rows > 5)
        {
            code.Add(Sixth, bytes);
        }
    }

    /// <summary>Bytes from the current block of a row.</summary>
    public MemoryOperand At(int row, int displacement) => row switch
    {
        0 => new MemoryOperand(Start, displacement),
        1 or 2 or 4 => new MemoryOperand(Start, Stride, row, displacement),
        3 => new MemoryOperand(Start, Stride3, 1, displacement),
        5 => new MemoryOperand(Sixth, displacement),
        6 => new MemoryOperand(Start, Stride3, 2, displacement),
        7 => new MemoryOperand(Sixth, Stride, 2, displacement),
        _ => throw new ArgumentOutOfRangeException(nameof(row), row, "no such row"),
    };
}

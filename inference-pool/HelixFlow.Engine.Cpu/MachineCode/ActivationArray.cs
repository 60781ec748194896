namespace HelixFlow.Engine.Cpu.MachineCode;

/// <summary>Registers that address one array of activations over all rows of a tile: four rows at a time.</summary>
/// <param name="Start">The current block of the first row.</param>
/// <param name="Four">The current block of the first of the four rows, from the fifth row on.</param>
/// <param name="Stride">Bytes from row to row.</param>
/// <param name="Stride3">Three times that.</param>
internal readonly record struct ActivationArray(GeneralRegister Start, GeneralRegister Four, GeneralRegister Stride, GeneralRegister Stride3)
{
    /// <summary>Makes <paramref name="row"/>, a multiple of four, the first of the four rows that <see cref="At"/> knows; rows come in ascending order.</summary>
    public void Seek(Assembler code, int row)
    {
        if (row > 0)
        {
            code.Lea(Four, new MemoryOperand(row == 4 ? Start : Four, Stride, 4, 0));
        }
    }

    /// <summary>Bytes from the current block of a row.</summary>
    public MemoryOperand At(int row, int displacement)
    {
        GeneralRegister four = row < 4 ? Start : Four;
        return (row % 4) switch
        {
            0 => new MemoryOperand(four, displacement),
            3 => new MemoryOperand(four, Stride3, 1, displacement),
            int times => new MemoryOperand(four, Stride, times, displacement),
        };
    }
}

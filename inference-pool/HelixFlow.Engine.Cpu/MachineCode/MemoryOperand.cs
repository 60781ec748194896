namespace HelixFlow.Engine.Cpu.MachineCode;

/// <summary>The address base + index * scale + displacement.</summary>
/// <param name="Base">Always present.</param>
/// <param name="Index">Any register but RSP, or none.</param>
/// <param name="Scale">1, 2, 4 or 8.</param>
/// <param name="Displacement">In bytes.</param>
internal readonly record struct MemoryOperand(GeneralRegister Base, GeneralRegister? Index, int Scale, int Displacement)
{
    public MemoryOperand(GeneralRegister at, int displacement = 0)
        : this(at, null, 1, displacement)
    {
    }

    public MemoryOperand Plus(int bytes) => this with { Displacement = Displacement + bytes };
}

namespace HelixFlow.Engine.Cpu.MachineCode;

/// <summary>A place in the code that jumps lead back to.</summary>
/// <param name="Offset">Bytes from the start of the code.</param>
internal readonly record struct Label(int Offset);

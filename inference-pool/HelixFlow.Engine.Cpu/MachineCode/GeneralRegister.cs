namespace HelixFlow.Engine.Cpu.MachineCode;

/// <summary>A 64-bit general register of x86-64, by the number that instructions carry.</summary>
internal enum GeneralRegister
{
    Rax,
    Rcx,
    Rdx,
    Rbx,
    Rsp,
    Rbp,
    Rsi,
    Rdi,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
}

namespace HelixFlow.Engine.Cpu.MachineCode;

/// <summary>512-bit dot products of bytes in registers and nothing else: what the processor can do at most.</summary>
internal sealed unsafe class ByteDotLoop : IDisposable
{
    // More chains than products are under way at once.
    private const int Chains = 24;

    private readonly ExecutablePages _pages;

    private ByteDotLoop(ExecutablePages pages) => _pages = pages;

    /// <summary>Operations of one round: multiplications and additions of bytes.</summary>
    public static long OperationsPerRound => 2L * 64 * Chains;

    /// <summary>Null where the processor or the system cannot run it.</summary>
    public static ByteDotLoop? TryCreate()
    {
        if (!MachineKernels.IsSupported)
        {
            return null;
        }

        var code = new Assembler();
        code.Align(64);
        Label next = code.Here();
        for (int chain = 0; chain < Chains; chain++)
        {
            code.Vpdpbusd(new Zmm(chain), new Zmm(30), new Zmm(31));
        }

        code.Sub(GeneralRegister.Rdi, 1);
        code.JumpIfNotZero(next);
        code.Vzeroupper();
        code.Ret();
        return ExecutablePages.TryCreate(code.Code) is { } pages ? new ByteDotLoop(pages) : null;
    }

    /// <param name="rounds">At least 1.</param>
    public void Run(long rounds) => ((delegate* unmanaged<long, void>)_pages.Address)(rounds);

    public void Dispose() => _pages.Dispose();
}

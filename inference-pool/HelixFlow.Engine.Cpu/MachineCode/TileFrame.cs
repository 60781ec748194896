using System.Runtime.InteropServices;
using HelixFlow.Engine.Cpu.Matrices;

namespace HelixFlow.Engine.Cpu.MachineCode;

/// <summary>What all tile kernels share: entry and exit, the registers of the activations, and the loop over groups of 16 outputs.</summary>
/// <remarks>
/// System V convention: the call's address comes in RDI, where it stays; RBX, RBP and R12 to R15 are saved. The kernels call nothing, so that their
/// variables live in the 128 bytes below the stack that signal handlers leave alone.
/// </remarks>
internal sealed class TileFrame(Assembler code, int rows)
{
    /// <summary>Where the weights of the current block are.</summary>
    public const GeneralRegister Weights = GeneralRegister.R14;

    /// <summary>Counts the innermost loop.</summary>
    public const GeneralRegister Count = GeneralRegister.R15;

    private static readonly GeneralRegister[] Saved =
        [GeneralRegister.Rbx, GeneralRegister.Rbp, GeneralRegister.R12, GeneralRegister.R13, GeneralRegister.R14, GeneralRegister.R15];

    private static readonly MemoryOperand GroupsLeft = new(GeneralRegister.Rsp, -8);
    private static readonly MemoryOperand Group = new(GeneralRegister.Rsp, -16);
    private static readonly MemoryOperand Output = new(GeneralRegister.Rsp, -24);

    /// <summary>Blocks left, for kernels that need <see cref="Count"/> for something else.</summary>
    public static MemoryOperand BlocksLeft { get; } = new(GeneralRegister.Rsp, -32);

    /// <summary>Four equal bytes to take from a byte its lower bits, for instructions that spread a lane.</summary>
    public static MemoryOperand NibbleMask { get; } = new(GeneralRegister.Rsp, -40);

    /// <summary>As <see cref="NibbleMask"/>, for a format's upper bits.</summary>
    public static MemoryOperand UpperMask { get; } = new(GeneralRegister.Rsp, -48);

    public ActivationArray Codes { get; } = new(GeneralRegister.Rsi, GeneralRegister.Rax, GeneralRegister.R8, GeneralRegister.R9);

    public ActivationArray Scales { get; } = new(GeneralRegister.Rdx, GeneralRegister.Rcx, GeneralRegister.R10, GeneralRegister.R11);

    public ActivationArray CodeSums { get; } = new(GeneralRegister.Rbx, GeneralRegister.Rbp, GeneralRegister.R12, GeneralRegister.R13);

    /// <summary>A field of the call.</summary>
    public static MemoryOperand Field(string name) => new(GeneralRegister.Rdi, (int)Marshal.OffsetOf<TileCall>(name));

    /// <summary>The whole kernel: <paramref name="group"/> writes what computes and stores one group.</summary>
    public void Write(Action prepare, Action group)
    {
        foreach (GeneralRegister register in Saved)
        {
            code.Push(register);
        }

        Stride(Codes, nameof(TileCall.CodesStride));
        Stride(Scales, nameof(TileCall.ScalesStride));
        Stride(CodeSums, nameof(TileCall.CodeSumsStride));
        Copy(GroupsLeft, nameof(TileCall.Groups));
        Copy(Group, nameof(TileCall.Weights));
        Copy(Output, nameof(TileCall.Sums));
        code.Mov(NibbleMask, 0x0F0F0F0F);
        prepare();

        Label next = code.Here();
        code.Mov(Weights, Group);
        code.Mov(Codes.Start, Field(nameof(TileCall.Codes)));
        code.Mov(Scales.Start, Field(nameof(TileCall.Scales)));
        code.Mov(CodeSums.Start, Field(nameof(TileCall.CodeSums)));
        group();
        code.Mov(GeneralRegister.Rax, Group);
        code.Add(GeneralRegister.Rax, Field(nameof(TileCall.GroupStride)));
        code.Mov(Group, GeneralRegister.Rax);
        code.Add(Output, 16 * sizeof(float));
        code.Sub(GroupsLeft, 1);
        code.JumpIfNotZero(next);

        code.Vzeroupper();
        for (int at = Saved.Length - 1; at >= 0; at--)
        {
            code.Pop(Saved[at]);
        }

        code.Ret();
    }

    /// <summary>Writes code for each row, with the address of its 16 products of the current group. Changes RAX.</summary>
    public void ForEachOutput(Action<int, MemoryOperand> row)
    {
        code.Mov(GeneralRegister.Rax, Output);
        for (int at = 0; at < rows; at++)
        {
            row(at, new MemoryOperand(GeneralRegister.Rax));
            if (at + 1 < rows)
            {
                code.Add(GeneralRegister.Rax, Field(nameof(TileCall.SumsStride)));
            }
        }
    }

    private void Stride(ActivationArray array, string name)
    {
        code.Mov(array.Stride, Field(name));
        code.Lea(array.Stride3, new MemoryOperand(array.Stride, array.Stride, 2, 0));
    }

    private void Copy(MemoryOperand target, string name)
    {
        code.Mov(GeneralRegister.Rax, Field(name));
        code.Mov(target, GeneralRegister.Rax);
    }
}

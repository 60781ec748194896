using System.Buffers.Binary;
using System.Diagnostics;

namespace HelixFlow.Engine.Cpu.MachineCode;

/// <summary>Writes x86-64 machine code: the few instructions that the kernels consist of, in their shortest form.</summary>
/// <remarks>
/// Encodings: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, chapters 2 (prefixes, EVEX, disp8*N) and 3 to 5. Vector
/// instructions are the 512-bit EVEX forms without masks. One thread at a time.
/// </remarks>
internal sealed partial class Assembler
{
    private const int No = 0; // a field of the prefix that the instruction does not use

    private byte[] _code = new byte[4096];

    /// <summary>Bytes written so far.</summary>
    public int Length { get; private set; }

    public ReadOnlySpan<byte> Code => _code.AsSpan(0, Length);

    /// <summary>This place, for jumps that follow.</summary>
    public Label Here() => new(Length);

    /// <summary>Fills with instructions that do nothing up to a multiple of <paramref name="alignment"/> bytes.</summary>
    public void Align(int alignment)
    {
        while (Length % alignment != 0)
        {
            Byte(0x90);
        }
    }

    private enum Map
    {
        Of0F = 1,
        Of0F38 = 2,
        Of0F3A = 3,
    }

    private enum Prefix
    {
        None = 0,
        Of66 = 1,
        OfF3 = 2,
        OfF2 = 3,
    }

    private readonly record struct Operation(Map Map, Prefix Prefix, byte Opcode, bool Wide = false);

    // reg, vvvv and rm are numbers of vector registers, 0 to 31.
    private void Evex(Operation operation, int reg, int vvvv, int rm)
    {
        EvexPrefix(operation, reg, vvvv, rm >> 4, rm >> 3, broadcast: false);
        Byte(0xC0 | ((reg & 7) << 3) | (rm & 7));
    }

    // Displacements that are multiples of the operand's size fit a byte after division by it: disp8*N.
    private void Evex(Operation operation, int reg, int vvvv, MemoryOperand memory, int size, bool broadcast = false)
    {
        int index = memory.Index is { } register ? (int)register : 0;
        EvexPrefix(operation, reg, vvvv, index >> 3, (int)memory.Base >> 3, broadcast);
        Address(reg, memory, size);
    }

    private void EvexPrefix(Operation operation, int reg, int vvvv, int x, int b, bool broadcast)
    {
        Byte(0x62);
        Byte((Inverted(reg >> 3) << 7) | (Inverted(x) << 6) | (Inverted(b) << 5) | (Inverted(reg >> 4) << 4) | (int)operation.Map);
        Byte(((operation.Wide ? 1 : 0) << 7) | ((~vvvv & 15) << 3) | 4 | (int)operation.Prefix);
        Byte((2 << 5) | ((broadcast ? 1 : 0) << 4) | (Inverted(vvvv >> 4) << 3));
        Byte(operation.Opcode);
    }

    private static int Inverted(int bit) => ~bit & 1;

    // REX.W, opcode, ModRM of two general registers.
    private void Legacy(byte opcode, int reg, GeneralRegister rm)
    {
        Byte(0x48 | ((reg >> 3) << 2) | ((int)rm >> 3));
        Byte(opcode);
        Byte(0xC0 | ((reg & 7) << 3) | ((int)rm & 7));
    }

    private void Legacy(byte opcode, int reg, MemoryOperand memory)
    {
        Byte(0x48 | ((reg >> 3) << 2) | (memory.Index is { } index ? (int)index >> 3 << 1 : 0) | ((int)memory.Base >> 3));
        Byte(opcode);
        Address(reg, memory, size: 1);
    }

    // ModRM, SIB and displacement.
    private void Address(int reg, MemoryOperand memory, int size)
    {
        Debug.Assert(memory.Index != GeneralRegister.Rsp, "RSP cannot be an index");
        int low = (int)memory.Base & 7;
        bool sib = memory.Index is not null || low == 4;
        bool byteFits = memory.Displacement % size == 0 && memory.Displacement / size is >= sbyte.MinValue and <= sbyte.MaxValue;

        // Mode 0 with a base of RBP or R13 means something else.
        int mode = memory.Displacement == 0 && low != 5 ? 0 : byteFits ? 1 : 2;
        Byte((mode << 6) | ((reg & 7) << 3) | (sib ? 4 : low));
        if (sib)
        {
            int index = memory.Index is { } register ? (int)register & 7 : 4;
            Byte((int.Log2(memory.Scale) << 6) | (index << 3) | low);
        }

        if (mode == 1)
        {
            Byte(memory.Displacement / size);
        }
        else if (mode == 2)
        {
            Int32(memory.Displacement);
        }
    }

    private void Byte(int value)
    {
        if (Length == _code.Length)
        {
            Array.Resize(ref _code, 2 * Length);
        }

        _code[Length++] = (byte)value;
    }

    private void Int32(int value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        foreach (byte next in bytes)
        {
            Byte(next);
        }
    }
}

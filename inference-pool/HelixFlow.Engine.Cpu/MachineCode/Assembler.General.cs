namespace HelixFlow.Engine.Cpu.MachineCode;

/// <summary>Instructions on general registers.</summary>
internal sealed partial class Assembler
{
    public void Push(GeneralRegister register) => PushOrPop(0x50, register);

    public void Pop(GeneralRegister register) => PushOrPop(0x58, register);

    public void Mov(GeneralRegister target, GeneralRegister source) => Legacy(0x89, (int)source, target);

    public void Mov(GeneralRegister target, MemoryOperand source) => Legacy(0x8B, (int)target, source);

    public void Mov(MemoryOperand target, GeneralRegister source) => Legacy(0x89, (int)source, target);

    public void Mov(GeneralRegister target, int value)
    {
        Legacy(0xC7, 0, target);
        Int32(value);
    }

    /// <summary>A 32-bit constant, extended by its sign to 64 bits in memory.</summary>
    public void Mov(MemoryOperand target, int value)
    {
        Legacy(0xC7, 0, target);
        Int32(value);
    }

    public void Lea(GeneralRegister target, MemoryOperand source) => Legacy(0x8D, (int)target, source);

    public void Add(GeneralRegister target, GeneralRegister source) => Legacy(0x01, (int)source, target);

    public void Add(GeneralRegister target, MemoryOperand source) => Legacy(0x03, (int)target, source);

    public void Add(GeneralRegister target, int value) => Immediate(0, target, value);

    public void Add(MemoryOperand target, int value) => Immediate(0, target, value);

    public void Sub(GeneralRegister target, GeneralRegister source) => Legacy(0x29, (int)source, target);

    public void Sub(GeneralRegister target, int value) => Immediate(5, target, value);

    public void Sub(MemoryOperand target, int value) => Immediate(5, target, value);

    public void Cmp(GeneralRegister left, GeneralRegister right) => Legacy(0x39, (int)right, left);

    public void Test(GeneralRegister left, GeneralRegister right) => Legacy(0x85, (int)right, left);

    /// <summary>Jumps back when the last result was not zero.</summary>
    public void JumpIfNotZero(Label target)
    {
        Byte(0x0F);
        Byte(0x85);
        Int32(target.Offset - (Length + 4));
    }

    public void Ret() => Byte(0xC3);

    public void PrefetchT0(MemoryOperand memory)
    {
        int rex = (memory.Index is { } index ? (int)index >> 3 << 1 : 0) | ((int)memory.Base >> 3);
        if (rex != 0)
        {
            Byte(0x40 | rex);
        }

        Byte(0x0F);
        Byte(0x18);
        Address(1, memory, size: 1);
    }

    private void PushOrPop(int opcode, GeneralRegister register)
    {
        if (register >= GeneralRegister.R8)
        {
            Byte(0x41);
        }

        Byte(opcode | ((int)register & 7));
    }

    private void Immediate(int operation, GeneralRegister target, int value)
    {
        bool small = value is >= sbyte.MinValue and <= sbyte.MaxValue;
        if (!small && target == GeneralRegister.Rax)
        {
            // RAX has a form without ModRM.
            Byte(0x48);
            Byte((operation << 3) | 5);
            Int32(value);
            return;
        }

        Legacy(small ? (byte)0x83 : (byte)0x81, operation, target);
        ImmediateValue(small, value);
    }

    private void Immediate(int operation, MemoryOperand target, int value)
    {
        bool small = value is >= sbyte.MinValue and <= sbyte.MaxValue;
        Legacy(small ? (byte)0x83 : (byte)0x81, operation, target);
        ImmediateValue(small, value);
    }

    private void ImmediateValue(bool small, int value)
    {
        if (small)
        {
            Byte(value);
        }
        else
        {
            Int32(value);
        }
    }
}

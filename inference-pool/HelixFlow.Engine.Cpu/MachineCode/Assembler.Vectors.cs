namespace HelixFlow.Engine.Cpu.MachineCode;

/// <summary>512-bit vector instructions. "Each" in a name: the memory operand is one 32-bit number, taken for all sixteen lanes.</summary>
internal sealed partial class Assembler
{
    private const int VectorBytes = 64;
    private const int LaneBytes = 4;

    private static readonly Operation DotBytes = new(Map.Of0F38, Prefix.Of66, 0x50);
    private static readonly Operation DotWords = new(Map.Of0F38, Prefix.Of66, 0x52);
    private static readonly Operation DotBrains = new(Map.Of0F38, Prefix.OfF3, 0x52);
    private static readonly Operation Load = new(Map.Of0F, Prefix.None, 0x10);
    private static readonly Operation Store = new(Map.Of0F, Prefix.None, 0x11);
    private static readonly Operation LoadIntegers = new(Map.Of0F, Prefix.OfF3, 0x6F);
    private static readonly Operation Broadcast = new(Map.Of0F38, Prefix.Of66, 0x58);
    private static readonly Operation And = new(Map.Of0F, Prefix.Of66, 0xDB);
    private static readonly Operation Or = new(Map.Of0F, Prefix.Of66, 0xEB);
    private static readonly Operation Xor = new(Map.Of0F, Prefix.Of66, 0xEF);
    private static readonly Operation Ternary = new(Map.Of0F3A, Prefix.Of66, 0x25);
    private static readonly Operation ShiftWords = new(Map.Of0F, Prefix.Of66, 0x71);
    private static readonly Operation ShiftLanes = new(Map.Of0F, Prefix.Of66, 0x72);
    private static readonly Operation AddIntegers = new(Map.Of0F, Prefix.Of66, 0xFE);
    private static readonly Operation SubtractIntegers = new(Map.Of0F, Prefix.Of66, 0xFA);
    private static readonly Operation ToSingle = new(Map.Of0F, Prefix.None, 0x5B);
    private static readonly Operation Multiply = new(Map.Of0F, Prefix.None, 0x59);
    private static readonly Operation MultiplyAdd = new(Map.Of0F38, Prefix.Of66, 0xB8);
    private static readonly Operation NegatedMultiplyAdd = new(Map.Of0F38, Prefix.Of66, 0xBC);
    private static readonly Operation HalfToSingle = new(Map.Of0F38, Prefix.Of66, 0x13);
    private static readonly Operation UnsignedBytes = new(Map.Of0F38, Prefix.Of66, 0x31);
    private static readonly Operation SignedBytes = new(Map.Of0F38, Prefix.Of66, 0x21);

    /// <summary>Adds to each lane the four products of its unsigned and signed bytes.</summary>
    public void Vpdpbusd(Zmm sum, Zmm unsigned, Zmm signed) => Three(DotBytes, sum, unsigned, signed);

    public void VpdpbusdEach(Zmm sum, Zmm unsigned, MemoryOperand signed) => Each(DotBytes, sum, unsigned, signed);

    /// <summary>Adds to each lane the two products of its signed 16-bit numbers.</summary>
    public void Vpdpwssd(Zmm sum, Zmm left, Zmm right) => Three(DotWords, sum, left, right);

    public void VpdpwssdEach(Zmm sum, Zmm left, MemoryOperand right) => Each(DotWords, sum, left, right);

    /// <summary>Adds to each lane the two products of its bfloat16 numbers.</summary>
    public void Vdpbf16ps(Zmm sum, Zmm left, Zmm right) => Three(DotBrains, sum, left, right);

    public void Vdpbf16psEach(Zmm sum, Zmm left, MemoryOperand right) => Each(DotBrains, sum, left, right);

    public void Vmovups(Zmm target, MemoryOperand source) => Evex(Load, target.Number, No, source, VectorBytes);

    public void Vmovups(MemoryOperand target, Zmm source) => Evex(Store, source.Number, No, target, VectorBytes);

    public void Vmovdqu32(Zmm target, MemoryOperand source) => Evex(LoadIntegers, target.Number, No, source, VectorBytes);

    public void VpbroadcastdEach(Zmm target, MemoryOperand source) => Evex(Broadcast, target.Number, No, source, LaneBytes);

    public void Vpandd(Zmm target, Zmm left, Zmm right) => Three(And, target, left, right);

    public void Vpandd(Zmm target, Zmm left, MemoryOperand right) => Evex(And, target.Number, left.Number, right, VectorBytes);

    public void VpanddEach(Zmm target, Zmm left, MemoryOperand right) => Each(And, target, left, right);

    public void Vpord(Zmm target, Zmm left, Zmm right) => Three(Or, target, left, right);

    public void Vpxord(Zmm target, Zmm left, Zmm right) => Three(Xor, target, left, right);

    /// <summary>Any function of three bits; bit 4a + 2b + c of <paramref name="function"/> is its value, a the target's old bit.</summary>
    public void Vpternlogd(Zmm target, Zmm left, Zmm right, byte function)
    {
        Three(Ternary, target, left, right);
        Byte(function);
    }

    /// <summary>As <see cref="Vpternlogd"/>.</summary>
    public void VpternlogdEach(Zmm target, Zmm left, MemoryOperand right, byte function)
    {
        Each(Ternary, target, left, right);
        Byte(function);
    }

    public void Vpsrlw(Zmm target, Zmm source, int bits) => Shift(ShiftWords, 2, target, source, bits);

    public void Vpsllw(Zmm target, Zmm source, int bits) => Shift(ShiftWords, 6, target, source, bits);

    public void Vpslld(Zmm target, Zmm source, int bits) => Shift(ShiftLanes, 6, target, source, bits);

    public void Vpaddd(Zmm target, Zmm left, Zmm right) => Three(AddIntegers, target, left, right);

    public void VpadddEach(Zmm target, Zmm left, MemoryOperand right) => Each(AddIntegers, target, left, right);

    public void Vpsubd(Zmm target, Zmm left, Zmm right) => Three(SubtractIntegers, target, left, right);

    public void VpsubdEach(Zmm target, Zmm left, MemoryOperand right) => Each(SubtractIntegers, target, left, right);

    public void Vcvtdq2ps(Zmm target, Zmm source) => Evex(ToSingle, target.Number, No, source.Number);

    public void Vmulps(Zmm target, Zmm left, Zmm right) => Three(Multiply, target, left, right);

    public void VmulpsEach(Zmm target, Zmm left, MemoryOperand right) => Each(Multiply, target, left, right);

    /// <summary>sum = left * right + sum, rounded once.</summary>
    public void Vfmadd231ps(Zmm sum, Zmm left, Zmm right) => Three(MultiplyAdd, sum, left, right);

    public void Vfmadd231psEach(Zmm sum, Zmm left, MemoryOperand right) => Each(MultiplyAdd, sum, left, right);

    /// <summary>sum = -(left * right) + sum, rounded once.</summary>
    public void Vfnmadd231ps(Zmm sum, Zmm left, Zmm right) => Three(NegatedMultiplyAdd, sum, left, right);

    /// <summary>Sixteen half-precision numbers in memory.</summary>
    public void Vcvtph2ps(Zmm target, MemoryOperand source) => Evex(HalfToSingle, target.Number, No, source, VectorBytes / 2);

    /// <summary>Sixteen unsigned bytes in memory.</summary>
    public void Vpmovzxbd(Zmm target, MemoryOperand source) => Evex(UnsignedBytes, target.Number, No, source, VectorBytes / 4);

    /// <summary>Sixteen signed bytes in memory.</summary>
    public void Vpmovsxbd(Zmm target, MemoryOperand source) => Evex(SignedBytes, target.Number, No, source, VectorBytes / 4);

    /// <summary>Before a return to code that may use older vector instructions, which would be slow otherwise.</summary>
    public void Vzeroupper()
    {
        Byte(0xC5);
        Byte(0xF8);
        Byte(0x77);
    }

    private void Three(Operation operation, Zmm target, Zmm left, Zmm right) => Evex(operation, target.Number, left.Number, right.Number);

    private void Each(Operation operation, Zmm target, Zmm left, MemoryOperand right) =>
        Evex(operation, target.Number, left.Number, right, LaneBytes, broadcast: true);

    // The operation's second half stands where other instructions have a register, and the target where they have a source.
    private void Shift(Operation operation, int kind, Zmm target, Zmm source, int bits)
    {
        Evex(operation, kind, target.Number, source.Number);
        Byte(bits);
    }
}

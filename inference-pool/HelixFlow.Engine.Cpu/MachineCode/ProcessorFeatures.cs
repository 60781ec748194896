using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace HelixFlow.Engine.Cpu.MachineCode;

/// <summary>What this processor can do beyond .NET's own answers.</summary>
internal static class ProcessorFeatures
{
    /// <summary>512-bit dot products of bytes (AVX512_VNNI) beside AVX-512 F and BW, whose registers the system saves.</summary>
    public static bool HasWideByteDot { get; } = HasBase() && (Leaf7(0).Ecx & (1 << 11)) != 0;

    /// <summary>512-bit dot products of bfloat16 (AVX512_BF16).</summary>
    public static bool HasWideBrainDot { get; } = HasBase() && (Leaf7(1).Eax & (1 << 5)) != 0;

    private static bool HasBase() =>
        RuntimeInformation.ProcessArchitecture == Architecture.X64 && Avx512F.IsSupported && Avx512BW.IsSupported && X86Base.CpuId(0, 0).Eax >= 7;

    private static (int Eax, int Ebx, int Ecx, int Edx) Leaf7(int subleaf) =>
        subleaf == 0 || X86Base.CpuId(7, 0).Eax >= subleaf ? X86Base.CpuId(7, subleaf) : default;
}

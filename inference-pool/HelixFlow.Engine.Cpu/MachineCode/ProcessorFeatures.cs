using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace HelixFlow.Engine.Cpu.MachineCode;

/// <summary>What this processor can do beyond .NET's own answers.</summary>
internal static class ProcessorFeatures
{
    /// <summary>512-bit dot products of bytes (AVX512_VNNI) beside AVX-512 F and BW, whose registers the system saves.</summary>
    public static bool HasWideByteDot { get; } = HasBase() && (X86Base.CpuId(7, 0).Ecx & (1 << 11)) != 0;

    private static bool HasBase() =>
        RuntimeInformation.ProcessArchitecture == Architecture.X64 && Avx512F.IsSupported && Avx512BW.IsSupported && X86Base.CpuId(0, 0).Eax >= 7;
}

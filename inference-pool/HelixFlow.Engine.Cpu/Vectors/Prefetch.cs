using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace HelixFlow.Engine.Cpu.Vectors;

/// <summary>Asks for memory before it is read. Where the processor has no such instruction, nothing happens.</summary>
internal static unsafe class Prefetch
{
    /// <summary>Brings the cache line of an address close; any address will do.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Line(byte* address)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(address);
        }
    }

    /// <summary>Brings the cache line of an address to the second-level cache: for what is needed some hundred nanoseconds later.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void FarLine(byte* address)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch1(address);
        }
    }
}

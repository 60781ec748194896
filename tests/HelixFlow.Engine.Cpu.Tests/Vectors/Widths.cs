using System.Runtime.Intrinsics;
using HelixFlow.Engine.Cpu.Vectors;

namespace HelixFlow.Engine.Cpu.Tests.Vectors;

/// <summary>The widths of vectors that tests force. Those of 128 and 256 bits work everywhere, though slowly where the processor has none.</summary>
internal static class Widths
{
    public static VectorWidth OrSkip(int width)
    {
        Assert.SkipUnless((VectorWidth)width != VectorWidth.Bits512 || Vector512.IsHardwareAccelerated, "needs vectors of 512 bits");
        return (VectorWidth)width;
    }
}

using System.Runtime.InteropServices;

namespace HelixFlow.Engine.Cpu.Matrices;

/// <summary>What a kernel of interleaved weights computes in one call: some activation rows times some neighbouring groups of 16 outputs.</summary>
/// <remarks>
/// Every kernel, managed or machine code, takes a pointer to one of these, so all fields are pointer-sized; strides are in bytes. The number of rows is the
/// kernel's own. The kernel writes the plain sums to <see cref="Sums"/> [row, 16 * group + output]; bias and residual are added by its caller.
/// </remarks>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct TileCall
{
    /// <summary>The first group, 64-byte aligned.</summary>
    public byte* Weights;

    /// <summary>Bytes from a group to the next.</summary>
    public nint GroupStride;

    /// <summary>Groups to do; at least 1.</summary>
    public nint Groups;

    /// <summary>Column blocks of a group: 32 columns each, 256 for the K types; at least 1.</summary>
    public nint Blocks;

    /// <summary>Activation codes of the first row.</summary>
    public sbyte* Codes;

    /// <summary>Bytes from a row's codes to the next row's.</summary>
    public nint CodesStride;

    /// <summary>Scales of the first row, one per 32 columns.</summary>
    public float* Scales;

    /// <summary>Bytes from a row's scales to the next row's.</summary>
    public nint ScalesStride;

    /// <summary>Sums of 16 codes of the first row.</summary>
    public int* CodeSums;

    /// <summary>Bytes from a row's sums of codes to the next row's.</summary>
    public nint CodeSumsStride;

    /// <summary>Where the first row's products go.</summary>
    public float* Sums;

    /// <summary>Bytes from a row's products to the next row's.</summary>
    public nint SumsStride;
}

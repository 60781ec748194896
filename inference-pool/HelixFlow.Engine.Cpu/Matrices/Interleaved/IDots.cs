using System.Runtime.Intrinsics;

namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>Exact dot products of the codes of 16 rows with the activation codes of one row or of four: one instruction set's way, for one kind of codes.</summary>
/// <remarks>The 16 rows' sums lie in one vector; where it has no register of its own, .NET makes it two or four. Activation codes are -127 to 127.</remarks>
internal unsafe interface IDots
{
    /// <summary>Whether this processor has the instructions.</summary>
    static abstract bool IsSupported { get; }

    /// <summary>What these dot products have subtracted from the codes already: 0, or 128 where 8-bit codes are taken as signed.</summary>
    static abstract int Subtracted { get; }

    /// <summary>32 columns.</summary>
    static abstract Vector512<int> One(byte* codes, sbyte* a);

    /// <summary>32 columns, four activation rows.</summary>
    static abstract void Four(
        byte* codes, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        out Vector512<int> dotA, out Vector512<int> dotB, out Vector512<int> dotC, out Vector512<int> dotD);

    /// <summary>16 columns: the inputs from 4 * <paramref name="first"/>, which is 0 or 4. The pointers are those of the 32 columns.</summary>
    static abstract Vector512<int> HalfOne(byte* codes, int first, sbyte* a);

    /// <summary>16 columns, four activation rows.</summary>
    static abstract void HalfFour(
        byte* codes, int first, sbyte* a, sbyte* b, sbyte* c, sbyte* d,
        out Vector512<int> dotA, out Vector512<int> dotB, out Vector512<int> dotC, out Vector512<int> dotD);
}

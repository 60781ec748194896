namespace HelixFlow.Engine.Cpu.Matrices.Interleaved;

/// <summary>An instruction set that has kernels of its own; all give the same bits.</summary>
internal enum InterleavedPath
{
    Portable,
    SignedPortable,
    Arm,
    Avx2,
    AvxVnni,
    Avx512,
}

using System.Runtime.InteropServices;

namespace HelixFlow.Engine.Cpu;

/// <summary>Unmanaged memory at a cache line's boundary, freed when disposed or collected.</summary>
internal sealed unsafe class CpuMemory : IDisposable
{
    private const int Alignment = 64;
    private void* _pointer;

    public CpuMemory(long bytes)
    {
        SizeBytes = bytes;
        _pointer = NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, 1), Alignment);
        GC.AddMemoryPressure(Math.Max(bytes, 1));
    }

    ~CpuMemory() => Free();

    public long SizeBytes { get; }

    public byte* Pointer => (byte*)_pointer;

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (_pointer is not null)
        {
            NativeMemory.AlignedFree(_pointer);
            _pointer = null;
            GC.RemoveMemoryPressure(Math.Max(SizeBytes, 1));
        }
    }
}

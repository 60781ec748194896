using System.Runtime.InteropServices;

namespace HelixFlow.InferenceNode.Devices;

/// <summary>NVIDIA's management library (NVML), asked for the memory in use. Signatures are those of nvml.h.</summary>
internal sealed class NvidiaManagement : IDisposable
{
    private const int Success = 0; // NVML_SUCCESS

    private readonly HandleByBusId _handle;
    private readonly MemoryOf _memory;
    private readonly Shutdown? _shutdown;

    private NvidiaManagement(HandleByBusId handle, MemoryOf memory, Shutdown? shutdown)
    {
        _handle = handle;
        _memory = memory;
        _shutdown = shutdown;
    }

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate int Init();

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate int Shutdown();

    [UnmanagedFunctionPointer(CallingConvention.Cdecl, CharSet = CharSet.Ansi)]
    private delegate int HandleByBusId([MarshalAs(UnmanagedType.LPUTF8Str)] string busId, out nint device);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate int MemoryOf(nint device, out Memory memory);

    /// <summary>Null where the library is missing or refuses to start.</summary>
    public static NvidiaManagement? TryOpen(string library) =>
        NativeFunctions.TryLoad(library) is { } functions
        && functions.Find<Init>("nvmlInit_v2") is { } init
        && functions.Find<HandleByBusId>("nvmlDeviceGetHandleByPciBusId_v2") is { } handle
        && functions.Find<MemoryOf>("nvmlDeviceGetMemoryInfo") is { } memory
        && init() == Success
            ? new NvidiaManagement(handle, memory, functions.Find<Shutdown>("nvmlShutdown"))
            : null;

    /// <summary>Bytes in use on the device in this slot; null where the library does not say.</summary>
    public long? UsedBytes(string busId) =>
        _handle(busId, out nint device) == Success && _memory(device, out Memory memory) == Success && memory.Used <= long.MaxValue ? (long)memory.Used : null;

    public void Dispose() => _shutdown?.Invoke();

    /// <summary>nvmlMemory_t.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Memory
    {
        public ulong Total;
        public ulong Free;
        public ulong Used;
    }
}

using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace HelixFlow.InferenceNode.Devices;

/// <summary>Finds NVIDIA GPUs through the CUDA driver, numbered as CUDA numbers them (CUDA_VISIBLE_DEVICES is respected).</summary>
/// <remarks>Signatures are those of cuda.h; no context is made, so that looking takes no memory on a device.</remarks>
internal static class CudaDriver
{
    private const int Success = 0; // CUDA_SUCCESS
    private const int NameBytes = 256;
    private const int BusIdBytes = 32; // "domain:bus:device.function" takes 13

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate int Init(uint flags);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate int DeviceGetCount(out int count);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate int DeviceGet(out int device, int ordinal);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate int DeviceGetText([Out] byte[] text, int length, int device);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate int DeviceTotalMemory(out nuint bytes, int device);

    /// <summary>Nothing where there is no driver, or one that has no device.</summary>
    public static List<Device> Find(DeviceOptions options)
    {
        var devices = new List<Device>();
        if (NativeFunctions.TryLoad(options.CudaLibrary) is not { } driver
            || driver.Find<Init>("cuInit") is not { } init
            || driver.Find<DeviceGetCount>("cuDeviceGetCount") is not { } getCount
            || driver.Find<DeviceGet>("cuDeviceGet") is not { } get
            || driver.Find<DeviceGetText>("cuDeviceGetName") is not { } getName
            || driver.Find<DeviceTotalMemory>("cuDeviceTotalMem_v2") is not { } getTotal
            || init(0) != Success
            || getCount(out int count) != Success)
        {
            return devices;
        }

        DeviceGetText? getBusId = driver.Find<DeviceGetText>("cuDeviceGetPCIBusId");
        using NvidiaManagement? management = NvidiaManagement.TryOpen(options.NvmlLibrary);
        for (int ordinal = 0; ordinal < count; ordinal++)
        {
            if (get(out int device, ordinal) != Success || getTotal(out nuint total, device) != Success || total > long.MaxValue)
            {
                continue;
            }

            byte[] text = new byte[NameBytes];
            string name = getName(text, text.Length, device) == Success ? TextOf(text) : "NVIDIA GPU";
            byte[] busId = new byte[BusIdBytes];
            long? used = getBusId?.Invoke(busId, busId.Length, device) == Success ? management?.UsedBytes(TextOf(busId)) : null;
            devices.Add(new Device(
                string.Create(CultureInfo.InvariantCulture, $"cuda:{ordinal}"), DeviceKind.Cuda, name, (long)total,
                DeviceDiscovery.BudgetOf((long)total, used, options)) { UsedBytes = used });
        }

        return devices;
    }

    private static string TextOf(byte[] terminated)
    {
        int end = Array.IndexOf(terminated, (byte)0);
        return Encoding.UTF8.GetString(terminated, 0, end < 0 ? terminated.Length : end);
    }
}

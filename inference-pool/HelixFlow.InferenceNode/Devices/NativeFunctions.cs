using System.Runtime.InteropServices;

namespace HelixFlow.InferenceNode.Devices;

/// <summary>Functions of a native library that may be missing.</summary>
/// <remarks>The library stays loaded: drivers keep threads and exit handlers of their own, which unloading would leave without code.</remarks>
internal sealed class NativeFunctions
{
    private readonly nint _library;

    private NativeFunctions(nint library) => _library = library;

    /// <summary>Null where there is no such library or it cannot be loaded.</summary>
    public static NativeFunctions? TryLoad(string library) => NativeLibrary.TryLoad(library, out nint handle) ? new NativeFunctions(handle) : null;

    /// <summary>Null where the library has no such function. The delegate must declare the function's true signature.</summary>
    public TDelegate? Find<TDelegate>(string name)
        where TDelegate : Delegate =>
        NativeLibrary.TryGetExport(_library, name, out nint address) ? Marshal.GetDelegateForFunctionPointer<TDelegate>(address) : null;
}

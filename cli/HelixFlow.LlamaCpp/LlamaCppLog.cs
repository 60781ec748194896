using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace HelixFlow.LlamaCpp;

/// <summary>Keeps llama.cpp quiet and its last error for messages.</summary>
internal static unsafe class LlamaCppLog
{
    private const int ErrorLevel = 4;

    public static string LastError { get; private set; } = "no reason given";

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static void Add(int level, byte* text, void* data)
    {
        if (level == ErrorLevel)
        {
            LastError = $"{LastError} {Marshal.PtrToStringUTF8((nint)text)?.Trim()}";
        }
    }
}

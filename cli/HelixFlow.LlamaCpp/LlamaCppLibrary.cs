using System.Runtime.InteropServices;
using HelixFlow.Engine.Formats;

namespace HelixFlow.LlamaCpp;

/// <summary>llama.cpp through its C library: the peer that rates are compared with, and an outside witness for numbers and tokens.</summary>
/// <remarks>
/// Bound by function pointers, since the libraries must be opened in order and with their symbols visible to one another (RTLD_GLOBAL).
/// Parameter structs are opaque blocks of which only some fields are set; <see cref="CheckLayout"/> refuses another version's. Loaded once
/// a process and never unloaded; thread-safe.
/// </remarks>
public sealed unsafe class LlamaCppLibrary
{
    private const int NowAndGlobal = 0x102;

    private static readonly Lock Loading = new();
    private static LlamaCppLibrary? _loaded;

    private readonly nint _llama;

    private LlamaCppLibrary(LlamaCppLocation location)
    {
        // A library of its own version in the name is found by its dependants only when it is already open.
        nint ggml = 0;
        foreach (string dependency in location.Dependencies)
        {
            ggml = Open(dependency);
        }

        _llama = Open(location.Llama);
        ((delegate* unmanaged[Cdecl]<delegate* unmanaged[Cdecl]<int, byte*, void*, void>, void*, void>)Symbol("llama_log_set"))(&LlamaCppLog.Add, null);
        if (ggml != 0 && NativeLibrary.TryGetExport(ggml, "ggml_backend_load_all_from_path", out nint loadBackends))
        {
            nint folder = Marshal.StringToCoTaskMemUTF8(Path.GetDirectoryName(location.Llama));
            ((delegate* unmanaged[Cdecl]<nint, void>)loadBackends)(folder);
            Marshal.FreeCoTaskMem(folder);
        }

        ((delegate* unmanaged[Cdecl]<void>)Symbol("llama_backend_init"))();
        CheckLayout();
    }

    /// <summary>What to tell someone whose tests are skipped because the package is missing.</summary>
    public static string HowToInstall =>
        "llama.cpp's libraries are missing (Linux only): run 'npm ci --ignore-scripts' in tests/interop of a source checkout, or "
        + $"'npm install --ignore-scripts {LlamaCppLocation.Package}' in the current folder";

    /// <summary>Whether the npm package is there and this machine can load it.</summary>
    public static bool IsInstalled => OperatingSystem.IsLinux() && LlamaCppLocation.Search() is not null;

    /// <summary>Loads the library, once a process.</summary>
    /// <param name="path">A libllama.so whose ggml libraries lie beside it, or the folder of both; null searches for the npm package.</param>
    /// <exception cref="DllNotFoundException">The package is not installed, the path leads nowhere, or the library cannot be loaded.</exception>
    /// <exception cref="NotSupportedException">It is a version whose parameters are laid out differently.</exception>
    public static LlamaCppLibrary Load(string? path = null)
    {
        lock (Loading)
        {
            return _loaded ??= new LlamaCppLibrary(LlamaCppLocation.Find(path));
        }
    }

    /// <summary>Loads a GGUF model.</summary>
    /// <param name="path">The file.</param>
    /// <param name="vocabularyOnly">Whether to leave the weights out, to tokenise only.</param>
    public LlamaCppModel OpenModel(string path, bool vocabularyOnly = false) => new(this, path, vocabularyOnly);

    /// <summary>Quantises every matrix of an F32, F16 or BF16 model to one type.</summary>
    public void Quantise(string source, string destination, TensorType type)
    {
        LlamaCppParameters parameters = ((delegate* unmanaged[Cdecl]<LlamaCppParameters>)Symbol("llama_model_quantize_default_params"))();
        parameters.SetInt32(LlamaCppParameters.QuantiseThreads, 2);
        parameters.SetInt32(LlamaCppParameters.QuantiseType, FileType(type));
        parameters.SetFlag(LlamaCppParameters.QuantisePure, true);
        nint sourceText = Marshal.StringToCoTaskMemUTF8(source);
        nint destinationText = Marshal.StringToCoTaskMemUTF8(destination);
        uint code = ((delegate* unmanaged[Cdecl]<nint, nint, LlamaCppParameters*, uint>)Symbol("llama_model_quantize"))(
            sourceText, destinationText, &parameters);
        Marshal.FreeCoTaskMem(sourceText);
        Marshal.FreeCoTaskMem(destinationText);
        if (code != 0)
        {
            throw new InvalidOperationException($"llama.cpp could not quantise {source} to {type}: {LlamaCppLog.LastError}");
        }
    }

    internal nint Symbol(string name) => Export(_llama, name);

    internal LlamaCppParameters ContextDefaults() => ((delegate* unmanaged[Cdecl]<LlamaCppParameters>)Symbol("llama_context_default_params"))();

    internal LlamaCppParameters ModelDefaults() => ((delegate* unmanaged[Cdecl]<LlamaCppParameters>)Symbol("llama_model_default_params"))();

    /// <summary>The default values of the fields around those that are set: any shift of the layout changes some of them.</summary>
    private void CheckLayout()
    {
        LlamaCppParameters context = ContextDefaults();
        int[] expected = [512, 2048, 512, 1, 0, 0, 1, 4, 4, 0, -1, -1, -1, -1, 0, 0];
        LlamaCppParameters quantise = ((delegate* unmanaged[Cdecl]<LlamaCppParameters>)Symbol("llama_model_quantize_default_params"))();
        if (!context.Int32s[..expected.Length].SequenceEqual(expected)
            || context.Int32s[LlamaCppParameters.KeyType] != 1
            || context.Int32s[LlamaCppParameters.ValueType] != 1
            || context.Int32s[LlamaCppParameters.KeyType - 1] != 0
            || context.Int32s[LlamaCppParameters.ValueType + 1] != 0
            || ModelDefaults().Int32s[LlamaCppParameters.VocabularyOnly / 4] != 0x10000
            || quantise.Int32s[LlamaCppParameters.QuantiseType] != FileType(TensorType.Q8_0)
            || quantise.Int32s[4] != 0x100)
        {
            throw new NotSupportedException("this is another version of llama.cpp: its parameters are laid out differently");
        }
    }

    private static int FileType(TensorType type) => type switch
    {
        TensorType.F32 => 0,
        TensorType.F16 => 1,
        TensorType.Q4_0 => 2,
        TensorType.Q4_1 => 3,
        TensorType.Q8_0 => 7,
        TensorType.Q5_0 => 8,
        TensorType.Q5_1 => 9,
        TensorType.Q4_K => 15,
        TensorType.Q5_K => 17,
        TensorType.Q6_K => 18,
        TensorType.BF16 => 32,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "llama.cpp's quantiser is not used for this type"),
    };

    private static nint Open(string path)
    {
        nint text = Marshal.StringToCoTaskMemUTF8(path);
        nint handle = DlOpen((byte*)text, NowAndGlobal);
        Marshal.FreeCoTaskMem(text);
        return handle != 0 ? handle : throw new DllNotFoundException($"cannot load {path}: {Marshal.PtrToStringUTF8(DlError())}");
    }

    private static nint Export(nint library, string name) => NativeLibrary.GetExport(library, name);

    // NativeLibrary.Load keeps a library's symbols to itself.
    [DllImport("libc", EntryPoint = "dlopen", ExactSpelling = true)]
    private static extern nint DlOpen(byte* path, int flags);

    [DllImport("libc", EntryPoint = "dlerror", ExactSpelling = true)]
    private static extern nint DlError();
}

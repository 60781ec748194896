using System.Runtime.InteropServices;

namespace HelixFlow.LlamaCpp;

/// <summary>Where llama.cpp's library lies, with those that must be opened before it, in order.</summary>
internal sealed record LlamaCppLocation(string Llama, string[] Dependencies)
{
    private static readonly string Platform = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "linux-arm64" : "linux-x64";

    /// <summary>The npm package that holds the libraries for this machine.</summary>
    public static string Package => $"@node-llama-cpp/{Platform}";

    /// <summary>Finds the library: at the path, or in the npm package when there is none.</summary>
    /// <exception cref="DllNotFoundException">It is not there.</exception>
    public static LlamaCppLocation Find(string? path) => path is null
        ? Search() ?? throw new DllNotFoundException(LlamaCppLibrary.HowToInstall)
        : At(Path.GetFullPath(path)) ?? throw new DllNotFoundException($"{path}: there is no libllama.so");

    /// <summary>
    /// The npm package of the nearest node_modules folder, or of a source checkout's tests/interop, going up from the program's folder and then
    /// from the current one.
    /// </summary>
    public static LlamaCppLocation? Search()
    {
        string inPackage = Path.Combine("node_modules", Package, "bins", Platform);
        foreach (string start in (string[])[AppContext.BaseDirectory, Environment.CurrentDirectory])
        {
            for (DirectoryInfo? folder = new(start); folder is not null; folder = folder.Parent)
            {
                if ((At(Path.Combine(folder.FullName, "tests", "interop", inPackage)) ?? At(Path.Combine(folder.FullName, inPackage))) is { } found)
                {
                    return found;
                }
            }
        }

        return null;
    }

    private static LlamaCppLocation? At(string path)
    {
        string? llama = File.Exists(path) ? path : First(path, "libllama.so", "libllama.v*.so", "libllama.so.*");
        if (llama is null)
        {
            return null;
        }

        string folder = Path.GetDirectoryName(llama)!;
        string?[] dependencies = [First(folder, "libggml-base.so", "libggml-base.so.*"), First(folder, "libggml.so", "libggml.v*.so", "libggml.so.*")];
        return new LlamaCppLocation(llama, [.. dependencies.OfType<string>()]);
    }

    private static string? First(string folder, params ReadOnlySpan<string> patterns)
    {
        foreach (string pattern in patterns)
        {
            if (Directory.Exists(folder) && Directory.EnumerateFiles(folder, pattern).Order(StringComparer.Ordinal).FirstOrDefault() is { } file)
            {
                return file;
            }
        }

        return null;
    }
}

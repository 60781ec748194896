namespace HelixFlow.Cli.Store;

internal enum ModelKind
{
    Gguf,
    Safetensors,
}

/// <summary>A model on disk.</summary>
/// <param name="Name">The name it is served under: of its folder, or of its file without .gguf.</param>
/// <param name="Path">The absolute path of the GGUF file or of the folder with config.json and safetensors.</param>
/// <param name="Kind">Its format.</param>
internal sealed record ModelLocation(string Name, string Path, ModelKind Kind)
{
    /// <summary>Bytes of the file, or of all files of the folder.</summary>
    public long SizeBytes => Kind == ModelKind.Gguf
        ? new FileInfo(Path).Length
        : new DirectoryInfo(Path).EnumerateFiles("*", SearchOption.AllDirectories).Sum(static f => f.Length);
}

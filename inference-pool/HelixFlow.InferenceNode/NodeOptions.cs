namespace HelixFlow.InferenceNode;

/// <summary>Which models a node serves and what it may use for them.</summary>
public sealed class NodeOptions
{
    /// <summary>The models, in the order they are listed to clients; names are unique.</summary>
    public IReadOnlyList<ModelSource> Models { get; set; } = [];

    /// <summary>Worker threads of the CPU backend, 1 to 1024; 0 (the default) is one per core.</summary>
    public int Threads { get; set; }

    /// <summary>Most sequences that run together per model, 1 to 1024. Default 64.</summary>
    public int MaxSequences { get; set; } = 64;

    /// <summary>Most requests that wait per model before new ones are refused. Default 256.</summary>
    public int MaxWaiting { get; set; } = 256;

    /// <summary>
    /// Memory for keys and values per model, in bytes. 0 (the default) takes an eighth of the machine's memory, but no more than
    /// <see cref="MaxSequences"/> sequences of full context can use.
    /// </summary>
    public long KvBytes { get; set; }
}

/// <summary>A model to serve.</summary>
/// <param name="Name">The name that requests use.</param>
/// <param name="Path">A .gguf file or a folder in Hugging Face's layout.</param>
public sealed record ModelSource(string Name, string Path)
{
    /// <summary>The name under which a file or folder is served: its own name, without .gguf.</summary>
    public static string NameOf(string path)
    {
        string name = System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path)));
        return name.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) ? name[..^".gguf".Length] : name;
    }
}

using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Models;

/// <summary>How a model is stored.</summary>
public enum ModelFileKind
{
    /// <summary>One GGUF file.</summary>
    Gguf,

    /// <summary>A folder with config.json and safetensors files.</summary>
    HuggingFace,
}

/// <summary>A model on disk: its weights, mapped into memory, and its configuration.</summary>
/// <remarks>Thread-safe for reading. Disposing unmaps the weights; a <see cref="ModelRunner"/> does it for the file it was given.</remarks>
public sealed class ModelFile : IDisposable
{
    private readonly TensorFile _tensors;

    private ModelFile(string path, ModelFileKind kind, ModelConfig config, TensorFile tensors, WeightNames names)
    {
        Path = path;
        Kind = kind;
        Config = config;
        _tensors = tensors;
        Names = names;
        (ParameterCount, WeightType) = Summarise(tensors);
    }

    /// <summary>The GGUF file, or the Hugging Face model's folder.</summary>
    public string Path { get; }

    /// <summary>The file's name without its extension, or the folder's name.</summary>
    public string Name =>
        Kind == ModelFileKind.Gguf ? System.IO.Path.GetFileNameWithoutExtension(Path) : System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(Path));

    public ModelFileKind Kind { get; }

    public ModelConfig Config { get; }

    /// <summary>The weights by name.</summary>
    public IReadOnlyDictionary<string, StoredTensor> Tensors => _tensors.Tensors;

    /// <summary>The metadata of a GGUF file (vocabulary, chat template); null for a folder.</summary>
    public GgufMetadata? Metadata => (_tensors as GgufFile)?.Metadata;

    /// <summary>The number of weights.</summary>
    public long ParameterCount { get; }

    /// <summary>The type in which most of the weights are stored.</summary>
    public TensorType WeightType { get; }

    internal WeightNames Names { get; }

    /// <summary>Opens a model.</summary>
    /// <param name="path">A GGUF file, or a folder with config.json and safetensors files.</param>
    /// <exception cref="ModelFormatException">The model is damaged, or of a kind that is not supported.</exception>
    /// <exception cref="IOException">A file is missing or cannot be read.</exception>
    public static ModelFile Open(string path)
    {
        path = System.IO.Path.GetFullPath(path);
        if (Directory.Exists(path))
        {
            return OpenFolder(path);
        }

        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"{path}: there is no such GGUF file or model folder", path);
        }

        return OpenGguf(path);
    }

    public void Dispose() => _tensors.Dispose();

    private static ModelFile OpenGguf(string path)
    {
        GgufFile file = GgufFile.Open(path);
        try
        {
            return new ModelFile(path, ModelFileKind.Gguf, ModelConfig.FromGguf(file), file, WeightNames.Gguf);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static ModelFile OpenFolder(string path)
    {
        if (!File.Exists(System.IO.Path.Combine(path, "config.json")))
        {
            throw new ModelFormatException(path, null, "has no config.json; a Hugging Face model's folder or a .gguf file is expected");
        }

        ModelConfig config = ModelConfig.FromHuggingFace(path);
        TensorFile tensors = SafetensorsFile.Open(path);
        WeightNames names = WeightNames.ForHuggingFace(config, tensors.Tensors.ContainsKey);
        return new ModelFile(path, ModelFileKind.HuggingFace, config, tensors, names);
    }

    private static (long ParameterCount, TensorType WeightType) Summarise(TensorFile tensors)
    {
        var counts = new Dictionary<TensorType, long>();
        foreach (StoredTensor tensor in tensors.Tensors.Values)
        {
            long elements = tensor.SizeBytes / tensor.Type.BlockBytes() * tensor.Type.BlockElements();
            counts[tensor.Type] = counts.GetValueOrDefault(tensor.Type) + elements;
        }

        return (counts.Values.Sum(), counts.Count == 0 ? TensorType.F32 : counts.MaxBy(entry => entry.Value).Key);
    }
}

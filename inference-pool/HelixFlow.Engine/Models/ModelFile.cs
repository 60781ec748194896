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
    private readonly ModelConfig? _config;

    private ModelFile(string path, ModelFileKind kind, ModelConfig config, TensorFile tensors, WeightNames names, Pooling? pooling)
        : this(path, kind, tensors)
    {
        _config = config;
        Names = names;
        Purpose = pooling is null ? ModelPurpose.Generate : ModelPurpose.Embed;
        Pooling = pooling ?? Pooling.Last;
    }

    private ModelFile(string path, ModelFileKind kind, EncoderConfig config, TensorFile tensors, EncoderNames names)
        : this(path, kind, tensors)
    {
        Encoder = config;
        EncoderNames = names;
        Purpose = config.Labels > 0 ? ModelPurpose.Rank : ModelPurpose.Embed;
        Pooling = config.Pooling;
    }

    private ModelFile(string path, ModelFileKind kind, TensorFile tensors)
    {
        Path = path;
        Kind = kind;
        _tensors = tensors;
        (ParameterCount, WeightType) = Summarise(tensors);
    }

    /// <summary>The GGUF file, or the Hugging Face model's folder.</summary>
    public string Path { get; }

    /// <summary>The file's name without its extension, or the folder's name.</summary>
    public string Name =>
        Kind == ModelFileKind.Gguf ? System.IO.Path.GetFileNameWithoutExtension(Path) : System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(Path));

    public ModelFileKind Kind { get; }

    /// <summary>What the model was made for.</summary>
    public ModelPurpose Purpose { get; }

    /// <summary>How a text's vector is made of its tokens' states, unless a request says otherwise.</summary>
    public Pooling Pooling { get; }

    /// <summary>The configuration of a decoder.</summary>
    /// <exception cref="ModelFormatException">The model is an encoder.</exception>
    public ModelConfig Config => _config ?? throw new ModelFormatException(Path, null, "is an encoder, which turns texts into vectors and writes none; a model that generates text is expected");

    /// <summary>The configuration of an encoder; null for a decoder.</summary>
    public EncoderConfig? Encoder { get; }

    /// <summary>The family, for example llama or bert.</summary>
    public string Architecture => Encoder?.Architecture ?? Config.Architecture;

    /// <summary>The most tokens that the model was made for.</summary>
    public int ContextLength => Encoder?.ContextLength ?? Config.ContextLength;

    /// <summary>The weights by name.</summary>
    public IReadOnlyDictionary<string, StoredTensor> Tensors => _tensors.Tensors;

    /// <summary>The metadata of a GGUF file (vocabulary, chat template); null for a folder.</summary>
    public GgufMetadata? Metadata => (_tensors as GgufFile)?.Metadata;

    /// <summary>The number of weights.</summary>
    public long ParameterCount { get; }

    /// <summary>The type in which most of the weights are stored.</summary>
    public TensorType WeightType { get; }

    /// <summary>A decoder's names.</summary>
    internal WeightNames Names { get; } = WeightNames.Gguf;

    /// <summary>Null for a decoder.</summary>
    internal EncoderNames? EncoderNames { get; }

    /// <summary>Added to every norm weight when it is loaded.</summary>
    internal float NormOffset => _config?.NormOffset ?? 0;

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
            return GgufEncoderConfig.IsEncoder(file.Metadata.GetString("general.architecture"))
                ? new ModelFile(path, ModelFileKind.Gguf, GgufEncoderConfig.Read(file), file, EncoderNames.Gguf)
                : new ModelFile(path, ModelFileKind.Gguf, ModelConfig.FromGguf(file), file, WeightNames.Gguf, GgufEncoderConfig.PoolingOf(file));
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

        var sentences = SentenceModules.Read(path);
        using (var json = ConfigJson.Open(System.IO.Path.Combine(path, "config.json")))
        {
            if (HuggingFaceEncoderConfig.IsEncoder(json.String("model_type")))
            {
                EncoderConfig encoder = HuggingFaceEncoderConfig.Read(json, System.IO.Path.Combine(path, "config.json"), sentences);
                TensorFile weights = SafetensorsFile.Open(path);
                return new ModelFile(path, ModelFileKind.HuggingFace, encoder, weights, EncoderNames.ForHuggingFace(encoder, weights.Tensors.ContainsKey));
            }
        }

        ModelConfig config = ModelConfig.FromHuggingFace(path);
        TensorFile tensors = SafetensorsFile.Open(path);
        WeightNames names = WeightNames.ForHuggingFace(config, tensors.Tensors.ContainsKey);
        if (sentences.Pooling is not null && !tensors.Tensors.ContainsKey($"{names.Output}.weight"))
        {
            config = config with { TiedEmbeddings = true }; // a model for vectors may be stored without its output layer
        }

        return new ModelFile(path, ModelFileKind.HuggingFace, config, tensors, names, sentences.Pooling);
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

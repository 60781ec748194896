using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.Engine.Speculation;
using HelixFlow.InferenceNode.Answers;
using HelixFlow.InferenceNode.Placement;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.InferenceNode.Serving;

/// <summary>A model that a node may serve: what clients are told of it and what it needs, read from its header.</summary>
/// <param name="Source">Where it lies.</param>
/// <param name="Description">What clients are told.</param>
/// <param name="Need">The memory that it takes, its draft model's included.</param>
/// <param name="RunnerOptions">How it runs.</param>
/// <param name="DraftOptions">How its draft model runs; null when there is none.</param>
internal sealed record CatalogEntry(
    ModelSource Source, ModelDescription Description, ModelNeed Need, ModelRunnerOptions RunnerOptions, ModelRunnerOptions? DraftOptions);

/// <summary>The models that a node may serve, known before any is loaded. Immutable.</summary>
internal sealed class ModelCatalog
{
    private const int BatchTokens = 512;
    private const int DraftRows = 128;
    private const int DraftSequences = 8;

    private readonly Dictionary<string, CatalogEntry> _byName;

    private ModelCatalog(List<CatalogEntry> entries)
    {
        Entries = entries;
        _byName = entries.ToDictionary(entry => entry.Source.Name, StringComparer.Ordinal);
    }

    /// <summary>In the order they were configured.</summary>
    public IReadOnlyList<CatalogEntry> Entries { get; }

    public CatalogEntry? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>Reads the headers of all configured models.</summary>
    /// <param name="options">The models and how they will run.</param>
    /// <param name="deviceBytes">What models may take of the largest device together.</param>
    /// <exception cref="ModelFormatException">A model is damaged or of a kind that is not supported.</exception>
    /// <exception cref="IOException">A file is missing or cannot be read.</exception>
    /// <exception cref="ArgumentException">Two models have the same name.</exception>
    public static ModelCatalog Read(NodeOptions options, long deviceBytes)
    {
        if (options.Speculation == SpeculationMode.Draft != (options.DraftModel is not null))
        {
            throw new ArgumentException("A draft model belongs to speculation by a draft model (--speculation draft --draft-model PATH), and that needs one.", nameof(options));
        }

        var entries = new List<CatalogEntry>();
        using ModelFile? draft = options.DraftModel is { } path ? ModelFile.Open(path) : null;
        foreach (ModelSource source in options.Models)
        {
            if (entries.Exists(entry => entry.Source.Name == source.Name))
            {
                throw new ArgumentException($"Two models are named '{source.Name}': {source.Path} and another one. Names must be unique.", nameof(options));
            }

            using ModelFile file = ModelFile.Open(source.Path);
            ModelRunnerOptions runner = RunnerOptions(options, deviceBytes);
            string? template = ChatTemplateSource.Find(file);
            var description = new ModelDescription
            {
                Name = source.Name,
                Created = new DateTimeOffset(Directory.GetLastWriteTimeUtc(source.Path)).ToUnixTimeSeconds(),
                ContextLength = (uint)ModelMemory.ContextLength(file, runner),
                Architecture = file.Architecture,
                Weights = file.WeightType.ToString(),
                Parameters = (ulong)file.ParameterCount,
                Chat = file.Purpose == ModelPurpose.Generate && template is not null,
                Kind = file.Purpose switch
                {
                    ModelPurpose.Embed => ModelKind.Embed,
                    ModelPurpose.Rank => ModelKind.Rank,
                    _ => ModelKind.Generate,
                },
                EmbeddingSize = file.Purpose == ModelPurpose.Rank ? 0 : (uint)(file.Encoder?.Hidden ?? file.Config.Hidden),
                SizeBytes = (ulong)SizeOf(source.Path),
                Reasoning = file.Purpose == ModelPurpose.Generate && template is not null && ReasoningStyle.Of(template) is not null,
                BlockCount = (uint)(file.Encoder?.Layers ?? file.Config.Layers),
                FileFormat = file.Metadata is null ? "safetensors" : "gguf",
            };
            ModelNeed need = ModelNeed.Of(file, runner, options.Footprint);
            ModelRunnerOptions? draftOptions = draft is null || file.Purpose != ModelPurpose.Generate ? null : DraftOptions(file, runner);
            need = draftOptions is null ? need : need.With(ModelNeed.Of(draft!, draftOptions, options.Footprint));
            entries.Add(new CatalogEntry(source, description, need, runner, draftOptions));
        }

        return new ModelCatalog(entries);
    }

    private static long SizeOf(string path) => Directory.Exists(path)
        ? new DirectoryInfo(path).EnumerateFiles().Sum(static file => file.Length)
        : new FileInfo(path).Length;

    // It follows few sequences at a time: they need no more room than full contexts, and none more than the served model has positions.
    private static ModelRunnerOptions DraftOptions(ModelFile served, ModelRunnerOptions options)
    {
        ModelConfig config = served.Config;
        long blockBytes = new KvLayout(config.Layers, config.KvHeads, config.HeadSize, 1, options.KvBlockSize, options.KvType).BlockBytes;
        long blocks = ModelMemory.Of(served, options).KvBytes / blockBytes;
        int context = ModelMemory.ContextLength(config, options);
        long useful = (context + options.KvBlockSize - 1) / options.KvBlockSize * (long)DraftSequences;
        return options with { MaxBatchRows = DraftRows, ExpectedSequences = DraftSequences, KvBlocks = (int)Math.Min(blocks, useful), ContextLength = context };
    }

    // Keys and values get an eighth of the device unless told otherwise: a few models fit side by side, and none can use more than full contexts.
    private static ModelRunnerOptions RunnerOptions(NodeOptions options, long deviceBytes) => new()
    {
        MaxBatchRows = BatchTokens,
        ExpectedSequences = options.MaxSequences,
        KvBytes = options.KvBytes > 0 ? options.KvBytes : Math.Max(1 << 20, deviceBytes / 8),
        KvType = options.KvType,
    };
}

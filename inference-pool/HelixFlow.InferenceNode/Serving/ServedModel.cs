using HelixFlow.Engine.Cpu;
using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.Engine.Templates;
using HelixFlow.Engine.Tokenization;
using HelixFlow.InferenceNode.Hosting;
using HelixFlow.InferenceNode.Placement;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.InferenceNode.Serving;

/// <summary>A loaded model with everything that turns requests into text: tokenizer, chat template, engine.</summary>
/// <remarks>Tokenizer, template and defaults are immutable and shared by all request threads.</remarks>
internal sealed class ServedModel : IAsyncDisposable
{
    private const int BatchTokens = 512;

    private readonly ModelRunner _runner;

    private ServedModel(
        ModelDescription description, ModelRunner runner, InferenceEngine engine, Tokenizer tokenizer, ChatTemplate? template, GenerationDefaults defaults)
    {
        Description = description;
        _runner = runner;
        Engine = engine;
        Tokenizer = tokenizer;
        Template = template;
        Defaults = defaults;
    }

    public ModelDescription Description { get; }

    public InferenceEngine Engine { get; }

    public Tokenizer Tokenizer { get; }

    /// <summary>Null for a model that brings no chat template: it answers text and token prompts only.</summary>
    public ChatTemplate? Template { get; }

    public GenerationDefaults Defaults { get; }

    public int ContextLength => _runner.ContextLength;

    public int VocabularySize => _runner.VocabularySize;

    /// <summary>What a model will take, from its header and the options; reads no weights.</summary>
    /// <exception cref="ModelFormatException">The model is damaged or of a kind that is not supported.</exception>
    /// <exception cref="IOException">A file is missing or cannot be read.</exception>
    public static ModelNeed Measure(ModelSource source, NodeOptions options)
    {
        using ModelFile file = ModelFile.Open(source.Path);
        return ModelNeed.Of(file, RunnerOptions(options));
    }

    /// <summary>Loads a model; takes as long as reading and repacking its weights does.</summary>
    /// <exception cref="ModelFormatException">The model is damaged or of a kind that is not supported.</exception>
    /// <exception cref="IOException">A file is missing or cannot be read.</exception>
    public static ServedModel Load(ModelSource source, NodeOptions options, TimeProvider time, IProgress<LoadProgress>? progress = null)
    {
        progress?.Report(new LoadProgress(0, "opening"));
        ModelFile file = ModelFile.Open(source.Path);
        try
        {
            progress?.Report(new LoadProgress(0.05, "reading the vocabulary"));
            Tokenizer tokenizer = file.Metadata is { } metadata ? Tokenizer.FromGguf(GgufVocabulary.Read(file.Path, metadata)) : Tokenizer.FromHuggingFace(file.Path);
            ChatTemplate? template = ParseTemplate(file);
            GenerationDefaults defaults = GenerationDefaults.Read(file);
            progress?.Report(new LoadProgress(0.1, "loading weights"));
            var backend = new CpuBackend(new CpuBackendOptions { Threads = options.Threads > 0 ? options.Threads : Environment.ProcessorCount });
            var runner = new ModelRunner(file, backend, RunnerOptions(options));
            progress?.Report(new LoadProgress(0.95, "starting"));
            var engine = new InferenceEngine(runner, new EngineOptions
            {
                MaxBatchTokens = BatchTokens,
                MaxSequences = options.MaxSequences,
                MaxWaiting = options.MaxWaiting,
                EndIds = tokenizer.EndIds,
                TimeProvider = time,
            });
            progress?.Report(new LoadProgress(1, "ready"));
            return new ServedModel(Describe(source, file, runner, template), runner, engine, tokenizer, template, defaults);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Ends the engine, then unloads the weights.</summary>
    public async ValueTask DisposeAsync()
    {
        await Engine.DisposeAsync().ConfigureAwait(false);
        _runner.Dispose();
    }

    private static ModelRunnerOptions RunnerOptions(NodeOptions options) => new()
    {
        MaxBatchRows = BatchTokens,
        ExpectedSequences = options.MaxSequences,
        KvBytes = options.KvBytes > 0 ? options.KvBytes : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 8,
    };

    private static ChatTemplate? ParseTemplate(ModelFile file)
    {
        if (ChatTemplateSource.Find(file) is not { } source)
        {
            return null;
        }

        try
        {
            return ChatTemplate.Parse(source);
        }
        catch (TemplateSyntaxException exception)
        {
            throw new ModelFormatException(file.Path, null, $"its chat template cannot be parsed: {exception.Message}", exception);
        }
    }

    private static ModelDescription Describe(ModelSource source, ModelFile file, ModelRunner runner, ChatTemplate? template) => new()
    {
        Name = source.Name,
        Created = new DateTimeOffset(Directory.GetLastWriteTimeUtc(source.Path)).ToUnixTimeSeconds(),
        ContextLength = (uint)runner.ContextLength,
        Architecture = file.Config.Architecture,
        Weights = file.WeightType.ToString(),
        Parameters = (ulong)file.ParameterCount,
        Chat = template is not null,
    };
}

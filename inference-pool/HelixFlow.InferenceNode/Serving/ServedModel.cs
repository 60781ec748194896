using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Grammar;
using HelixFlow.Engine.Models;
using HelixFlow.Engine.Speculation;
using HelixFlow.Engine.Templates;
using HelixFlow.Engine.Tokenization;
using HelixFlow.InferenceNode.Answers;
using HelixFlow.Schemas.Inference.V1;
using LoadProgress = HelixFlow.InferenceNode.Hosting.LoadProgress;
using Pooling = HelixFlow.Engine.Models.Pooling;

namespace HelixFlow.InferenceNode.Serving;

/// <summary>A loaded model with everything that turns requests into text: tokenizer, chat template, engine.</summary>
/// <remarks>Tokenizer, template and defaults are immutable and shared by all request threads.</remarks>
internal sealed class ServedModel : IAsyncDisposable
{
    private readonly ModelRunner? _runner;
    private readonly ModelRunner? _draft;
    private readonly EncoderRunner? _encoder;
    private readonly InferenceEngine? _engine;

    private ServedModel(
        ModelDescription description, Pooling pooling, ModelRunner runner, ModelRunner? draft, InferenceEngine engine, Tokenizer tokenizer, ChatTemplate? template,
        AnswerFormat? answers, GenerationDefaults defaults, int maxEmbeddings)
        : this(description, pooling, tokenizer, runner.VocabularySize, defaults, maxEmbeddings)
    {
        _runner = runner;
        _draft = draft;
        _engine = engine;
        Template = template;
        Answers = answers;
    }

    private ServedModel(ModelDescription description, Pooling pooling, EncoderRunner encoder, EncoderEngine engine, Tokenizer tokenizer, GenerationDefaults defaults, int maxEmbeddings)
        : this(description, pooling, tokenizer, encoder.Config.Vocabulary, defaults, maxEmbeddings)
    {
        _encoder = encoder;
        Encoder = engine;
    }

    private ServedModel(ModelDescription description, Pooling pooling, Tokenizer tokenizer, int vocabularySize, GenerationDefaults defaults, int maxEmbeddings)
    {
        Description = description;
        Pooling = pooling;
        Tokenizer = tokenizer;
        VocabularySize = vocabularySize;
        Defaults = defaults;
        EmbeddingPlaces = new SemaphoreSlim(maxEmbeddings);
        Constraints = new CompiledConstraints(() => new GrammarVocabulary(tokenizer, vocabularySize));
    }

    public ModelDescription Description { get; }

    /// <summary>How a text's vector is made, unless a request says otherwise.</summary>
    public Pooling Pooling { get; }

    /// <summary>The engine of a decoder.</summary>
    /// <exception cref="InvalidOperationException">The model is an encoder.</exception>
    public InferenceEngine Engine => _engine ?? throw new InvalidOperationException($"{Description.Name} is an encoder");

    /// <summary>The engine of an encoder; null for a decoder.</summary>
    public EncoderEngine? Encoder { get; }

    /// <summary>Most sequences that run together.</summary>
    public int MaxSequences => _engine?.MaxChoices ?? EncoderRunner.MaxSequences;

    public Tokenizer Tokenizer { get; }

    /// <summary>Null for a model that brings no chat template: it answers text and token prompts only.</summary>
    public ChatTemplate? Template { get; }

    /// <summary>How answers to chat prompts are read; null without a <see cref="Template"/>.</summary>
    public AnswerFormat? Answers { get; }

    public GenerationDefaults Defaults { get; }

    /// <summary>Held by each input that the engine embeds, so that long lists wait here in turn and are not refused by a full engine.</summary>
    public SemaphoreSlim EmbeddingPlaces { get; }

    /// <summary>What answers were asked to look like, compiled for its tokens.</summary>
    public CompiledConstraints Constraints { get; }

    /// <summary>Between the tokens of JSON that has to have a form.</summary>
    public JsonWhiteSpace WhiteSpace { get; private init; }

    public int ContextLength => _runner?.ContextLength ?? _encoder!.ContextLength;

    /// <summary>Positions in a block of its key/value store; 0 for an encoder, which has none.</summary>
    public int KvBlockSize => _runner?.KvBlockSize ?? 0;

    /// <summary>Whether it has been unloaded.</summary>
    public bool IsDisposed { get; private set; }

    public int VocabularySize { get; }

    /// <summary>Values in a token's state, and so in a text's vector.</summary>
    public int HiddenSize => _runner?.HiddenSize ?? _encoder!.Config.Hidden;

    /// <summary>What its engine does at this moment.</summary>
    public EngineSnapshot Snapshot() => _engine?.Snapshot() ?? Encoder!.Snapshot();

    /// <summary>Loads a model, on the caller's thread for the most part; takes as long as reading and repacking its weights does.</summary>
    /// <exception cref="ModelFormatException">The model is damaged or of a kind that is not supported.</exception>
    /// <exception cref="IOException">A file is missing or cannot be read.</exception>
    public static async Task<ServedModel> LoadAsync(CatalogEntry entry, NodeOptions options, TimeProvider time, IProgress<LoadProgress> progress)
    {
        progress.Report(new LoadProgress(0, "opening"));
        ModelFile file = ModelFile.Open(entry.Source.Path);
        ModelRunner? draft = null;
        ModelRunner? runner = null;
        try
        {
            // The tokenizer is built beside the weights: what it needs of the mapped file has been read by then.
            progress.Report(new LoadProgress(0.05, "reading the vocabulary"));
            Task<Tokenizer> building = Task.Run(TokenizerOf(file));
            string? templateText = ChatTemplateSource.Find(file);
            ChatTemplate? template = templateText is null ? null : ParseTemplate(file, templateText);
            GenerationDefaults defaults = GenerationDefaults.Read(file);
            progress.Report(new LoadProgress(0.1, "loading weights"));
            if (file.Encoder is not null)
            {
                return await LoadEncoderAsync(entry, options, file, building, defaults, time, progress).ConfigureAwait(false);
            }

            Pooling pooling = file.Pooling;
            draft = entry.DraftOptions is { } draftOptions ? LoadDraft(options, draftOptions, entry.Source.Name, await building.ConfigureAwait(false)) : null;
            runner = new ModelRunner(file, options.CreateBackend(options), entry.RunnerOptions with { LoadProgress = new WeightProgress(progress) });
            Tokenizer tokenizer = await building.ConfigureAwait(false);
            progress.Report(new LoadProgress(0.95, "starting"));
            SpeculationMode speculation = options.Speculation == SpeculationMode.Draft && draft is null ? SpeculationMode.NGram : options.Speculation;
            var engine = new InferenceEngine(runner, EngineOptionsOf(entry, options, speculation, tokenizer, time), draft);
            progress.Report(new LoadProgress(1, "ready"));
            AnswerFormat? answers = templateText is null ? null : new AnswerFormat(templateText, tokenizer, options.JsonWhiteSpace);
            return new ServedModel(entry.Description, pooling, runner, draft, engine, tokenizer, template, answers, defaults, options.MaxSequences)
            {
                WhiteSpace = options.JsonWhiteSpace,
            };
        }
        catch
        {
            draft?.Dispose();
            runner?.Dispose();
            file.Dispose();
            throw;
        }
    }

    /// <summary>Ends the engine, then unloads the weights.</summary>
    public async ValueTask DisposeAsync()
    {
        IsDisposed = true;
        if (_engine is not null)
        {
            await _engine.DisposeAsync().ConfigureAwait(false);
        }

        if (Encoder is not null)
        {
            await Encoder.DisposeAsync().ConfigureAwait(false);
        }

        await Constraints.DisposeAsync().ConfigureAwait(false);
        EmbeddingPlaces.Dispose();
        _runner?.Dispose();
        _draft?.Dispose();
        _encoder?.Dispose();
    }

    private static async Task<ServedModel> LoadEncoderAsync(
        CatalogEntry entry, NodeOptions options, ModelFile file, Task<Tokenizer> building, GenerationDefaults defaults, TimeProvider time, IProgress<LoadProgress> progress)
    {
        Pooling pooling = file.Pooling;
        var runner = new EncoderRunner(file, options.CreateBackend(options), entry.RunnerOptions with { LoadProgress = new WeightProgress(progress) });
        try
        {
            Tokenizer tokenizer = await building.ConfigureAwait(false);
            progress.Report(new LoadProgress(0.95, "starting"));
            var engine = new EncoderEngine(runner, EngineOptionsOf(entry, options, SpeculationMode.Off, tokenizer, time));
            progress.Report(new LoadProgress(1, "ready"));

            // Two full batches: one that runs and one that waits for it.
            return new ServedModel(entry.Description, pooling, runner, engine, tokenizer, defaults, Math.Min(options.MaxWaiting, 2 * EncoderRunner.MaxSequences));
        }
        catch
        {
            runner.Dispose();
            throw;
        }
    }

    private static EngineOptions EngineOptionsOf(CatalogEntry entry, NodeOptions options, SpeculationMode speculation, Tokenizer tokenizer, TimeProvider time) => new()
    {
        MaxBatchTokens = entry.RunnerOptions.MaxBatchRows,
        MaxSequences = options.MaxSequences,
        MaxWaiting = options.MaxWaiting,
        StepTimeBudget = options.StepTimeBudget,
        Deterministic = options.Deterministic,
        Speculation = speculation,
        SpeculationTokens = options.SpeculationTokens,
        EndIds = tokenizer.EndIds,
        ProjectWeight = project => options.ProjectWeights.GetValueOrDefault(project, 1),
        TimeProvider = time,
    };

    /// <summary>Reads the vocabulary of a mapped file; the result builds the tokenizer, and may do so when the file is closed.</summary>
    private static Func<Tokenizer> TokenizerOf(ModelFile file)
    {
        if (file.Metadata is not { } metadata)
        {
            string folder = file.Path;
            return () => Tokenizer.FromHuggingFace(folder);
        }

        GgufVocabulary vocabulary = GgufVocabulary.Read(file.Path, metadata);
        return () => Tokenizer.FromGguf(vocabulary);
    }

    /// <exception cref="ModelFormatException">Its tokens are not those of the served model.</exception>
    private static ModelRunner LoadDraft(NodeOptions options, ModelRunnerOptions runnerOptions, string served, Tokenizer tokenizer)
    {
        ModelFile file = ModelFile.Open(options.DraftModel!);
        try
        {
            Tokenizer own = TokenizerOf(file)();
            if (tokenizer.FindDifference(own) is { } id)
            {
                throw new ModelFormatException(
                    file.Path, null, $"it cannot draft for {served}: token {id} is '{own.TokenText(id)}' here and '{tokenizer.TokenText(id)}' there; the vocabularies must be the same");
            }

            return new ModelRunner(file, options.CreateBackend(options), runnerOptions);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static ChatTemplate ParseTemplate(ModelFile file, string source)
    {
        try
        {
            return ChatTemplate.Parse(source);
        }
        catch (TemplateSyntaxException exception)
        {
            throw new ModelFormatException(file.Path, null, $"its chat template cannot be parsed: {exception.Message}", exception);
        }
    }

    /// <summary>The weights' share of a load.</summary>
    private sealed class WeightProgress(IProgress<LoadProgress> load) : IProgress<double>
    {
        private double _told;

        public void Report(double value)
        {
            // Watchers are woken by each report: a hundred of them tell enough.
            if (value - _told >= 0.01)
            {
                _told = value;
                load.Report(new LoadProgress(0.1 + (0.85 * value), "loading weights"));
            }
        }
    }
}

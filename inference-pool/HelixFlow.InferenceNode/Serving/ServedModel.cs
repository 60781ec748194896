using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.Engine.Templates;
using HelixFlow.Engine.Tokenization;
using HelixFlow.InferenceNode.Answers;
using HelixFlow.Schemas.Inference.V1;
using LoadProgress = HelixFlow.InferenceNode.Hosting.LoadProgress;

namespace HelixFlow.InferenceNode.Serving;

/// <summary>A loaded model with everything that turns requests into text: tokenizer, chat template, engine.</summary>
/// <remarks>Tokenizer, template and defaults are immutable and shared by all request threads.</remarks>
internal sealed class ServedModel : IAsyncDisposable
{
    private readonly ModelRunner _runner;
    private readonly ModelRunner? _draft;

    private ServedModel(
        ModelDescription description, ModelRunner runner, ModelRunner? draft, InferenceEngine engine, Tokenizer tokenizer, ChatTemplate? template, AnswerFormat? answers,
        GenerationDefaults defaults)
    {
        Description = description;
        _runner = runner;
        _draft = draft;
        Engine = engine;
        Tokenizer = tokenizer;
        Template = template;
        Answers = answers;
        Defaults = defaults;
    }

    public ModelDescription Description { get; }

    public InferenceEngine Engine { get; }

    public Tokenizer Tokenizer { get; }

    /// <summary>Null for a model that brings no chat template: it answers text and token prompts only.</summary>
    public ChatTemplate? Template { get; }

    /// <summary>How answers to chat prompts are read; null without a <see cref="Template"/>.</summary>
    public AnswerFormat? Answers { get; }

    public GenerationDefaults Defaults { get; }

    public int ContextLength => _runner.ContextLength;

    /// <summary>Positions in a block of its key/value store.</summary>
    public int KvBlockSize => _runner.KvBlockSize;

    /// <summary>Whether it has been unloaded.</summary>
    public bool IsDisposed { get; private set; }

    public int VocabularySize => _runner.VocabularySize;

    /// <summary>Loads a model; takes as long as reading and repacking its weights does.</summary>
    /// <exception cref="ModelFormatException">The model is damaged or of a kind that is not supported.</exception>
    /// <exception cref="IOException">A file is missing or cannot be read.</exception>
    public static ServedModel Load(CatalogEntry entry, NodeOptions options, TimeProvider time, IProgress<LoadProgress> progress)
    {
        progress.Report(new LoadProgress(0, "opening"));
        ModelFile file = ModelFile.Open(entry.Source.Path);
        ModelRunner? draft = null;
        try
        {
            progress.Report(new LoadProgress(0.05, "reading the vocabulary"));
            Tokenizer tokenizer = ReadTokenizer(file);
            string? templateText = ChatTemplateSource.Find(file);
            ChatTemplate? template = templateText is null ? null : ParseTemplate(file, templateText);
            AnswerFormat? answers = templateText is null ? null : new AnswerFormat(templateText, tokenizer);
            GenerationDefaults defaults = GenerationDefaults.Read(file);
            progress.Report(new LoadProgress(0.1, "loading weights"));
            draft = entry.DraftOptions is { } draftOptions ? LoadDraft(options, draftOptions, entry.Source.Name, tokenizer) : null;
            var runner = new ModelRunner(file, options.CreateBackend(options), entry.RunnerOptions with { LoadProgress = new WeightProgress(progress) });
            progress.Report(new LoadProgress(0.95, "starting"));
            var engine = new InferenceEngine(runner, new EngineOptions
            {
                MaxBatchTokens = entry.RunnerOptions.MaxBatchRows,
                MaxSequences = options.MaxSequences,
                MaxWaiting = options.MaxWaiting,
                StepTimeBudget = options.StepTimeBudget,
                Deterministic = options.Deterministic,
                Speculation = options.Speculation,
                SpeculationTokens = options.SpeculationTokens,
                EndIds = tokenizer.EndIds,
                ProjectWeight = project => options.ProjectWeights.GetValueOrDefault(project, 1),
                TimeProvider = time,
            },
            draft);
            progress.Report(new LoadProgress(1, "ready"));
            return new ServedModel(entry.Description, runner, draft, engine, tokenizer, template, answers, defaults);
        }
        catch
        {
            draft?.Dispose();
            file.Dispose();
            throw;
        }
    }

    /// <summary>Ends the engine, then unloads the weights.</summary>
    public async ValueTask DisposeAsync()
    {
        IsDisposed = true;
        await Engine.DisposeAsync().ConfigureAwait(false);
        _runner.Dispose();
        _draft?.Dispose();
    }

    private static Tokenizer ReadTokenizer(ModelFile file) =>
        file.Metadata is { } metadata ? Tokenizer.FromGguf(GgufVocabulary.Read(file.Path, metadata)) : Tokenizer.FromHuggingFace(file.Path);

    /// <exception cref="ModelFormatException">Its tokens are not those of the served model.</exception>
    private static ModelRunner LoadDraft(NodeOptions options, ModelRunnerOptions runnerOptions, string served, Tokenizer tokenizer)
    {
        ModelFile file = ModelFile.Open(options.DraftModel!);
        try
        {
            Tokenizer own = ReadTokenizer(file);
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

using System.Text.Json;
using HelixFlow.Agents.Fetching;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;
using HelixFlow.Agents.Texts;

namespace HelixFlow.Agents.JobTypes.Summaries;

/// <summary>
/// <c>summarise</c>: reads a text of any length part by part, and summarises the summaries until one is left. Each question to the model is a step, so
/// that a job that is interrupted asks nothing twice.
/// </summary>
public sealed class SummariseJob : IJobType
{
    // A model's questions at the same time: enough to fill a batch, few enough to leave room to others.
    private const int MostAtOnce = 4;

    // Below this, what is left for the text is not worth asking for.
    private const int LeastRoom = 200;

    private const int Margin = 8; // templates may count a joint of two texts otherwise than the texts alone
    private const int QuoteLength = 160;
    private const long MaxFileBytes = 64 << 20; // a text of some ten thousand pages is held in memory

    private readonly IModelClient _models;
    private readonly StepExecutor<string, WebPage> _fetch;
    private readonly StepExecutor<PlanStep, SummaryPlan> _plan;
    private readonly StepExecutor<ModelCall, ModelAnswer> _answer;

    /// <summary>Makes the type.</summary>
    /// <param name="models">Who reads and writes.</param>
    /// <param name="fetcher">Who reads pages that are given by address.</param>
    public SummariseJob(IModelClient models, WebFetcher fetcher)
    {
        _models = models;
        _answer = ModelSteps.Answer(models);
        _fetch = new("summary-page", 1, EffectClass.Recorded, SummaryJson.Default.String, SummaryJson.Default.WebPage, (url, _, token) => FetchAsync(fetcher, url, token));
        _plan = new("summary-plan", 1, EffectClass.Recorded, SummaryJson.Default.PlanStep, SummaryJson.Default.SummaryPlan, (step, _, token) => PlanAsync(step, token));
    }

    /// <inheritdoc />
    public string Name => "summarise";

    /// <inheritdoc />
    public string Description => "Summarises a text of any length, as plain text, Markdown or HTML, with references to the places in the source.";

    /// <inheritdoc />
    public JsonElement InputSchema { get; } = JsonElement.Parse("""
        {
          "type": "object",
          "properties": {
            "text": {
              "description": "What is to be summarised, of any length; or a file that was brought before, by its hash",
              "anyOf": [
                { "type": "string", "minLength": 1 },
                { "type": "object", "properties": { "artifact": { "type": "string", "minLength": 64, "maxLength": 64 } }, "required": ["artifact"], "additionalProperties": false }
              ]
            },
            "url": { "type": "string", "minLength": 1, "maxLength": 2048, "description": "In place of text: the address of a page of the web" },
            "format": { "enum": ["text", "markdown", "html"], "default": "text" },
            "model": { "type": "string", "minLength": 1, "description": "The model that reads and writes; default: the first one that is served" },
            "style": { "enum": ["paragraph", "bullets", "headline"], "default": "paragraph" },
            "length": { "enum": ["short", "medium", "long"], "default": "medium", "description": "At most two sentences, one paragraph, or several; less where the model's context is small" },
            "focus": { "type": "string", "minLength": 1, "maxLength": 500, "description": "What to pay attention to" }
          },
          "anyOf": [{ "required": ["text"] }, { "required": ["url"] }],
          "additionalProperties": false
        }
        """);

    /// <inheritdoc />
    public JsonElement OutputSchema { get; } = JsonElement.Parse("""
        {
          "type": "object",
          "description": "Positions count UTF-16 code units of the input's text, or of the text of the page that was read.",
          "properties": {
            "summary": { "type": "string", "description": "Numbers in brackets refer to the sections" },
            "citations": {
              "type": "array",
              "description": "The sections that the summary names",
              "items": {
                "type": "object",
                "properties": { "number": { "type": "integer" }, "start": { "type": "integer" }, "end": { "type": "integer" }, "quote": { "type": "string" } },
                "required": ["number", "start", "end", "quote"]
              }
            },
            "sections": {
              "type": "array",
              "description": "All parts of the text, each with its own summary",
              "items": {
                "type": "object",
                "properties": { "number": { "type": "integer" }, "start": { "type": "integer" }, "end": { "type": "integer" }, "summary": { "type": "string" } },
                "required": ["number", "start", "end", "summary"]
              }
            },
            "source": {
              "type": "object",
              "description": "The page that was read; missing when the text was given",
              "properties": { "url": { "type": "string" }, "title": { "type": "string" }, "text_sha256": { "type": "string" }, "fetched_at": { "type": "string" } },
              "required": ["url", "title", "text_sha256", "fetched_at"]
            },
            "model": { "type": "string" },
            "usage": {
              "type": "object",
              "properties": { "calls": { "type": "integer" }, "prompt_tokens": { "type": "integer" }, "completion_tokens": { "type": "integer" } },
              "required": ["calls", "prompt_tokens", "completion_tokens"]
            }
          },
          "required": ["summary", "citations", "sections", "model", "usage"]
        }
        """);

    /// <inheritdoc />
    public async Task<JsonElement> RunAsync(Run run, CancellationToken cancellationToken)
    {
        SummaryInput input = run.Input.Deserialize(SummaryJson.Default.SummaryInput)!;
        if (input is { Url: not null, Text: not null })
        {
            throw new JobFailedException("text_and_url", "The input has both a text and a url: give one of them.");
        }

        WebPage? page = input.Url is { } url ? await run.StepAsync("fetch", _fetch, url, cancellationToken).ConfigureAwait(false) : null;
        string text = page?.Text ?? await TextAsync(run, input.Text!.Value, cancellationToken).ConfigureAwait(false);
        input = input with { Text = null, Format = page is null ? input.Format : "text" };
        SummaryPlan plan = await run.StepAsync("plan", _plan, new PlanStep(input, text), cancellationToken).ConfigureAwait(false);
        SourceText source = Read(input, text);
        var session = new Session(run, plan);
        if (plan.Parts.Count == 0)
        {
            throw new JobFailedException("empty_text", "The text has nothing to read.");
        }

        bool isWhole = plan.Parts.Count == 1;
        string[] parts = new string[plan.Parts.Count];
        await EachAsync(parts.Length, async (i, token) =>
        {
            ModelMessage[] messages = SummaryPrompts.Part(input, source.Text[plan.Parts[i].Start..plan.Parts[i].End], isWhole);
            string answer = await AskAsync(session, $"part/{i + 1}", messages, isWhole ? plan.FinalTokens : plan.PartTokens, token).ConfigureAwait(false);
            parts[i] = SummaryPrompts.Resolve(answer, new HashSet<int>(), out _); // nothing has a number yet: those in brackets are the source's own
        }, cancellationToken).ConfigureAwait(false);
        List<Partial> summaries = [.. parts.Select(static (text, i) => new Partial(text, [i + 1]))];
        for (int level = 1; summaries.Count > 1; level++)
        {
            summaries = await MergeAsync(session, input, level, summaries, cancellationToken).ConfigureAwait(false);
        }

        Partial whole = summaries[0];
        if (string.IsNullOrWhiteSpace(whole.Text))
        {
            throw new JobFailedException("empty_answer", $"The model '{plan.Model}' wrote nothing.");
        }

        var output = new SummaryOutput(
            whole.Text,
            [.. whole.Named.Select(number => Cite(source, plan.Parts[number - 1], number))],
            [.. parts.Select((text, i) => new SummarySection(i + 1, source.OriginOf(plan.Parts[i].Start), source.OriginOf(plan.Parts[i].End), text))],
            plan.Model,
            session.Usage,
            page is null ? null : new SummarySource(page.Url, page.Title, page.Sha256, page.FetchedAt));
        return JsonSerializer.SerializeToElement(output, SummaryJson.Default.SummaryOutput);
    }

    // What may be otherwise in a while is tried again with the next attempt.
    private static async Task<WebPage> FetchAsync(WebFetcher fetcher, string url, CancellationToken cancellationToken)
    {
        FetchResult result = await fetcher.FetchAsync(url, cancellationToken).ConfigureAwait(false);
        return result switch
        {
            { Page: { } page } => page,
            { Failure: FetchFailure.Unreachable or FetchFailure.TooSlow or FetchFailure.RateLimited or FetchFailure.HttpStatus } => throw new HttpRequestException(result.Reason),
            _ => throw new JobFailedException("page_refused", result.Reason ?? "The page cannot be read."),
        };
    }

    private static async Task<string> TextAsync(Run run, JsonElement text, CancellationToken cancellationToken) => ArtifactReference.Of(text) is { } file
        ? TextDecoding.Page(await run.ReadArtifactAsync(file, MaxFileBytes, cancellationToken).ConfigureAwait(false), null)
        : text.ValueKind == JsonValueKind.String ? text.GetString()! : throw new JobFailedException("invalid_text", "The text is neither a text nor a file's hash.");

    private async Task<SummaryPlan> PlanAsync(PlanStep step, CancellationToken cancellationToken)
    {
        SummaryInput input = step.Input;
        ModelLimits model = await _models.FindAsync(input.Model, cancellationToken).ConfigureAwait(false);
        int ofPart = await _models.CountAsync(model.Name, SummaryPrompts.Part(input, "", false), cancellationToken).ConfigureAwait(false);
        int ofWhole = await _models.CountAsync(model.Name, SummaryPrompts.Part(input, "", true), cancellationToken).ConfigureAwait(false);
        int ofMerge = await _models.CountAsync(model.Name, SummaryPrompts.Merge(input, [], true), cancellationToken).ConfigureAwait(false);
        int overhead = Math.Max(ofMerge, Math.Max(ofPart, ofWhole));
        int room = model.ContextLength - overhead - Margin;
        if (room < LeastRoom)
        {
            throw new JobFailedException("context_too_small", $"The model '{model.Name}' has {model.ContextLength} tokens of context, and {overhead} of them are the question alone.");
        }

        // Two summaries of parts and the summary of both have room together, or merging would not end: 2/5 and 3/8, and the rest for their numbers.
        int partTokens = Math.Min(256, room / 5);
        int finalTokens = Math.Min(SummaryPrompts.TokensOf(input.Length), room * 3 / 8);
        int questionTokens = model.ContextLength - Margin - Math.Max(partTokens, finalTokens);
        string text = Read(input, step.Text).Text;
        List<TextSpan> parts = string.IsNullOrWhiteSpace(text) ? [] : await TextSplitter.SplitAsync(
            text, questionTokens, (part, token) => _models.CountAsync(model.Name, SummaryPrompts.Part(input, part, ofWhole > ofPart), token),
            cancellationToken).ConfigureAwait(false);
        return new SummaryPlan(model.Name, partTokens, finalTokens, questionTokens, parts);
    }

    /// <summary>Merges neighbours, as many as the model can read at once and two at least.</summary>
    private async Task<List<Partial>> MergeAsync(Session session, SummaryInput input, int level, List<Partial> summaries, CancellationToken cancellationToken)
    {
        List<List<Partial>> groups = await GroupAsync(session.Plan, input, summaries, cancellationToken).ConfigureAwait(false);
        bool isLast = groups.Count == 1;
        var merged = new Partial[groups.Count];
        await EachAsync(groups.Count, async (i, token) =>
        {
            List<Partial> group = groups[i];
            if (group.Count == 1)
            {
                merged[i] = group[0];
                return;
            }

            var numbers = new SortedSet<int>(group.SelectMany(static part => part.Numbers));
            ModelMessage[] messages = SummaryPrompts.Merge(input, group.Select(static part => part.Shown), isLast);
            string answer = await AskAsync(session, $"merge/{level}/{i + 1}", messages, isLast ? session.Plan.FinalTokens : session.Plan.PartTokens, token).ConfigureAwait(false);
            string text = SummaryPrompts.Resolve(answer, numbers, out List<int> used);
            merged[i] = new Partial(text, used.Count > 0 ? used : [.. numbers]) { Named = used };
        }, cancellationToken).ConfigureAwait(false);
        return [.. merged];
    }

    // Depends on recorded answers and on the model's tokens alone, which are the same when the code runs again.
    private async Task<List<List<Partial>>> GroupAsync(SummaryPlan plan, SummaryInput input, List<Partial> summaries, CancellationToken cancellationToken)
    {
        var groups = new List<List<Partial>>();
        foreach (Partial summary in summaries)
        {
            if (groups.Count > 0 && (groups[^1].Count < 2 || await FitsAsync([.. groups[^1], summary]).ConfigureAwait(false)))
            {
                groups[^1].Add(summary);
            }
            else
            {
                groups.Add([summary]);
            }
        }

        return groups;

        async Task<bool> FitsAsync(List<Partial> group) =>
            await _models.CountAsync(plan.Model, SummaryPrompts.Merge(input, group.Select(static part => part.Shown), true), cancellationToken).ConfigureAwait(false) <= plan.RoomTokens;
    }

    private async Task<string> AskAsync(Session session, string address, ModelMessage[] messages, int maxTokens, CancellationToken cancellationToken)
    {
        ModelAnswer answer = await session.Run.StepAsync(address, _answer, new ModelCall(session.Plan.Model, messages, maxTokens), cancellationToken).ConfigureAwait(false);
        if (session.Add(answer) is { } progress)
        {
            await session.Run.ReportAsync(progress.Percent, progress.Message, cancellationToken).ConfigureAwait(false);
        }

        return answer.Text;
    }

    private static Task EachAsync(int count, Func<int, CancellationToken, Task> work, CancellationToken cancellationToken) => Parallel.ForEachAsync(
        Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = MostAtOnce, CancellationToken = cancellationToken }, async (i, token) => await work(i, token).ConfigureAwait(false));

    private static SourceText Read(SummaryInput input, string text) => input.Format == "html" ? SourceText.Html(text) : SourceText.Plain(text);

    private static SummaryCitation Cite(SourceText source, TextSpan part, int number)
    {
        string text = source.Text[part.Start..part.End].Trim();
        int end = text.Length <= QuoteLength ? text.Length : TextSplitter.EndOf(text, 0, QuoteLength);
        return new SummaryCitation(number, source.OriginOf(part.Start), source.OriginOf(part.End), text[..end].Trim());
    }

    /// <param name="Text">A summary of one part or of several.</param>
    /// <param name="Numbers">The parts that it stands for.</param>
    private sealed record Partial(string Text, IReadOnlyList<int> Numbers)
    {
        /// <summary>The parts that the text names itself.</summary>
        public IReadOnlyList<int> Named { get; init; } = [];

        public string Shown => SummaryPrompts.Numbered(Text, Numbers);
    }

    /// <summary>What is counted while a run goes on.</summary>
    private sealed class Session(Run run, SummaryPlan plan)
    {
        private readonly Lock _lock = new();
        private int _told;

        public Run Run => run;

        public SummaryPlan Plan => plan;

        public SummaryUsage Usage { get; private set; } = new(0, 0, 0);

        /// <summary>What there is to tell; null when it is no percent more than before.</summary>
        public (int Percent, string Message)? Add(ModelAnswer answer)
        {
            lock (_lock)
            {
                Usage = new SummaryUsage(Usage.Calls + 1, Usage.PromptTokens + answer.PromptTokens, Usage.CompletionTokens + answer.CompletionTokens);
                int parts = plan.Parts.Count;
                int percent = Usage.Calls <= parts ? 90 * Usage.Calls / parts : Math.Min(99, 90 + Usage.Calls - parts);
                if (percent <= _told)
                {
                    return null;
                }

                _told = percent;
                return (percent, Usage.Calls <= parts ? $"{Usage.Calls} of {parts} parts read" : "Merging the summaries");
            }
        }
    }
}

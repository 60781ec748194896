using System.Globalization;
using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Fetching;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;
using HelixFlow.Agents.Searching;
using HelixFlow.Agents.Texts;

namespace HelixFlow.Agents.JobTypes.Research;

/// <summary>
/// <c>research</c>: plans, searches, reads pages, finds what in them answers a question and writes a report, each statement of which leads to a place
/// in a page that was read.
/// </summary>
/// <remarks>Searches, pages and answers of the model are recorded steps, so that a job that is interrupted asks nobody twice.</remarks>
public sealed class ResearchJob : IJobType
{
    private const int MostKnown = 24; // quotes that the model sees when it says what is missing

    private readonly IModelClient _models;
    private readonly SourceGathering _gathering;
    private readonly StepExecutor<ModelCall, ModelAnswer> _answer;
    private readonly StepExecutor<StartStep, ResearchStart> _start;

    /// <summary>Makes the type.</summary>
    /// <param name="models">Who reads and writes.</param>
    /// <param name="providers">Who searches; none when jobs bring their addresses themselves.</param>
    /// <param name="fetcher">Who reads pages of the web.</param>
    public ResearchJob(IModelClient models, IEnumerable<ISearchProvider> providers, WebFetcher fetcher)
    {
        _models = models;
        _gathering = new SourceGathering([.. providers], fetcher);
        _answer = ModelSteps.Answer(models);
        _start = new("research-start", 1, EffectClass.Recorded, ResearchJson.Default.StartStep, ResearchJson.Default.ResearchStart,
            async (step, _, token) => new ResearchStart(await models.FindAsync(step.Model, token).ConfigureAwait(false), _gathering.CanSearch(step.Sources)));
    }

    /// <inheritdoc />
    public string Name => "research";

    /// <inheritdoc />
    public string Description =>
        "Answers a question from pages of the web, of a local folder or of addresses that are given, with citations that lead to the quoted places.";

    /// <inheritdoc />
    public JsonElement InputSchema => ResearchSchemas.Input;

    /// <inheritdoc />
    public JsonElement OutputSchema => ResearchSchemas.Output;

    /// <inheritdoc />
    public async Task<JsonElement> RunAsync(Run run, CancellationToken cancellationToken)
    {
        ResearchInput input = run.Input.Deserialize(ResearchJson.Default.ResearchInput)!;
        (ModelLimits model, bool isSearching) =
            await run.StepAsync("start", _start, new StartStep(input.Model, input.Sources), cancellationToken).ConfigureAwait(false);
        if (!isSearching && input.Urls.Count == 0)
        {
            throw new JobFailedException(
                "no_sources", "There is nothing to search here: give urls, or have the operator configure a search service or a folder (helixflow serve --help).");
        }

        var session = new ResearchSession(run, input, model, _models, _answer);
        List<ResearchPart> parts = await PlanAsync(session, cancellationToken).ConfigureAwait(false);
        List<ResearchPart> searched = [new ResearchPart("", ResearchPrompts.Query(input.Question)), .. parts];
        List<ResearchPart> next = searched;
        var tried = new List<TriedSource>();
        var evidence = new List<Evidence>();
        for (int round = 1; round <= input.Depth && next.Count > 0; round++)
        {
            await session.ReportAsync(10, isSearching ? $"Searching: {next[0].Query}" : "Reading", cancellationToken).ConfigureAwait(false);
            List<FoundPage> found = round == 1 ? [.. input.Urls.Select(static url => new FoundPage(url, "", "input", 0, 0))] : [];
            found.AddRange(isSearching ? await _gathering.FindAsync(session, round, next, cancellationToken).ConfigureAwait(false) : []);
            int before = tried.Count;
            int wanted = (((input.MaxSources * round) + input.Depth - 1) / input.Depth) - tried.Count(static source => source.Page is not null);
            await _gathering.ReadAsync(session, found, wanted, tried, cancellationToken).ConfigureAwait(false);
            string query = string.Join('\n', searched.Select(static part => part.Query));
            evidence.AddRange(await EvidenceExtraction.FindAsync(session, tried[before..], query, cancellationToken).ConfigureAwait(false));
            bool isLast = round == input.Depth || !isSearching;
            next = isLast ? [] : await FollowUpAsync(session, round + 1, searched, evidence, cancellationToken).ConfigureAwait(false);
            searched.AddRange(next);
        }

        if (evidence.Count == 0 && EvidenceExtraction.Nearest(tried, input.Question) is { Count: > 0 } nearest)
        {
            session.Note("nothing_chosen", "The model named no sentence as evidence; the passages with most of the question's words stand in for it.");
            evidence = nearest;
        }

        await session.ReportAsync(75, "Writing", cancellationToken).ConfigureAwait(false);
        List<ResearchPart> sections = input.Style == "brief" ? [] : parts;
        (string report, List<Evidence> cited) = await ReportWriting.WriteAsync(session, sections, evidence, cancellationToken).ConfigureAwait(false);
        foreach (TriedSource source in cited.Select(static one => one.Source).Distinct().OrderBy(static source => source.Number))
        {
            byte[] text = Encoding.UTF8.GetBytes(source.Page!.Text);
            await run.ArtifactAsync(FileOf(source), text, "text/plain; charset=utf-8", cancellationToken).ConfigureAwait(false);
        }

        var output = new ResearchOutput(
            input.Question, report, [.. cited.Select(Cite)], [.. tried.Select(source => Describe(source, cited.Exists(one => one.Source == source)))],
            [.. isSearching ? searched.Select(static part => part.Query) : []], session.Notes, model.Name, session.Usage);
        return JsonSerializer.SerializeToElement(output, ResearchJson.Default.ResearchOutput);
    }

    /// <summary>The parts of the question besides the question itself; none when the model cannot tell.</summary>
    private static async Task<List<ResearchPart>> PlanAsync(ResearchSession session, CancellationToken cancellationToken)
    {
        int most = session.Input.Breadth - 1;
        if (most == 0)
        {
            return [];
        }

        await session.ReportAsync(2, "Planning", cancellationToken).ConfigureAwait(false);
        int tokens = Math.Min(30 + (70 * most), session.Model.ContextLength / 2);
        Question? question = await session.PrepareAsync(
            "plan", _ => ResearchPrompts.Plan(session.Input, most), 0, tokens, 0.3, ResearchPrompts.PlanSchema(most), cancellationToken).ConfigureAwait(false);
        if (question is not null && ResearchPrompts.Parts(await session.AskAsync(question, cancellationToken).ConfigureAwait(false)) is { Count: > 0 } parts)
        {
            return New(parts, [new ResearchPart("", session.Input.Question)], most);
        }

        session.Note("plan_unusable", "The model gave no plan that can be used; the question alone was searched.");
        return [];
    }

    private static async Task<List<ResearchPart>> FollowUpAsync(
        ResearchSession session, int round, List<ResearchPart> searched, List<Evidence> evidence, CancellationToken cancellationToken)
    {
        int most = session.Input.Breadth;
        Question? question = await session.PrepareAsync(
            $"plan/{round}", taken => ResearchPrompts.FollowUp(session.Input, evidence.Take(taken).Select(static one => one.Quote), most),
            Math.Min(evidence.Count, MostKnown),
            Math.Min(20 + (40 * most), session.Model.ContextLength / 3), 0.5, ResearchPrompts.FollowUpSchema(most), cancellationToken).ConfigureAwait(false);
        if (question is not null && ResearchPrompts.Queries(await session.AskAsync(question, cancellationToken).ConfigureAwait(false)) is { } queries)
        {
            return New(queries, searched, most);
        }

        session.Note("follow_up_unusable", $"The model gave no queries for round {round} that can be used; the search ended there.");
        return [];
    }

    /// <summary>Those whose queries have other words than all before.</summary>
    private static List<ResearchPart> New(IEnumerable<ResearchPart> parts, IEnumerable<ResearchPart> known, int most)
    {
        var seen = new HashSet<string>(known.Select(static part => KeyOf(part)), StringComparer.Ordinal);
        return [.. parts.Where(part => seen.Add(KeyOf(part))).Take(most)];

        static string KeyOf(ResearchPart part) => string.Join(' ', Words.Of(part.Query));
    }

    private static ResearchCitation Cite(Evidence evidence, int index)
    {
        WebPage page = evidence.Source.Page!;
        return new ResearchCitation(
            index + 1, evidence.Source.Number, page.Url, TitleOf(evidence.Source), evidence.Quote, evidence.Span.Start, evidence.Span.End,
            FileOf(evidence.Source), page.Sha256, page.FetchedAt,
            evidence.IsRanked ? "ranking" : "model");
    }

    private static ResearchSource Describe(TriedSource source, bool isCited) => new(
        source.Number,
        source.Page?.Url ?? source.Found.Url,
        TitleOf(source),
        isCited ? "cited" : source.Page is null || source.Refusal?.Code == "duplicate" ? "rejected" : "read",
        source.Refusal?.Code,
        source.Refusal?.Reason,
        source.Found.Provider,
        $"fetch/{source.Number}",
        source.Page?.Sha256,
        source.Page?.FetchedAt);

    /// <summary>The artifact that has the text of a page that is cited.</summary>
    private static string FileOf(TriedSource source) => string.Create(CultureInfo.InvariantCulture, $"page-{source.Number}.txt");

    private static string TitleOf(TriedSource source) => source.Page is { Title.Length: > 0 } page ? page.Title : source.Found.Title;
}

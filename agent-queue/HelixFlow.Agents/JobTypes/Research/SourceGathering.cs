using System.Globalization;
using HelixFlow.Agents.Fetching;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;
using HelixFlow.Agents.Searching;
using HelixFlow.Agents.Texts;

namespace HelixFlow.Agents.JobTypes.Research;

/// <summary>A page that was tried, and what came of it.</summary>
internal sealed class TriedSource(int number, FoundPage found, FetchResult result)
{
    private const int MostCharacters = 200_000; // of a page; what stands behind is rarely what a question is about

    private List<TextSpan>? _sentences;

    public int Number => number;

    public FoundPage Found => found;

    public WebPage? Page => result.Page;

    /// <summary>Why nothing of it is used.</summary>
    public (string Code, string Reason)? Refusal { get; set; } = result.Failure is { } failure ? (CodeOf(failure), result.Reason ?? "") : null;

    /// <summary>The sentences at the beginning of its text.</summary>
    public List<TextSpan> Sentences => _sentences ??= Texts.Sentences.Of(Page!.Text[..Math.Min(MostCharacters, Page.Text.Length)]);

    /// <summary>What stands in a sentence.</summary>
    public string TextOf(int sentence) => Page!.Text[Sentences[sentence].Start..Sentences[sentence].End];

    private static string CodeOf(FetchFailure failure) => System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(failure.ToString());
}

/// <summary>Searches and fetches for research jobs: the part of it that touches the world, in recorded steps.</summary>
internal sealed class SourceGathering
{
    private const int MostAtOnce = 4;
    private const int HitsPerSearch = 20; // what a search service gives at once; more than are read, as some cannot be
    private const int RankOffset = 60; // reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009)

    private readonly IReadOnlyList<ISearchProvider> _providers;
    private readonly StepExecutor<SearchStep, SearchFound> _search;
    private readonly StepExecutor<string, FetchResult> _fetch;

    public SourceGathering(IReadOnlyList<ISearchProvider> providers, WebFetcher fetcher)
    {
        _providers = providers;
        ILocalPages? folder = providers.Where(static provider => provider.IsLocal).OfType<ILocalPages>().FirstOrDefault();
        _search = new("search", 1, EffectClass.Recorded, ResearchJson.Default.SearchStep, ResearchJson.Default.SearchFound,
            (query, _, token) => SearchAsync(query, token));
        _fetch = new("fetch-page", 1, EffectClass.Recorded, ResearchJson.Default.String, ResearchJson.Default.FetchResult, (url, _, token) =>
            !url.StartsWith(FolderSearch.Scheme, StringComparison.Ordinal) ? fetcher.FetchAsync(url, token)
            : folder is not null ? folder.ReadAsync(url, token)
            : Task.FromResult(new FetchResult(null, FetchFailure.BadAddress, "There is no folder of local pages here.")));
    }

    /// <summary>Whether there is anybody to search these kinds of sources.</summary>
    public bool CanSearch(IReadOnlyList<string> sources) => Providers(sources).Any();

    /// <summary>Searches each query; the pages of all, the best first.</summary>
    public async Task<List<FoundPage>> FindAsync(ResearchSession session, int round, IReadOnlyList<ResearchPart> parts, CancellationToken cancellationToken)
    {
        var found = new SearchFound[parts.Count];
        await EachAsync(parts.Count, async (i, token) =>
        {
            var step = new SearchStep(parts[i].Query, HitsPerSearch, session.Input.Language, session.Input.Sources);
            string address = string.Create(CultureInfo.InvariantCulture, $"search/{round}/{i + 1}");
            found[i] = await session.Run.StepAsync(address, _search, step, token).ConfigureAwait(false);
        }, cancellationToken).ConfigureAwait(false);
        foreach (string failure in found.SelectMany(static one => one.Failures))
        {
            session.Note("search_failed", failure);
        }

        return Fuse(found.Select(static one => one.Pages));
    }

    /// <summary>Reads pages, until so many have been read or there are none left.</summary>
    public async Task ReadAsync(
        ResearchSession session, IReadOnlyList<FoundPage> candidates, int wanted, List<TriedSource> tried, CancellationToken cancellationToken)
    {
        var known = new HashSet<string>(tried.Select(static source => KeyOf(source.Found.Url)), StringComparer.Ordinal);
        var open = new Queue<FoundPage>(candidates.Where(page => known.Add(KeyOf(page.Url))));
        int most = 2 * wanted; // pages that cannot be read are replaced, as often as that
        int read = 0;
        for (int tries = 0; read < wanted && tries < most && open.Count > 0;)
        {
            int count = Math.Min(MostAtOnce, Math.Min(wanted - read, Math.Min(most - tries, open.Count)));
            FoundPage[] batch = [.. Enumerable.Range(0, count).Select(_ => open.Dequeue())];
            FetchResult[] results = await Task.WhenAll(batch.Select((page, i) => session.Run.StepAsync(
                string.Create(CultureInfo.InvariantCulture, $"fetch/{tried.Count + i + 1}"), _fetch, page.Url, cancellationToken))).ConfigureAwait(false);
            for (int i = 0; i < count; i++)
            {
                var source = new TriedSource(tried.Count + 1, batch[i], results[i]);
                if (source.Page is { } page && tried.Find(other => other.Page?.Sha256 == page.Sha256) is { } twin)
                {
                    source.Refusal = ("duplicate", $"Its text is that of source {twin.Number}.");
                }

                read += source.Refusal is null ? 1 : 0;
                tried.Add(source);
            }

            tries += count;
            await session.ReportAsync(10, 40, tried.Count, tried.Count == 1 ? "1 page read" : $"{tried.Count} pages read", cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// The pages of several searches as one list: what comes first in any of them, then what comes second, and so on, so that each search has its
    /// say; among equals those that many
    /// have found.
    /// </summary>
    internal static List<FoundPage> Fuse(IEnumerable<IReadOnlyList<FoundPage>> searches)
    {
        var pages = new Dictionary<string, FoundPage>(StringComparer.Ordinal);
        foreach (FoundPage page in searches.SelectMany(static one => one))
        {
            string key = KeyOf(page.Url);
            pages[key] = pages.TryGetValue(key, out FoundPage? known) ? known with { Rank = Math.Min(known.Rank, page.Rank), Score = known.Score + page.Score } : page;
        }

        return
        [
            .. pages.Values.OrderBy(static page => page.Rank).ThenByDescending(static page => page.Score).ThenBy(static page => page.Url, StringComparer.Ordinal),
        ];
    }

    private async Task<SearchFound> SearchAsync(SearchStep step, CancellationToken cancellationToken)
    {
        ISearchProvider[] providers = [.. Providers(step.Sources)];
        if (providers.Length == 0)
        {
            throw new SearchException("The search that this job began with is no longer configured.");
        }

        var query = new SearchQuery(step.Query, step.Limit, step.Language);
        (IReadOnlyList<FoundPage> Pages, SearchException? Failure)[] found =
            await Task.WhenAll(providers.Select(provider => TryAsync(provider, query, cancellationToken))).ConfigureAwait(false);
        return Array.TrueForAll(found, static one => one.Failure is not null)
            ? throw new SearchException(found[0].Failure!.Message, found[0].Failure) // tried again with the next attempt
            : new SearchFound(Fuse(found.Select(static one => one.Pages)), [.. found.Select(static one => one.Failure?.Message).OfType<string>()]);
    }

    private static async Task<(IReadOnlyList<FoundPage> Pages, SearchException? Failure)> TryAsync(
        ISearchProvider provider, SearchQuery query, CancellationToken cancellationToken)
    {
        try
        {
            IReadOnlyList<SearchHit> hits = await provider.SearchAsync(query, cancellationToken).ConfigureAwait(false);
            return ([.. hits.Select((hit, i) => new FoundPage(hit.Url, hit.Title, provider.Name, i + 1, 1.0 / (RankOffset + i + 1)))], null);
        }
        catch (SearchException exception)
        {
            return ([], exception);
        }
    }

    private IEnumerable<ISearchProvider> Providers(IReadOnlyList<string> sources) =>
        _providers.Where(provider => sources.Contains(provider.IsLocal ? "local" : "web"));

    // Two addresses that differ only in what servers do not see are one page.
    private static string KeyOf(string url) => Uri.TryCreate(url, UriKind.Absolute, out Uri? address) && address.Scheme is "http" or "https"
        ? address.GetComponents(UriComponents.HttpRequestUrl, UriFormat.UriEscaped)
        : url;

    private static Task EachAsync(int count, Func<int, CancellationToken, Task> work, CancellationToken cancellationToken) => Parallel.ForEachAsync(
        Enumerable.Range(0, count),
        new ParallelOptions { MaxDegreeOfParallelism = MostAtOnce, CancellationToken = cancellationToken },
        async (i, token) => await work(i, token).ConfigureAwait(false));
}

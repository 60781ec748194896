using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml;
using System.Xml.Linq;
using HelixFlow.Agents.Fetching;

namespace HelixFlow.Agents.Searching;

/// <summary>Any service that is described by OpenSearch 1.1: a template of its addresses, or the document that names one.</summary>
public sealed partial class OpenSearch : ISearchProvider, IDisposable
{
    private const string Accept = "application/atom+xml, application/rss+xml, application/json, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.1";

    // Of what a description offers, the first of these.
    private static readonly string[] _types =
    [
        "application/atom+xml", "application/rss+xml", "application/rdf+xml", "application/json", "application/feed+json", "text/xml", "application/xml",
        "application/x-suggestions+json",
    ];

    private readonly string _address;
    private readonly SearchHttp _http;
    private string? _template;

    /// <summary>Makes a client.</summary>
    /// <param name="address">A template with <c>{searchTerms}</c> in it, or the address of a description.</param>
    /// <param name="options">How names are resolved, and what else may be reached.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="FormatException">It is no address of HTTP.</exception>
    public OpenSearch(string address, FetchOptions options, TimeProvider time)
    {
        _address = address;
        bool isTemplate = address.Contains("{searchTerms", StringComparison.Ordinal);
        _template = isTemplate ? address : null;
        string example = isTemplate ? Expand(address, new SearchQuery("x", 1, null)) : address;
        if (!Uri.TryCreate(example, UriKind.Absolute, out Uri? service) || service.Scheme is not ("http" or "https"))
        {
            throw new FormatException($"'{address}' will not do; it must be an address of http, with {{searchTerms}} in it or of an OpenSearch description.");
        }

        _http = new SearchHttp(service, options, time);
    }

    /// <inheritdoc />
    public string Name => "opensearch";

    /// <inheritdoc />
    public bool IsLocal => false;

    /// <inheritdoc />
    public async Task<IReadOnlyList<SearchHit>> SearchAsync(SearchQuery query, CancellationToken cancellationToken)
    {
        _template ??= await DescribedAsync(cancellationToken).ConfigureAwait(false);
        if (!Uri.TryCreate(Expand(_template, query), UriKind.Absolute, out Uri? address))
        {
            throw new SearchException("The search service's template gives no address.");
        }

        return SearchAnswer.Of(await _http.GetAsync(Name, address, Accept, cancellationToken).ConfigureAwait(false), address, query.Limit);
    }

    /// <inheritdoc />
    public void Dispose() => _http.Dispose();

    /// <summary>Fills a template; what is unknown and may be left out is left out.</summary>
    /// <exception cref="SearchException">It wants something that is not known here.</exception>
    internal static string Expand(string template, SearchQuery query) => Parameter().Replace(template, match => match.Groups["name"].Value switch
    {
        "searchTerms" => Uri.EscapeDataString(query.Text),
        "count" => query.Limit.ToString(CultureInfo.InvariantCulture),
        "startIndex" or "startPage" => "1",
        "language" => query.Language is { } tag ? Uri.EscapeDataString(tag) : "*",
        "inputEncoding" or "outputEncoding" => "UTF-8",
        _ when match.Groups["optional"].Success => "",
        var name => throw new SearchException($"The search service's template wants '{name}', which is not known here."),
    });

    private async Task<string> DescribedAsync(CancellationToken cancellationToken)
    {
        byte[] document = await _http.GetAsync(
            Name, new Uri(_address), "application/opensearchdescription+xml, application/xml;q=0.9, text/xml;q=0.9", cancellationToken).ConfigureAwait(false);
        try
        {
            // An address is for results, and asked by GET, unless it says otherwise.
            List<(string Type, string Template)> urls =
            [
                .. SearchAnswer.Xml(document).Descendants()
                    .Where(static element => element.Name.LocalName == "Url" && Says(element, "rel", "results") && Says(element, "method", "get"))
                    .Select(static url => ((string?)url.Attribute("type") ?? "", (string?)url.Attribute("template") ?? "")),
            ];
            string? template = _types.Select(type => urls.Find(url => url.Type.StartsWith(type, StringComparison.OrdinalIgnoreCase)).Template)
                .FirstOrDefault(static found => found is not null);
            return template?.Contains("{searchTerms", StringComparison.Ordinal) == true ? template
                : throw new SearchException("The OpenSearch description names no address whose answers are Atom, RSS or JSON.");
        }
        catch (XmlException exception)
        {
            throw new SearchException("What is at the address of the OpenSearch description is none.", exception);
        }
    }

    private static bool Says(XElement url, string attribute, string value) =>
        (string?)url.Attribute(attribute) is not { } said || said.Contains(value, StringComparison.OrdinalIgnoreCase);

    [GeneratedRegex(@"\{(?:[^{}:]{1,60}:)?(?<name>[^{}?:]{1,60})(?<optional>\?)?\}", RegexOptions.NonBacktracking)]
    private static partial Regex Parameter();
}

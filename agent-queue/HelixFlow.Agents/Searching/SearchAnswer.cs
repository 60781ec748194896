using System.Text;
using System.Text.Json;
using System.Xml;
using System.Xml.Linq;
using HelixFlow.Agents.Texts;

namespace HelixFlow.Agents.Searching;

/// <summary>Reads the answers of search services: Atom, RSS 1.0 and 2.0, and JSON in the forms that are about.</summary>
internal static class SearchAnswer
{
    private const int MaxCharacters = 4 << 20;
    private const int LongestUrl = 2048, LongestTitle = 300, LongestSnippet = 1000;

    /// <summary>The pages of a feed, or of JSON when it is none.</summary>
    /// <exception cref="SearchException">It is neither.</exception>
    public static IReadOnlyList<SearchHit> Of(byte[] answer, Uri source, int limit)
    {
        try
        {
            return answer.AsSpan().TrimStart("\uFEFF \t\r\n"u8) is [(byte)'<', ..]
                ? OfFeed(Xml(answer), source, limit)
                : OfJson(JsonElement.Parse(answer), source, limit);
        }
        catch (Exception exception) when (exception is JsonException or XmlException)
        {
            throw new SearchException("The search service answers with something that is no feed and no JSON.", exception);
        }
    }

    /// <summary>A document without definitions of its own, which could make it grow or reach elsewhere.</summary>
    /// <exception cref="XmlException">It is none.</exception>
    public static XDocument Xml(byte[] document)
    {
        var settings = new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null, MaxCharactersInDocument = MaxCharacters };
        using var reader = XmlReader.Create(new MemoryStream(document), settings);
        return XDocument.Load(reader);
    }

    private static IReadOnlyList<SearchHit> OfFeed(XDocument feed, Uri source, int limit) =>
    [
        .. feed.Descendants().Where(static element => element.Name.LocalName is "item" or "entry")
            .Select(entry => Hit(Link(entry), Text(entry, "title"), Text(entry, "summary", "description", "encoded", "content"), source))
            .OfType<SearchHit>().Take(limit),
    ];

    /// <summary>
    /// SearXNG's answer (<c>results</c>), a JSON Feed (<c>items</c>), a list of objects, or OpenSearch suggestions with addresses
    /// (<c>[query, titles, descriptions, addresses]</c>).
    /// </summary>
    public static IReadOnlyList<SearchHit> OfJson(JsonElement answer, Uri source, int limit)
    {
        JsonElement list = answer;
        if (answer.ValueKind == JsonValueKind.Object && !answer.TryGetProperty("results", out list) && !answer.TryGetProperty("items", out list))
        {
            throw new SearchException("The search service's JSON has neither 'results' nor 'items'.");
        }

        if (list.ValueKind != JsonValueKind.Array)
        {
            throw new SearchException("The search service's JSON has no list of results.");
        }

        bool isSuggestions = list.GetArrayLength() == 4 && list[0].ValueKind == JsonValueKind.String && list[3].ValueKind == JsonValueKind.Array;
        if (isSuggestions)
        {
            return [.. list[3].EnumerateArray().Select((url, i) => Hit(Text(url), At(list[1], i), At(list[2], i), source)).OfType<SearchHit>().Take(limit)];
        }

        return
        [
            .. list.EnumerateArray().Where(static item => item.ValueKind == JsonValueKind.Object)
                .Select(item => Hit(
                    Member(item, "url", "link", "external_url", "id"),
                    Member(item, "title", "name"),
                    Member(item, "content", "snippet", "summary", "description", "content_text"),
                    source))
                .OfType<SearchHit>().Take(limit),
        ];
    }

    private static SearchHit? Hit(string url, string title, string snippet, Uri source) =>
        url.Length is > 0 and <= LongestUrl && Uri.TryCreate(source, url, out Uri? address) && address.Scheme is "http" or "https"
            ? new SearchHit(address.AbsoluteUri, Shown(title, LongestTitle), Shown(snippet, LongestSnippet))
            : null;

    private static string Link(XElement entry)
    {
        List<XElement> links = [.. entry.Elements().Where(static element => element.Name.LocalName == "link")];
        XElement? link = links.Find(static link => link.Attribute("href") is not null && (string?)link.Attribute("rel") is null or "alternate")
            ?? links.Find(static link => link.Value.Length > 0);
        return (string?)link?.Attribute("href") ?? link?.Value.Trim() ?? "";
    }

    private static string Text(XElement entry, params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (entry.Elements().FirstOrDefault(element => element.Name.LocalName == name) is { } found)
            {
                return found.Value;
            }
        }

        return "";
    }

    private static string Member(JsonElement item, params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (item.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String)
            {
                return Text(value);
            }
        }

        return "";
    }

    private static string At(JsonElement list, int index) => list.ValueKind == JsonValueKind.Array && index < list.GetArrayLength() ? Text(list[index]) : "";

    private static string Text(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : "";

    // Titles and snippets come with tags and references to characters, as the pages' texts do.
    private static string Shown(string markup, int longest)
    {
        var shown = new StringBuilder();
        foreach (Rune rune in SourceText.Html(markup).Text.EnumerateRunes())
        {
            if (shown.Length + rune.Utf16SequenceLength > longest)
            {
                break;
            }

            shown.Append(Rune.IsControl(rune) ? " " : rune.ToString());
        }

        return shown.ToString().Trim();
    }
}

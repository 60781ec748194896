using System.Text;
using HelixFlow.Agents.Fetching;
using HelixFlow.Agents.Searching;
using HelixFlow.Agents.Tests.Fetching;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Agents.Tests.Searching;

/// <summary>Search services, against doubles that are built from their published descriptions: docs.searxng.org (Search API) and OpenSearch 1.1.</summary>
public sealed class WebSearchTests
{
    private const string Feed = """
        <?xml version="1.0" encoding="UTF-8"?>
        <feed xmlns="http://www.w3.org/2005/Atom" xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">
          <title>Results</title><opensearch:totalResults>2</opensearch:totalResults>
          <entry><title type="html">About &lt;b&gt;foxes&lt;/b&gt;</title><link rel="self" href="http://x/self"/><link href="http://pages.test/foxes?a=1&amp;b=2"/><summary>They hunt.</summary></entry>
          <entry><title>Relative</title><link rel="alternate" href="/dens"/></entry>
          <entry><title>Not of the web</title><link href="javascript:alert(1)"/></entry>
        </feed>
        """;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Searxng_is_asked_as_its_api_says()
    {
        await using TestWeb web = await TestWeb.StartAsync();
        web.Page("searx.inside.test", "/search/search?q=red%20f%C3%B6x%20%26%20den&format=json&language=de", """
            {"query": "red föx", "number_of_results": 0, "results": [
              {"url": "https://pages.test/a", "title": "A &amp; b", "content": "<em>red</em> fox", "engine": "duckduckgo", "engines": ["duckduckgo"], "score": 2.0, "publishedDate": null},
              {"url": "ftp://pages.test/b", "title": "not read here"},
              {"title": "nowhere"},
              {"url": "https://pages.test/c", "title": null, "content": 7}],
             "answers": [], "corrections": [], "infoboxes": [], "suggestions": [], "unresponsive_engines": [["google", "timeout"]]}
            """, "application/json");
        using var search = new SearxngSearch(new Uri(web.Url("searx.inside.test", "/search")), web.Options(), TimeProvider.System);
        IReadOnlyList<SearchHit> hits = await search.SearchAsync(new SearchQuery("red föx & den", 5, "de"), Token);

        Assert.Equal([new SearchHit("https://pages.test/a", "A & b", "red fox"), new SearchHit("https://pages.test/c", "", "")], hits);
    }

    [Theory]
    [InlineData(403, "", "search.formats")]
    [InlineData(429, "", "limiter")]
    [InlineData(302, "", "redirects")]
    [InlineData(500, "", "500")]
    [InlineData(200, "<html>", "JSON")]
    [InlineData(200, "{}", "results")]
    [InlineData(200, "{\"results\": 5}", "list")]
    public async Task What_searxng_refuses_is_said_with_what_to_do(int status, string body, string expected)
    {
        await using TestWeb web = await TestWeb.StartAsync();
        web.Page("searx.inside.test", "/search?q=x&format=json", context =>
        {
            context.Response.StatusCode = status;
            context.Response.Headers.Location = $"http://canary.test:{web.Canary.Port}/";
            return context.Response.WriteAsync(body);
        });
        using var search = new SearxngSearch(new Uri(web.Url("searx.inside.test", "")), web.Options(), TimeProvider.System);
        SearchException exception = await Assert.ThrowsAsync<SearchException>(() => search.SearchAsync(new SearchQuery("x", 5, null), Token));

        Assert.Contains(expected, exception.Message, StringComparison.Ordinal);
        Assert.Equal(0, web.Canary.Contacts);
    }

    [Fact]
    public async Task An_opensearch_template_is_filled_and_its_feed_read()
    {
        await using TestWeb web = await TestWeb.StartAsync();
        web.Page("search.inside.test", "/s?q=f%C3%B6x&n=7&p=1&l=*&x=", Feed, "application/atom+xml");
        using var search = new OpenSearch($"http://search.inside.test:{web.Port}/s?q={{searchTerms}}&n={{count?}}&p={{startPage?}}&l={{language}}&x={{geo:box?}}", web.Options(), TimeProvider.System);

        Assert.Equal(
            [new SearchHit("http://pages.test/foxes?a=1&b=2", "About foxes", "They hunt."), new SearchHit($"http://search.inside.test:{web.Port}/dens", "Relative", "")],
            await search.SearchAsync(new SearchQuery("föx", 7, null), Token));
    }

    [Fact]
    public async Task An_opensearch_description_leads_to_the_template()
    {
        await using TestWeb web = await TestWeb.StartAsync();
        web.Page("search.inside.test", "/opensearch.xml", $$"""
            <?xml version="1.0" encoding="UTF-8"?>
            <OpenSearchDescription xmlns="http://a9.com/-/spec/opensearch/1.1/">
              <ShortName>Test</ShortName>
              <Url type="text/html" template="http://search.inside.test:{{web.Port}}/html?q={searchTerms}"/>
              <Url type="application/rss+xml" rel="suggestions" template="http://search.inside.test:{{web.Port}}/sug?q={searchTerms}"/>
              <Url type="application/rss+xml" template="http://search.inside.test:{{web.Port}}/rss?q={searchTerms}&amp;start={startIndex?}"/>
            </OpenSearchDescription>
            """, "application/opensearchdescription+xml");
        web.Page("search.inside.test", "/rss?q=x&start=1", """
            <rss version="2.0"><channel><title>t</title><item><title>One</title><link>http://pages.test/1</link><description>first</description></item>
            <item><title>Two</title><link> http://pages.test/2 </link></item></channel></rss>
            """, "application/rss+xml");
        using var search = new OpenSearch(web.Url("search.inside.test", "/opensearch.xml"), web.Options(), TimeProvider.System);
        IReadOnlyList<SearchHit> hits = await search.SearchAsync(new SearchQuery("x", 1, null), Token);
        await search.SearchAsync(new SearchQuery("x", 5, null), Token);

        Assert.Equal([new SearchHit("http://pages.test/1", "One", "first")], hits);
        Assert.Equal(1, web.Asked.Count(static page => page.EndsWith("opensearch.xml", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_description_cannot_send_us_inside()
    {
        await using TestWeb web = await TestWeb.StartAsync();
        web.Page("search.inside.test", "/d", $$"""
            <OpenSearchDescription xmlns="http://a9.com/-/spec/opensearch/1.1/"><Url type="application/json" template="http://canary.test:{{web.Canary.Port}}/?q={searchTerms}"/></OpenSearchDescription>
            """, "application/xml");
        using var search = new OpenSearch(web.Url("search.inside.test", "/d"), web.Options(), TimeProvider.System);

        await Assert.ThrowsAsync<SearchException>(() => search.SearchAsync(new SearchQuery("x", 5, null), Token));
        Assert.Equal(0, web.Canary.Contacts);
    }

    [Theory]
    [InlineData("""["x", ["A", "B"], ["a", ""], ["http://p/a", "http://p/b"]]""", "http://p/a A a|http://p/b B ")]
    [InlineData("""{"version": "https://jsonfeed.org/version/1.1", "items": [{"id": "1", "url": "http://p/a", "title": "A", "content_text": "t"}]}""", "http://p/a A t")]
    [InlineData("""[{"link": "http://p/a", "name": "A", "snippet": "s"}, 5]""", "http://p/a A s")]
    [InlineData("""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"><item><title>A</title><link>http://p/a</link></item></rdf:RDF>""", "http://p/a A ")]
    [InlineData("[]", "")]
    public void Answers_in_many_forms_are_read(string answer, string expected) =>
        Assert.Equal(expected, string.Join('|', SearchAnswer.Of(Encoding.UTF8.GetBytes(answer), new Uri("http://s/"), 10).Select(static hit => $"{hit.Url} {hit.Title} {hit.Snippet}")));

    [Theory]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("<a>")]
    [InlineData("{\"a\": 1}")]
    [InlineData("""<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss><item><title>&x;</title><link>http://p/</link></item></rss>""")]
    [InlineData("""<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;">]><rss>&y;</rss>""")]
    public void What_is_no_answer_is_said(string answer) =>
        Assert.Throws<SearchException>(() => SearchAnswer.Of(Encoding.UTF8.GetBytes(answer), new Uri("http://s/"), 10));

    [Fact]
    public void Answers_of_any_kind_give_addresses_of_the_web_or_an_error()
    {
        var random = new Random(6);
        string[] pieces = ["{", "}", "[", "]", "\"results\"", "\"items\"", "\"url\"", ":", ",", "\"http://p/\"", "1", "null", "<item>", "</item>", "<link>", "</link>", "http://q/", "<rss>", "</rss>", " "];
        for (int round = 0; round < 20_000; round++)
        {
            string answer = string.Concat(Enumerable.Range(0, random.Next(0, 15)).Select(_ => pieces[random.Next(pieces.Length)]));
            try
            {
                Assert.All(SearchAnswer.Of(Encoding.UTF8.GetBytes(answer), new Uri("http://s/"), 10), static hit => Assert.StartsWith("http", hit.Url, StringComparison.Ordinal));
            }
            catch (SearchException)
            {
            }
        }
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("ftp://x/{searchTerms}")]
    public void An_address_that_is_none_is_refused(string address) => Assert.Throws<FormatException>(() => new OpenSearch(address, new FetchOptions(), TimeProvider.System));

    [Fact]
    public void A_template_that_wants_more_than_is_known_is_refused() =>
        Assert.Throws<SearchException>(() => OpenSearch.Expand("http://x/{searchTerms}/{secret}", new SearchQuery("a", 1, null)));
}

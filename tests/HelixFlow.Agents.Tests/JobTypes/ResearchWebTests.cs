using System.IO.Compression;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Fetching;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.JobTypes.Research;
using HelixFlow.Agents.Searching;
using HelixFlow.Agents.Tests.Fetching;
using HelixFlow.Agents.Tests.Http;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Agents.Tests.JobTypes;

/// <summary>Research over a web of real servers, found by a double of SearXNG that is built from its published API. Some of the servers are hostile.</summary>
public sealed class ResearchWebTests
{
    private const int Good = 6;

    [Fact]
    public async Task Good_pages_are_cited_and_hostile_ones_rejected_each_with_its_reason()
    {
        await using TestWeb web = await TestWeb.StartAsync();
        Dictionary<string, string> hostile = Build(web);
        (RunRecord run, JsonElement output, JsonElement[] pages, Dictionary<string, string> artifacts) = await RunAsync(web, Model(), new JsonObject { ["question"] = "How heavy are blue whales?", ["max_sources"] = 20, ["breadth"] = 1 });

        Assert.Equal(1, run.Attempt);
        Dictionary<string, JsonElement> sources = output.GetProperty("sources").EnumerateArray().ToDictionary(static source => source.Text("url"));
        foreach ((string url, string code) in hostile)
        {
            Assert.True(sources.ContainsKey(url), url);
            Assert.True(sources[url].Text("status") == "rejected" && code.Split('|').Contains(sources[url].Text("code")), sources[url].GetRawText());
        }

        List<JsonElement> citations = [.. output.GetProperty("citations").EnumerateArray()];
        Assert.Equal(Good, citations.Select(static citation => citation.Text("url")).Distinct().Count());
        foreach (JsonElement citation in citations)
        {
            // The step that read the page has its text.
            JsonElement page = pages[citation.GetProperty("source").GetInt32() - 1].GetProperty("page");
            string span = page.Text("text")[citation.GetProperty("start").GetInt32()..citation.GetProperty("end").GetInt32()];
            Assert.Equal(citation.Text("quote"), string.Join(' ', span.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)));
            Assert.Contains("weighs", citation.Text("quote"), StringComparison.Ordinal);
            Assert.Equal(citation.Text("text_sha256"), PageReader.HashOf(page.Text("text")));
        }

        Assert.Equal(Good, artifacts.Count);
        Assert.All(citations, citation => Assert.Equal(citation.Text("text_sha256"), artifacts[citation.Text("artifact")]));
        Assert.Equal(0, web.Canary.Contacts);
        Assert.DoesNotContain("forbidden.site.test/whales", web.Asked);
    }

    [Fact]
    public async Task Pages_that_were_recorded_are_not_fetched_again_after_a_crash()
    {
        await using TestWeb web = await TestWeb.StartAsync();
        Build(web);
        ScriptedModel model = Model();
        model.FailAfter = 3;
        (RunRecord run, JsonElement output, _, _) = await RunAsync(web, model, new JsonObject { ["question"] = "How heavy are blue whales?", ["max_sources"] = 20, ["breadth"] = 1 });

        Assert.Equal(2, run.Attempt);
        Assert.NotEmpty(output.GetProperty("citations").EnumerateArray());
        Assert.All(
            web.Asked.Where(static page => page.StartsWith("good", StringComparison.Ordinal)).CountBy(static page => page), static page => Assert.Equal(1, page.Value));
        Assert.Equal(1, web.Asked.Count(static page => page.StartsWith("searx.", StringComparison.Ordinal) && !page.EndsWith("robots.txt", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Addresses_that_are_given_are_read_without_any_search()
    {
        await using TestWeb web = await TestWeb.StartAsync();
        Build(web);
        var input = new JsonObject
        {
            ["question"] = "How heavy are blue whales?", ["sources"] = new JsonArray(), ["max_sources"] = 5,
            ["urls"] = new JsonArray(web.Url("good1.site.test", "/whales"), $"http://127.0.0.1:{web.Canary.Port}/", "file:///etc/passwd", "local:../../etc/passwd"),
        };
        (_, JsonElement output, _, _) = await RunAsync(web, Model(), input);

        Assert.Equal(["cited", "rejected", "rejected", "rejected"], output.GetProperty("sources").EnumerateArray().Select(static source => source.Text("status")));
        Assert.Empty(output.GetProperty("queries").EnumerateArray());
        Assert.DoesNotContain(web.Asked, static page => page.StartsWith("searx.", StringComparison.Ordinal));
        Assert.Equal(0, web.Canary.Contacts);
    }

    /// <summary>Some pages about whales, and for each hostile address why it must be rejected.</summary>
    private static Dictionary<string, string> Build(TestWeb web)
    {
        for (int i = 1; i <= Good; i++)
        {
            string host = $"good{i}.site.test";
            web.Page(host, "/whales", $"<title>Whales of {host}</title><p>This page is about the sea.</p><p>A blue whale of sea number {i} weighs <b>{100 + i}</b> tonnes.</p>");
        }

        web.Page("twin.site.test", "/whales", "<title>Whales of good1.site.test</title><p>This page is about the sea.</p><p>A blue whale of sea number 1 weighs <b>101</b> tonnes.</p>");
        web.Redirect("inside.site.test", "/whales", $"http://127.0.0.1:{web.Canary.Port}/whales");
        web.Redirect("private.site.test", "/whales", $"http://canary.test:{web.Canary.Port}/whales");
        web.Redirect("loop.site.test", "/whales", "/whales");
        web.Page("forbidden.site.test", "/robots.txt", "User-agent: *\nDisallow: /whales", "text/plain");
        web.Page("forbidden.site.test", "/whales", "<p>A blue whale weighs nothing.");
        web.Page("missing.site.test", "/", "<p>x");
        web.Page("image.site.test", "/whales", "blue whale", "image/png");
        web.Page("bomb.site.test", "/whales", static async context =>
        {
            context.Response.ContentType = "text/html";
            context.Response.Headers.ContentEncoding = "gzip";
            await using var packed = new GZipStream(context.Response.Body, CompressionLevel.Fastest);
            byte[] block = new byte[1 << 20];
            Array.Fill(block, (byte)'w');
            for (int i = 0; i < 512 && !context.RequestAborted.IsCancellationRequested; i++)
            {
                await packed.WriteAsync(block, context.RequestAborted);
            }
        });
        web.Page("endless.site.test", "/whales", static async context =>
        {
            context.Response.ContentType = "text/html";
            byte[] line = System.Text.Encoding.ASCII.GetBytes("blue whale weighs " + new string('x', 8000));
            while (!context.RequestAborted.IsCancellationRequested)
            {
                await context.Response.Body.WriteAsync(line, context.RequestAborted);
            }
        });
        RawServer broken = web.Raw("broken.site.test", static (stream, token) =>
            RawServer.WriteAsync(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n<p>blue whale", token));
        web.Page("busy.site.test", "/whales", static context =>
        {
            context.Response.StatusCode = 429;
            context.Response.Headers.RetryAfter = "86400";
            return Task.CompletedTask;
        });
        var hostile = new Dictionary<string, string>
        {
            [web.Url("twin.site.test", "/whales")] = "duplicate",
            [web.Url("inside.site.test", "/whales")] = "refused_address",
            [web.Url("private.site.test", "/whales")] = "refused_address",
            [$"http://canary.test:{web.Canary.Port}/whales"] = "refused_address",
            [web.Url("loop.site.test", "/whales")] = "redirects",
            [web.Url("forbidden.site.test", "/whales")] = "robots",
            [web.Url("missing.site.test", "/whales")] = "http_status",
            [web.Url("image.site.test", "/whales")] = "content_type",
            [web.Url("bomb.site.test", "/whales")] = "too_large",
            [web.Url("endless.site.test", "/whales")] = "too_large",
            [$"http://broken.site.test:{broken.Port}/whales"] = "unreachable",
            [web.Url("busy.site.test", "/whales")] = "rate_limited",
            ["http://nowhere.site.test/whales"] = "unreachable",
        };
        var results = new JsonArray([.. Enumerable.Range(1, Good).Select(i => web.Url($"good{i}.site.test", "/whales")).Concat(hostile.Keys)
            .Select(static url => (JsonNode)new JsonObject { ["url"] = url, ["title"] = "Whales", ["content"] = "…" })]);

        // The double gives no more than a page of results, as SearXNG does.
        web.Page("searx.site.test", "/search?q=How%20heavy%20are%20blue%20whales%3F&format=json", new JsonObject { ["results"] = results }.ToJsonString(), "application/json");
        return hostile;
    }

    private static ScriptedModel Model() => new(2000, static call =>
    {
        List<string> lines = [.. call.Messages[1].Content.Split('\n').SkipWhile(static line => line != "MATERIAL").Skip(1).TakeWhile(static line => line != "END")];
        IEnumerable<int> named = lines.Where(static line => line.Contains("weighs", StringComparison.Ordinal)).Select(static line => int.Parse(line[1..line.IndexOf(']', StringComparison.Ordinal)], null));
        return call.Schema is not null ? $$"""{"relevant": [{{string.Join(", ", named.Take(5))}}]}""" : $"They are heavy [{string.Join("][", named)}].";
    });

    private static async Task<(RunRecord Run, JsonElement Output, JsonElement[] Pages, Dictionary<string, string> Artifacts)> RunAsync(TestWeb web, ScriptedModel model, JsonObject input)
    {
        await using var host = new AgentHost();
        using WebFetcher fetcher = web.Fetcher();
        using var searx = new SearxngSearch(new Uri(web.Url("searx.site.test", "/")), web.Options(), TimeProvider.System);
        using var stop = new CancellationTokenSource();
        Task work = host.NewWorker(new WorkerOptions(), new ResearchJob(model, [searx], fetcher)).RunAsync(stop.Token);
        RunRecord run = await host.UntilEndedAsync(await host.RequestAsync("research", input.ToJsonString(), new RunOptions { BackoffMs = 1 }));
        await stop.CancelAsync();
        await work;
        Assert.True(run.State == RunState.Succeeded, run.Error?.Message);
        List<StepRecord> steps = await host.Journal.StepsAsync("p", run.Id, AgentHost.Token);
        var output = JsonElement.Parse(await host.OutputAsync(run.Id));
        JsonElement[] pages = await Task.WhenAll(output.GetProperty("sources").EnumerateArray().Select(async source =>
            JsonElement.Parse(await host.Journal.ReadAsync(steps.Find(step => step.Address == source.Text("step"))!.Output!, AgentHost.Token))));
        List<Artifact> artifacts = await host.Journal.ArtifactsAsync("p", run.Id, AgentHost.Token);
        return (run, output, pages, artifacts.ToDictionary(static file => file.Name, static file => file.Hash));
    }
}

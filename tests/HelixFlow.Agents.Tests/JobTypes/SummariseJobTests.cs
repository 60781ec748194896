using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Catalog;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Fetching;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.JobTypes;
using HelixFlow.Agents.JobTypes.Summaries;
using HelixFlow.Agents.Tests.Fetching;
using HelixFlow.Agents.Tests.Http;
using HelixFlow.Agents.Texts;

namespace HelixFlow.Agents.Tests.JobTypes;

public sealed class SummariseJobTests
{
    [Fact]
    public async Task A_short_text_takes_one_question()
    {
        var model = new ScriptedModel(1000, static _ => "A fox jumps [4] over a dog.");
        (RunRecord run, JsonElement output) = await RunAsync(model, new JsonObject { ["text"] = "The quick brown fox jumps over the lazy dog." });

        Assert.Equal((RunState.Succeeded, 100), (run.State, run.Progress));
        Assert.Equal("A fox jumps over a dog.", output.Text("summary")); // the number stood for nothing
        Assert.Empty(output.GetProperty("citations").EnumerateArray());
        JsonElement section = Assert.Single(output.GetProperty("sections").EnumerateArray());
        Assert.Equal((0, 44), (section.GetProperty("start").GetInt32(), section.GetProperty("end").GetInt32()));
        ModelCall call = Assert.Single(model.Calls);
        Assert.Contains("The quick brown fox", call.Messages[1].Content, StringComparison.Ordinal);
        Assert.Equal("p", Assert.Single(model.Contexts).Project);
    }

    [Fact]
    public async Task A_long_text_is_read_in_parts_that_cover_it_and_the_summary_cites_them()
    {
        string text = LongText(400);
        var model = new ScriptedModel(900, static call => call.Messages[1].Content.Contains("Summaries:", StringComparison.Ordinal)
            ? $"They agree [{First(call)}] and differ [{First(call)}, 999]. Nobody knows [1000]."
            : $"It speaks of {call.Messages[1].Content.Split("Text:\n")[1].Split(' ')[0]}.");
        (_, JsonElement output) = await RunAsync(model, new JsonObject { ["text"] = text, ["style"] = "bullets", ["length"] = "long", ["focus"] = "topics" });

        List<JsonElement> sections = [.. output.GetProperty("sections").EnumerateArray()];
        Assert.True(sections.Count > 10);
        Assert.Equal(0, sections[0].GetProperty("start").GetInt32());
        Assert.Equal(text.Length, sections[^1].GetProperty("end").GetInt32());
        for (int i = 1; i < sections.Count; i++)
        {
            Assert.Equal(sections[i - 1].GetProperty("end").GetInt32(), sections[i].GetProperty("start").GetInt32());
        }

        Assert.Equal("They agree [1] and differ [1]. Nobody knows.", output.Text("summary"));
        JsonElement citation = Assert.Single(output.GetProperty("citations").EnumerateArray());
        string span = text[citation.GetProperty("start").GetInt32()..citation.GetProperty("end").GetInt32()];
        Assert.StartsWith(citation.Text("quote"), span, StringComparison.Ordinal);
        Assert.Equal(model.Calls.Count, output.GetProperty("usage").GetProperty("calls").GetInt32());
        Assert.Equal(model.Calls.Count, model.Contexts.Select(static context => context.Address).Distinct().Count());
        Assert.Contains(model.Calls, static call => call.Messages[1].Content.Contains("Pay attention to: topics", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_was_answered_is_not_asked_again_after_a_failure()
    {
        string text = LongText(120);
        static string Answer(ModelCall call) => "So it is " + call.Messages[1].Content.Length.ToString(CultureInfo.InvariantCulture) + ".";
        var undisturbed = new ScriptedModel(900, Answer);
        (_, JsonElement expected) = await RunAsync(undisturbed, new JsonObject { ["text"] = text });
        var model = new ScriptedModel(900, Answer) { FailAfter = 4 };
        (RunRecord run, JsonElement output) = await RunAsync(model, new JsonObject { ["text"] = text });

        Assert.True(run.Attempt > 1);
        Assert.Equal(expected.Text("summary"), output.Text("summary"));
        Assert.Equal(undisturbed.Calls.Count, model.Calls.Count);
    }

    [Fact]
    public async Task Citations_of_html_are_places_in_the_html()
    {
        const string Html = "<html><head><title>No</title></head><body><h1>Foxes &amp; dogs</h1><script>ignore()</script><p>They   run.</p></body></html>";
        var model = new ScriptedModel(1000, static call => call.Messages[1].Content.Split("Text:\n")[1]);
        (_, JsonElement output) = await RunAsync(model, new JsonObject { ["text"] = Html, ["format"] = "html" });

        Assert.Equal("Foxes & dogs\nThey run.", output.Text("summary"));
        JsonElement section = Assert.Single(output.GetProperty("sections").EnumerateArray());
        Assert.Equal((Html.IndexOf("Foxes", StringComparison.Ordinal), Html.Length), (section.GetProperty("start").GetInt32(), section.GetProperty("end").GetInt32()));
    }

    [Fact]
    public async Task A_page_is_read_from_its_address_and_places_are_those_of_its_text()
    {
        await using TestWeb web = await TestWeb.StartAsync();
        int asked = 0;
        web.Page("a.site.test", "/page", context =>
        {
            context.Response.ContentType = "text/html";
            context.Response.StatusCode = Interlocked.Increment(ref asked) == 1 ? 502 : 200; // tried again with the next attempt
            return Microsoft.AspNetCore.Http.HttpResponseWritingExtensions.WriteAsync(context.Response, "<title>Foxes</title><p>The fox   runs.<p>The dog rests.");
        });
        await using var host = new AgentHost();
        var model = new ScriptedModel(1000, static _ => "Animals.");
        RunRecord run = await EndAsync(host, model, $$"""{"url":"{{web.Url("a.site.test", "/page")}}"}""", web.Options());
        var output = JsonElement.Parse(await host.OutputAsync(run.Id));

        Assert.Equal(2, run.Attempt);
        Assert.Equal(("Animals.", "Foxes", web.Url("a.site.test", "/page")), (output.Text("summary"), output.GetProperty("source").Text("title"), output.GetProperty("source").Text("url")));
        Assert.Contains("The fox runs.\nThe dog rests.", Assert.Single(model.Calls).Messages[1].Content, StringComparison.Ordinal);
        Assert.Equal("The fox runs.\nThe dog rests.".Length, output.GetProperty("sections")[0].GetProperty("end").GetInt32());

        run = await EndAsync(host, model, $$"""{"url":"http://canary.test:{{web.Canary.Port}}/"}""", web.Options());
        Assert.Equal((RunState.Dead, "page_refused", 1, 0), (run.State, run.Error?.Code, run.Attempt, web.Canary.Contacts));
    }

    [Fact]
    public async Task A_file_is_named_by_its_hash()
    {
        await using var host = new AgentHost();
        var model = new ScriptedModel(1000, static _ => "Animals.");
        Artifact file = await host.Journal.UploadAsync("p", new MemoryStream([0xEF, 0xBB, 0xBF, .. "<p>The fox runs."u8]), "text/html", 1000, AgentHost.Token);
        RunRecord run = await EndAsync(host, model, $$$"""{"text":{"artifact":"{{{file.Hash}}}"},"format":"html"}""");

        Assert.Equal(RunState.Succeeded, run.State);
        Assert.EndsWith("Text:\nThe fox runs.", Assert.Single(model.Calls).Messages[1].Content, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"text":"x","url":"http://x/"}""", 1000, "text_and_url")]
    [InlineData("""{"text":"x","model":"other"}""", 1000, "unknown_model")]
    [InlineData("""{"text":" \n "}""", 1000, "empty_text")]
    [InlineData("""{"text":"<p></p>","format":"html"}""", 1000, "empty_text")]
    [InlineData("""{"text":"x"}""", 200, "context_too_small")]
    [InlineData("""{"text":"nothing"}""", 1000, "empty_answer")]
    public async Task What_cannot_be_summarised_fails_at_once_and_says_why(string input, int context, string code)
    {
        var model = new ScriptedModel(context, static _ => " ");
        await using var host = new AgentHost();
        RunRecord run = await EndAsync(host, model, input);

        Assert.Equal((RunState.Dead, code, 1), (run.State, run.Error?.Code, run.Attempt));
    }

    [Fact]
    public void Its_schemas_are_checked_and_accept_what_it_takes()
    {
        using var fetcher = new WebFetcher(new FetchOptions(), TimeProvider.System);
        var catalog = new JobCatalog([new SummariseJob(new ScriptedModel(100, static _ => ""), fetcher)]);

        Assert.Empty(catalog.Check("summarise", JsonElement.Parse("""{"text":"x","format":"html","style":"headline","length":"short","focus":"y","model":"m"}""")));
        Assert.Empty(catalog.Check("summarise", JsonElement.Parse("""{"url":"http://x/"}""")));
        Assert.NotEmpty(catalog.Check("summarise", JsonElement.Parse("{}")));
        Assert.Equal("/style", Assert.Single(catalog.Check("summarise", JsonElement.Parse("""{"text":"x","style":"haiku"}"""))).Pointer);
    }

    [Theory]
    [InlineData("a [1] b [2, 9].", "a [1] b [2].", new[] { 1, 2 })]
    [InlineData("a [ 2 ,1 ] b [2]", "a [2, 1] b [2]", new[] { 2, 1 })]
    [InlineData("a [7] b", "a b", new int[0])]
    [InlineData("a[99999999999999] [x] []", "a[99999999999999] [x] []", new int[0])]
    public void Numbers_that_stand_for_nothing_are_removed(string answer, string expected, int[] used)
    {
        Assert.Equal(expected, SummaryPrompts.Resolve(answer, new HashSet<int> { 1, 2, 3 }, out List<int> found));
        Assert.Equal(used, found);
    }

    [Fact]
    public async Task Any_text_is_split_without_gaps_into_parts_that_fit()
    {
        var random = new Random(11);
        string[] pieces = ["word ", "sentence. ", "\n\n", "\ud83d\ude00", "x", "longwordwithoutanyspace", "\n", "。"];
        for (int round = 0; round < 200; round++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(0, 400)).Select(_ => pieces[random.Next(pieces.Length)]));
            int most = random.Next(40, 120);
            List<TextSpan> parts = await TextSplitter.SplitAsync(text, most, static (part, _) => Task.FromResult(Encoding.UTF8.GetByteCount(part) / 2), TestContext.Current.CancellationToken);

            Assert.Equal(text, string.Concat(parts.Select(part => text[part.Start..part.End])));
            Assert.All(parts, part => Assert.True(Encoding.UTF8.GetByteCount(text[part.Start..part.End]) / 2 <= most));
            Assert.All(parts, part => Assert.False(char.IsLowSurrogate(text[part.Start])));
        }
    }

    [Fact]
    public void Html_of_any_kind_gives_text_whose_places_are_in_order()
    {
        var random = new Random(5);
        string[] pieces = ["<p>", "</p>", "<", ">", "&amp;", "&", ";", "&#x1F600;", "a", " ", "\n", "<!--", "-->", "<script>", "</script>", "<a href=\"x>y\">", "\"", "'", "=", "&nosuch;"];
        for (int round = 0; round < 2000; round++)
        {
            string html = string.Concat(Enumerable.Range(0, random.Next(0, 30)).Select(_ => pieces[random.Next(pieces.Length)]));
            var text = SourceText.Html(html);

            Assert.Equal(html.Length, text.OriginOf(text.Text.Length));
            for (int i = 1; i <= text.Text.Length; i++)
            {
                Assert.InRange(text.OriginOf(i), text.OriginOf(i - 1), html.Length);
            }
        }
    }

    private static string First(ModelCall call)
    {
        string numbers = call.Messages[1].Content.Split("Summaries:\n")[1];
        return numbers[(numbers.IndexOf('[', StringComparison.Ordinal) + 1)..numbers.IndexOfAny([']', ','])];
    }

    private static string LongText(int paragraphs) => string.Join("\n\n", Enumerable.Range(0, paragraphs).Select(static i =>
        $"Topic{i} is what this paragraph is about. It says nothing else, but it says so in two sentences that are long enough to fill some space."));

    private static async Task<(RunRecord Run, JsonElement Output)> RunAsync(ScriptedModel model, JsonObject input)
    {
        await using var host = new AgentHost();
        RunRecord run = await EndAsync(host, model, input.ToJsonString());
        Assert.True(run.State == RunState.Succeeded, run.Error?.Message);
        return (run, JsonElement.Parse(await host.OutputAsync(run.Id)));
    }

    private static async Task<RunRecord> EndAsync(AgentHost host, ScriptedModel model, string input, FetchOptions? web = null)
    {
        using var fetcher = new WebFetcher(web ?? new FetchOptions(), TimeProvider.System);
        using var stop = new CancellationTokenSource();
        Task work = host.NewWorker(new WorkerOptions(), new SummariseJob(model, fetcher)).RunAsync(stop.Token);
        RunRecord run = await host.UntilEndedAsync(await host.RequestAsync("summarise", input, new RunOptions { BackoffMs = 1 }));
        await stop.CancelAsync();
        await work;
        return run;
    }
}

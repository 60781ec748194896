using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Catalog;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.JobTypes;
using HelixFlow.Agents.JobTypes.Content;
using HelixFlow.Agents.JobTypes.Passages;
using HelixFlow.Agents.Tests.Http;

namespace HelixFlow.Agents.Tests.JobTypes;

public sealed class GenerateContentJobTests
{
    private const string TwoSections = """{"title":"Bees","sections":[{"title":"Who they are","brief":"Insects."},{"title":"What they do","brief":"Honey."}]}""";

    [Fact]
    public async Task An_outline_is_planned_and_its_sections_are_written_and_put_together()
    {
        var model = new ScriptedModel(4000, static call => call.Schema is null ? $"Bees are fine. {Wanted(call)}" : TwoSections);
        (RunRecord run, JsonElement output) = await RunAsync(model, new JsonObject
        {
            ["topic"] = "bees", ["sections"] = 2, ["tone"] = "warm", ["audience"] = "children", ["language"] = "English", ["keywords"] = new JsonArray("bees", "wasps"),
        });

        Assert.Equal("# Bees\n\n## Who they are\n\nBees are fine. section 1\n\n## What they do\n\nBees are fine. section 2\n", output.Text("content"));
        Assert.Equal([5, 5], output.GetProperty("sections").EnumerateArray().Select(static section => section.GetProperty("words").GetInt32()));
        Assert.Equal(10, output.GetProperty("words").GetInt32());
        Assert.Equal(["wasps"], output.GetProperty("missing_keywords").EnumerateArray().Select(static word => word.GetString()));
        Assert.Equal(["outline", "section/1", "section/2"], model.Contexts.Select(static context => context.Address).Order(StringComparer.Ordinal));
        ModelCall section = model.Calls.First(static call => call.Schema is null);
        Assert.All(["Tone: warm", "Readers: children", "Language: English", "2. What they do: Honey."], part => Assert.Contains(part, section.Messages[1].Content, StringComparison.Ordinal));
        Assert.Equal(
            (3, run.Usage.PromptTokens, run.Usage.CompletionTokens),
            (output.GetProperty("usage").GetProperty("calls").GetInt32(), output.GetProperty("usage").GetProperty("prompt_tokens").GetInt64(), output.GetProperty("usage").GetProperty("completion_tokens").GetInt64()));
        Assert.Equal(3, run.Usage.ModelCalls);
    }

    [Fact]
    public async Task Tokens_are_counted_to_the_project()
    {
        var counted = new ConcurrentDictionary<string, long>(StringComparer.Ordinal);
        using var listener = new MeterListener
        {
            InstrumentPublished = static (instrument, self) =>
            {
                if (instrument.Name == "helixflow.agents.model.tokens")
                {
                    self.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((_, tokens, tags, _) =>
        {
            Dictionary<string, object?> named = tags.ToArray().ToDictionary();
            if (named["type"] is "generate-content")
            {
                counted.AddOrUpdate($"{named["project"]} {named["model"]} {named["direction"]}", tokens, (_, before) => before + tokens);
            }
        });
        listener.Start();
        var model = new ScriptedModel(4000, static call => call.Schema is null ? "Fine." : TwoSections);
        (RunRecord run, _) = await RunAsync(model, new JsonObject { ["topic"] = "bees", ["sections"] = 2 });

        Assert.Equal((run.Usage.PromptTokens, run.Usage.CompletionTokens), (counted["p scripted prompt"], counted["p scripted completion"]));
    }

    [Fact]
    public async Task In_order_each_section_knows_what_those_before_it_say()
    {
        var model = new ScriptedModel(4000, static call => Ask(call).StartsWith("Summarise", StringComparison.Ordinal)
            ? $"So far {Ask(call).Count(static c => c == '@')}."
            : $"Said @ in {Wanted(call)}.");
        var outline = new JsonArray(new JsonObject { ["title"] = "A" }, new JsonObject { ["title"] = "B", ["words"] = 20 }, new JsonObject { ["title"] = "C", ["brief"] = "c" });
        (_, JsonElement output) = await RunAsync(model, new JsonObject { ["topic"] = "letters", ["mode"] = "sequential", ["template"] = "email", ["outline"] = outline });

        Assert.Equal(["section/1", "recap/1", "section/2", "recap/2", "section/3"], model.Contexts.Select(static context => context.Address));
        Assert.DoesNotContain("So far", Ask(model.Calls.ElementAt(0)), StringComparison.Ordinal);
        Assert.Contains("So far 1.", Ask(model.Calls.ElementAt(2)), StringComparison.Ordinal);
        Assert.Contains("about 20 words", Ask(model.Calls.ElementAt(2)), StringComparison.Ordinal);
        Assert.Contains("Before it:\nSo far 1.", Ask(model.Calls.ElementAt(3)), StringComparison.Ordinal);
        Assert.Equal("# letters\n\nSaid @ in section 1.\n\nSaid @ in section 2.\n\nSaid @ in section 3.\n", output.Text("content")); // an email has no headings
    }

    [Fact]
    public async Task What_is_written_from_sources_cites_the_passages_that_the_model_has_seen()
    {
        string[] texts = [.. Enumerable.Range(0, 30).Select(static i => $"Chapter {i}. The number of bees in hive {i} is {i * 1000}. " + new string('x', 300) + ". ")];
        string source = string.Concat(texts);
        var model = new ScriptedModel(1200, static call => $"Hive seven has bees [{Passages(call).First()}], others too [999].");
        (_, JsonElement output) = await RunAsync(model, new JsonObject
        {
            ["topic"] = "hive 7", ["outline"] = new JsonArray(new JsonObject { ["title"] = "Hive 7" }), ["format"] = "html", ["words_per_section"] = 30,
            ["sources"] = new JsonArray(new JsonObject { ["name"] = "census", ["text"] = source }, new JsonObject { ["text"] = "Unrelated." }),
        });

        JsonElement citation = Assert.Single(output.GetProperty("citations").EnumerateArray());
        Assert.Equal("census", citation.Text("source"));
        Assert.Contains("hive 7 is 7000", citation.Text("quote"), StringComparison.Ordinal);
        Assert.Equal(source[citation.GetProperty("start").GetInt32()..citation.GetProperty("end").GetInt32()].Trim(), citation.Text("quote"));
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"bees [{citation.GetProperty("number").GetInt32()}], others too.</p>"), output.Text("content"), StringComparison.Ordinal);
        int shown = Passages(Assert.Single(model.Calls)).Count();
        Assert.InRange(shown, 1, 11); // fewer than would help: the context is small
    }

    [Fact]
    public async Task A_section_that_was_written_is_not_written_again_after_a_failure()
    {
        static string Answer(ModelCall call) => call.Schema is null ? $"This is {Wanted(call)}." : TwoSections;
        var undisturbed = new ScriptedModel(4000, Answer);
        (_, JsonElement expected) = await RunAsync(undisturbed, new JsonObject { ["topic"] = "bees", ["sections"] = 2 });
        var model = new ScriptedModel(4000, Answer) { FailAfter = 2 };
        (RunRecord run, JsonElement output) = await RunAsync(model, new JsonObject { ["topic"] = "bees", ["sections"] = 2 });

        Assert.True(run.Attempt > 1);
        Assert.Equal(expected.GetRawText(), output.GetRawText());
        Assert.Equal(undisturbed.Calls.Count, model.Calls.Count);
    }

    [Theory]
    [InlineData("""{"topic":"x","model":"other"}""", 4000, "unknown_model")]
    [InlineData("""{"topic":"x"}""", 150, "context_too_small")]
    [InlineData("""{"topic":"x","outline":[{"title":"nothing"}]}""", 4000, "empty_answer")]
    [InlineData("""{"topic":"x"}""", 4000, "outline_cut")]
    public async Task What_cannot_be_written_fails_at_once_and_says_why(string input, int context, string code)
    {
        var model = new ScriptedModel(context, static call => call.Schema is null ? " " : new string('x', 100_000));
        await using var host = new AgentHost();
        RunRecord run = await EndAsync(host, model, input);

        Assert.Equal((RunState.Dead, code, 1), (run.State, run.Error?.Code, run.Attempt));
    }

    [Fact]
    public void Its_schemas_are_checked_and_name_every_template()
    {
        var catalog = new JobCatalog([new GenerateContentJob(new ScriptedModel(100, static _ => ""))]);

        Assert.All(ContentTemplate.All, template => Assert.Empty(catalog.Check("generate-content", JsonElement.Parse($$"""{"topic":"x","template":"{{template.Name}}"}"""))));
        Assert.Equal("/template", Assert.Single(catalog.Check("generate-content", JsonElement.Parse("""{"topic":"x","template":"novel"}"""))).Pointer);
    }

    [Theory]
    [InlineData("## Title\n\nText.", false, "Text.")]
    [InlineData("**Title:**\nText.", false, "Text.")]
    [InlineData("Title", false, "Title")]
    [InlineData("One sentence that is long enough. Another one th", true, "One sentence that is long enough.")]
    [InlineData("no end of any sentence", true, "no end of any sentence")]
    public void A_repeated_heading_and_half_a_sentence_are_left_out(string answer, bool isCut, string expected) => Assert.Equal(expected, ContentDocument.Clean(answer, "Title", isCut));

    [Theory]
    [InlineData("", 0)]
    [InlineData("  one two\nthree – 4, ... “five” ", 5)]
    public void Words_have_letters_or_digits(string text, int words) => Assert.Equal(words, ContentDocument.CountWords(text));

    [Fact]
    public void What_a_model_writes_is_text_in_html()
    {
        string html = ContentDocument.Assemble("<b>", [new ContentSection("a & b", "<script>x</script>\n\ny\nz", 3, false)], "html", hasHeadings: true);

        Assert.Equal("<article>\n<h1>&lt;b&gt;</h1>\n<section>\n<h2>a &amp; b</h2>\n<p>&lt;script&gt;x&lt;/script&gt;</p>\n<p>y<br>\nz</p>\n</section>\n</article>\n", html);
    }

    [Fact]
    public void The_passage_that_speaks_of_something_is_found_first()
    {
        var index = PassageIndex.Of(
            [
                new SourceDocument { Name = "a", Text = "The fox is red.\n\nThe dog is brown. The dog sleeps." },
                new SourceDocument { Text = "狐は赤い。犬は茶色い。" },
            ],
            30);

        Assert.Contains("brown", index.Find("brown DOG", 1)[0].Text, StringComparison.Ordinal);
        Assert.Equal("2", index.Find("犬", 1)[0].Source);
        Assert.Empty(index.Find("cat", 5));
        Assert.Empty(PassageIndex.Of([], 30).Find("cat", 5));
    }

    private static string Ask(ModelCall call) => call.Messages[1].Content;

    private static string Wanted(ModelCall call) => Ask(call).Split("Write ")[2].Split(',')[0];

    private static IEnumerable<string> Passages(ModelCall call) =>
        Ask(call).Split("\n\n[").Skip(1).Select(static part => part[..part.IndexOf(']', StringComparison.Ordinal)]);

    private static async Task<(RunRecord Run, JsonElement Output)> RunAsync(ScriptedModel model, JsonObject input)
    {
        await using var host = new AgentHost();
        var catalog = new JobCatalog([new GenerateContentJob(model)]);
        Assert.Empty(catalog.Check("generate-content", JsonElement.Parse(input.ToJsonString())));
        RunRecord run = await EndAsync(host, model, input.ToJsonString());
        Assert.True(run.State == RunState.Succeeded, run.Error?.Message);
        var output = JsonElement.Parse(await host.OutputAsync(run.Id));
        Assert.Empty(ValueSchema.Parse(ContentSchemas.Output).Check(output));
        return (run, output);
    }

    private static async Task<RunRecord> EndAsync(AgentHost host, ScriptedModel model, string input)
    {
        using var stop = new CancellationTokenSource();
        Task work = host.NewWorker(new WorkerOptions(), new GenerateContentJob(model)).RunAsync(stop.Token);
        RunRecord run = await host.UntilEndedAsync(await host.RequestAsync("generate-content", input, new RunOptions { BackoffMs = 1 }));
        await stop.CancelAsync();
        await work;
        return run;
    }
}

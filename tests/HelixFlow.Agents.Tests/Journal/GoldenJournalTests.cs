using System.Globalization;
using System.Reflection;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Tests.Journal;

/// <summary>A journal as version 1 has stored it: every later version must read it, and make the same of it.</summary>
public sealed class GoldenJournalTests
{
    [Fact]
    public void Every_kind_of_event_is_read_and_written_as_it_was_stored()
    {
        List<(NumberedEvent Numbered, string Body)> all = [.. Load(), .. Load("golden-v1-files.txt"), .. Load("golden-v1-questions.txt")];
        foreach ((NumberedEvent numbered, string body) in all)
        {
            Assert.Equal(body, numbered.Event.ToJson());
        }

        Assert.Equal(
            typeof(JournalEvent).GetNestedTypes(BindingFlags.Public).Select(static type => type.Name).Order(StringComparer.Ordinal),
            all.Select(static line => line.Numbered.Event.Kind).Distinct().Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_run_that_the_events_tell_is_the_same_for_ever()
    {
        var fold = RunFold.Of(Load().Select(static line => line.Numbered));

        Assert.Equal((RunState.Succeeded, 3, 1, 6L, "ee", "00", 100), (fold.State, fold.Epoch, fold.Attempt, fold.Fence, fold.Input, fold.Output, fold.Progress));
        Assert.Equal((1000L, 4100L, 4200L, 31L), (fold.CreatedAt, fold.StartedAt, fold.EndedAt, fold.LastEvent));
        Assert.Equal(new StepRecord("ask", "d3", EffectClass.Pure, StepState.Succeeded, "ff", StepSource.Cache, 4105, 4110), Assert.Single(fold.Steps).Value);
        Assert.Equal(("go", "wait"), Assert.Single(fold.Signals).Value);
        RunFold[] stages = [.. Enumerable.Range(1, 31).Select(static count => RunFold.Of(Load().Take(count).Select(static line => line.Numbered)))];
        Assert.Equal(
            "Waiting Ready Running Running Running Running Running Waiting Ready Running Running Ready Parked Parked Ready Running Waiting Waiting Ready Running Running Running " +
            "Cancelled Ready Running Dead Ready Running Running Running Succeeded",
            string.Join(' ', stages.Select(static stage => stage.State)));
    }

    [Fact]
    public void Events_that_cannot_follow_one_another_are_refused()
    {
        NumberedEvent[] events = [.. Load().Select(static line => line.Numbered)];
        for (int missing = 0; missing < events.Length - 1; missing++)
        {
            int left = missing;
            Assert.Throws<InvalidDataException>(() => RunFold.Of(events.Where((_, i) => i != left)));
        }

        Assert.Throws<InvalidDataException>(() => RunFold.Of([.. events, events[^1] with { Number = events.Length + 1 }]));
    }

    [Theory]
    [InlineData("Requested", 2, "{}")]
    [InlineData("Unheard", 1, "{}")]
    [InlineData("Died", 1, "{\"error\":")]
    public void An_event_of_a_newer_program_or_a_damaged_one_is_refused(string kind, int version, string body) =>
        Assert.Throws<InvalidDataException>(() => JournalEvent.Parse(kind, version, body));

    [Fact]
    public void An_option_that_an_older_program_did_not_store_has_its_default()
    {
        const string Old = """{"type":"t","project":"p","priority":"High","input":"aa","options":{"max_attempts":7},"state":"Ready","not_before":0,"depends_on":[]}""";
        var requested = (JournalEvent.Requested)JournalEvent.Parse("Requested", 1, Old);

        Assert.Equal(new RunOptions { MaxAttempts = 7 }, requested.Options);
        Assert.Equal((1_000, 300_000, 30_000), (requested.Options.BackoffMs, requested.Options.MaxBackoffMs, requested.Options.LeaseMs));
        Assert.Equal(RunPriority.High, requested.Priority);
    }

    [Fact]
    public void Older_versions_of_an_event_are_raised_one_after_the_other()
    {
        var upcasters = new EventUpcasters(4, new Dictionary<(string, int), Func<JsonObject, JsonObject>>
        {
            [("Died", 1)] = static body => new JsonObject { ["error"] = new JsonObject { ["code"] = "unknown", ["message"] = body["reason"]!.GetValue<string>() } },
            [("Died", 3)] = static body =>
            {
                body["error"]!["details"] = new JsonObject { ["raised"] = true };
                return body;
            },
        });

        string first = upcasters.Raise("Died", 1, """{"reason":"broken"}"""), third = upcasters.Raise("Died", 3, """{"error":{"code":"c","message":"m"}}""");
        Assert.Equal("""{"error":{"code":"unknown","message":"broken","details":{"raised":true}}}""", first);
        Assert.Equal("""{"error":{"code":"c","message":"m","details":{"raised":true}}}""", third);
        Assert.Equal("{ \"as\": \"it is\" }", upcasters.Raise("Died", 4, "{ \"as\": \"it is\" }"));
        Assert.Equal("{}", upcasters.Raise("Released", 1, "{}"));
    }

    [Fact]
    public void The_files_that_the_events_tell_are_the_same_for_ever()
    {
        NumberedEvent[] events = [.. Load("golden-v1-files.txt").Select(static line => line.Numbered)];

        Assert.Equal(new Artifact("chart.svg", "f2", 20, "image/svg+xml", 1400), Assert.Single(RunFold.Of(events[..6]).Artifacts).Value);
        Assert.Equal(["chart.svg", "table.csv"], RunFold.Of(events[..8]).Artifacts.Keys);
        Assert.Empty(RunFold.Of(events).Artifacts);
    }

    [Fact]
    public void The_questions_that_the_events_tell_are_the_same_for_ever()
    {
        NumberedEvent[] events = [.. Load("golden-v1-questions.txt").Select(static line => line.Numbered)];

        Assert.Equal(61_200, ((JournalEvent.Asked)events[2].Event).ExpiresAt);
        Assert.Equal((RunState.Waiting, "answer:gate:0011"), (RunFold.Of(events[..5]).State, RunFold.Of(events[..5]).Signal));
        Assert.Equal((RunState.Ready, "answer:gate:0011"), (RunFold.Of(events).State, Assert.Single(RunFold.Of(events).Signals).Value.Name));
    }

    private static List<(NumberedEvent Numbered, string Body)> Load(string name = "golden-v1.txt")
    {
        using Stream stream = typeof(GoldenJournalTests).Assembly.GetManifestResourceStream(name)!;
        using var reader = new StreamReader(stream);
        var events = new List<(NumberedEvent, string)>();
        while (reader.ReadLine() is { } line)
        {
            string[] parts = line.Split(' ', 4);
            var parsed = JournalEvent.Parse(parts[1], int.Parse(parts[2], CultureInfo.InvariantCulture), parts[3]);
            events.Add((new NumberedEvent(events.Count + 1, long.Parse(parts[0], CultureInfo.InvariantCulture), parsed), parts[3]));
        }

        return events;
    }
}

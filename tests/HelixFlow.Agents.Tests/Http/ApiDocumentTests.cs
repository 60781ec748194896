using System.Text.Json;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Tests.Http;

/// <summary>The API's description says what the API does.</summary>
public sealed class ApiDocumentTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_route_is_described_and_every_description_has_a_route()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client(null);
        JsonElement document = (await client.AskAsync("openapi.json")).Body;

        IEnumerable<string> described = document.GetProperty("paths").EnumerateObject()
            .SelectMany(static path => path.Value.EnumerateObject().Select(method => $"{method.Name.ToUpperInvariant()} {path.Name}"));
        Assert.Equal(server.Routes.Order(StringComparer.Ordinal), described.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Jobs_steps_and_events_have_the_fields_that_are_described()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();
        JsonElement schemas = (await client.AskAsync("openapi.json")).Body.GetProperty("components").GetProperty("schemas");
        string id = await server.SubmitAsync();
        Claim claim = await server.ClaimAsync();
        var step = new StepRecord("a", "d", EffectClass.Recorded, StepState.Succeeded, null, StepSource.Executed, 1, 0);
        Assert.True(await server.Journal.RecordStepAsync(claim.Lease, step, "1"u8.ToArray(), null, Token));
        JsonElement worker = (await client.AskAsync("workers")).Body.GetProperty("data")[0];
        Assert.True(await server.Journal.SucceedAsync(claim.Lease, "1"u8.ToArray(), Token));

        Check(schemas.GetProperty("Job"), (await client.AskAsync($"jobs/{id}?include=input")).Body);
        Check(schemas.GetProperty("Job"), (await client.AskAsync("jobs")).Body.GetProperty("data")[0]);
        Check(schemas.GetProperty("Step"), (await client.AskAsync($"jobs/{id}/steps")).Body.GetProperty("data")[0]);
        Check(schemas.GetProperty("Worker"), worker);
        Check(schemas.GetProperty("JobType"), (await client.AskAsync("job-types")).Body.GetProperty("data")[0]);
        Check(schemas.GetProperty("Problem"), (await client.AskAsync("jobs/none")).Body);
    }

    [Fact]
    public void Every_kind_of_event_and_every_state_is_described()
    {
        JsonElement schemas = Document().GetProperty("components").GetProperty("schemas");

        IEnumerable<string> kinds = typeof(JournalEvent).GetNestedTypes().Where(static type => type.IsSubclassOf(typeof(JournalEvent))).Select(static type => Agents.Http.Words.Of(type.Name));
        Assert.Equal(kinds.Order(StringComparer.Ordinal), Words(schemas, "Event", "kind"));
        Assert.Equal(Agents.Http.Words.Of<RunState>().Order(StringComparer.Ordinal), Words(schemas, "Job", "state"));
        Assert.Equal(Agents.Http.Words.Of<RunPriority>().Order(StringComparer.Ordinal), Words(schemas, "Job", "priority"));
        Assert.Equal(Agents.Http.Words.Of<EffectClass>().Order(StringComparer.Ordinal), Words(schemas, "Step", "effect"));
        Assert.Equal(Agents.Http.Words.Of<StepSource>().Order(StringComparer.Ordinal), Words(schemas, "Step", "source"));
    }

    private static IEnumerable<string> Words(JsonElement schemas, string schema, string field) =>
        schemas.GetProperty(schema).GetProperty("properties").GetProperty(field).GetProperty("enum").EnumerateArray().Select(static word => word.GetString()!).Order(StringComparer.Ordinal);

    private static void Check(JsonElement schema, JsonElement value)
    {
        string[] known = [.. schema.GetProperty("properties").EnumerateObject().Select(static field => field.Name)];
        Assert.All(value.EnumerateObject(), field => Assert.Contains(field.Name, known));
        Assert.All(schema.GetProperty("required").EnumerateArray(), field => Assert.True(value.TryGetProperty(field.GetString()!, out _), field.GetString()));
    }

    private static JsonElement Document()
    {
        using Stream stream = typeof(Agents.Http.AgentEndpoints).Assembly.GetManifestResourceStream("HelixFlow.Agents.Http.openapi.json")!;
        using var document = JsonDocument.Parse(stream);
        return document.RootElement.Clone();
    }
}

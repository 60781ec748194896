using System.Text.Json;

namespace HelixFlow.Agents.Tests.Http;

public sealed class JobBatchTests
{
    private const string Graph = """
        {"jobs":[
          {"name":"b","type":"greet","input":{"name":"B"},"depends_on":["a"],"priority":"high"},
          {"name":"a","type":"greet","input":{"name":"A"},"labels":{"x":"y"}}
        ]}
        """;

    [Fact]
    public async Task Jobs_are_submitted_together_and_once_per_key()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();

        (int status, JsonElement batch) = await client.PostAsync("jobs/batch", Graph, "k");
        (int again, JsonElement same) = await client.PostAsync("jobs/batch", Graph, "k");

        Assert.Equal((201, 200), (status, again));
        JsonElement b = batch.GetProperty("data")[0], a = batch.GetProperty("data")[1];
        Assert.Equal(("b", "waiting", "high", "k/b"), (b.Text("name"), b.GetProperty("job").Text("state"), b.GetProperty("job").Text("priority"), b.GetProperty("job").Text("idempotency_key")));
        Assert.Equal(("a", "ready", true), (a.Text("name"), a.GetProperty("job").Text("state"), a.GetProperty("is_new").GetBoolean()));
        Assert.Equal(b.GetProperty("job").Text("id"), same.GetProperty("data")[0].GetProperty("job").Text("id"));
        Assert.False(same.GetProperty("data")[0].GetProperty("is_new").GetBoolean());
    }

    [Theory]
    [InlineData("""{"jobs":[]}""", 400, "invalid_field", "/jobs")]
    [InlineData("""{"jobs":[{"type":"greet","input":{"name":"A"}}]}""", 400, "invalid_field", "/jobs/0/name")]
    [InlineData("""{"jobs":[{"name":"job_1","type":"greet","input":{"name":"A"}}]}""", 400, "invalid_field", "/jobs/0/name")]
    [InlineData("""{"jobs":[{"name":"a","type":"greet","input":{"name":"A"}},{"name":"a","type":"greet","input":{"name":"A"}}]}""", 400, "invalid_field", "/jobs/1/name")]
    [InlineData("""{"jobs":[{"name":"a","type":"greet","input":{"name":"A"}},{"name":"b","type":"greet","input":{}}]}""", 422, "invalid_input", "/jobs/1/input/name")]
    [InlineData("""{"jobs":[{"name":"a","type":"dance","input":{}}]}""", 422, "unknown_type", "/jobs/0/type")]
    [InlineData("""{"jobs":[{"name":"a","type":"greet","input":{"name":"A"},"colour":1}]}""", 400, "unknown_field", "/jobs/0/colour")]
    [InlineData("""{"jobs":[{"name":"a","type":"greet","input":{"name":"A"},"depends_on":["b"]},{"name":"b","type":"greet","input":{"name":"B"},"depends_on":["a"]}]}""", 422, "dependency_cycle", "/jobs/0/depends_on")]
    [InlineData("""{"jobs":[{"name":"a","type":"greet","input":{"name":"A"}},{"name":"b","type":"greet","input":{"name":"B"},"depends_on":["job_0"]}]}""", 422, "unknown_dependency", "/jobs/1/depends_on")]
    public async Task What_is_wrong_is_named_with_its_place_and_nothing_is_submitted(string body, int status, string code, string place)
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();

        (int answered, JsonElement problem) = await client.PostAsync("jobs/batch", body);

        Assert.Equal((status, code, place), (answered, problem.Text("code"), problem.Text("pointer")));
        Assert.Empty((await client.AskAsync("jobs")).Body.GetProperty("data").EnumerateArray());
    }
}

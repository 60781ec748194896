using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Tests.Http;

public sealed class StalenessEndpointTests
{
    private static readonly StepExecutor<long, long> _double = new(
        "double", 1, EffectClass.Recorded, TestJson.Default.Int64, TestJson.Default.Int64, static (value, _, _) => Task.FromResult(2 * value));

    private static readonly TestJob _type = new("double", static async (run, token) =>
        JsonElement.Parse($"{await run.StepAsync("double", _double, run.Input.GetProperty("n").GetInt64(), token)}"));

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_job_that_has_ended_is_explained()
    {
        await using AgentServer server = await AgentServer.StartAsync(null, _type);
        using HttpClient client = server.Client();
        string id = (await client.PostAsync("jobs", """{"type":"double","input":{"n":1}}""")).Body.Text("id");
        Assert.Equal((409, "not_ended"), await CodeAsync(client, id, "{}"));
        Claim claim = Assert.Single(await server.Journal.ClaimAsync("w", ["double"], 1, Token));
        JsonElement output = await _type.RunAsync(await Run.OpenAsync(server.Journal, claim, TimeProvider.System, Token), Token);
        await server.Journal.SucceedAsync(claim.Lease, Encoding.UTF8.GetBytes(output.GetRawText()), Token);

        JsonElement same = (await client.PostAsync($"jobs/{id}/why-stale")).Body, other = (await client.PostAsync($"jobs/{id}/why-stale", """{"input":{"n":2}}""")).Body;

        Assert.Equal((true, 1, 0), (same.GetProperty("is_complete").GetBoolean(), Count(same, "reused"), Count(same, "executed")));
        Assert.Equal(("executed", "input_changed", ""), (
            other.GetProperty("steps")[0].Text("verdict"), other.GetProperty("steps")[0].Text("reason"), other.GetProperty("steps")[0].GetProperty("changed")[0].GetString()));
        Assert.Equal((422, "unknown_step"), await CodeAsync(client, id, """{"from":"nowhere"}"""));
        Assert.Equal((400, "unknown_field"), await CodeAsync(client, id, """{"form":"double"}"""));
        Assert.Equal((422, "unknown_artifact"), await CodeAsync(client, id, $$$"""{"input":{"artifact":"{{{new string('0', 64)}}}"} }"""));
        Assert.Equal((404, "unknown_job"), await CodeAsync(client, "job_0", "{}"));
    }

    private static int Count(JsonElement found, string verdict) => found.GetProperty("counts").GetProperty(verdict).GetInt32();

    private static async Task<(int, string)> CodeAsync(HttpClient client, string id, string body)
    {
        (int status, JsonElement problem) = await client.PostAsync($"jobs/{id}/why-stale", body);
        return (status, problem.Text("code"));
    }
}

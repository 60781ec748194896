using System.Text.Json;

namespace HelixFlow.Agents.Tests.Http;

public sealed class CollectionEndpointTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Whoever_may_says_what_can_go_and_lets_it_go()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client("admin"), ordinary = server.Client();
        string id = await server.SubmitAsync("admin", name: new string('x', 300));
        await server.Journal.CancelAsync("admin", id, "test", Token);
        await server.Journal.DeleteAsync("admin", id, Token);
        server.Journal.ClockSkewMs += 2 * 3_600_000;

        JsonElement wouldGo = (await client.PostAsync("collections", """{"dry_run":true}""")).Body, gone = (await client.PostAsync("collections")).Body;

        Assert.Equal((true, 0, 1, 311), (wouldGo.GetProperty("dry_run").GetBoolean(), Number(wouldGo, "runs"), Number(wouldGo, "values"), Number(wouldGo, "bytes")));
        Assert.Equal((false, 0, 1, 311), (gone.GetProperty("dry_run").GetBoolean(), Number(gone, "runs"), Number(gone, "values"), Number(gone, "bytes")));
        Assert.Equal(0, Number((await client.PostAsync("collections")).Body, "values"));
        Assert.Equal(403, (await ordinary.PostAsync("collections")).Status);
        Assert.Equal(400, (await client.PostAsync("collections", """{"dry":true}""")).Status);
    }

    private static int Number(JsonElement element, string name) => element.GetProperty(name).GetInt32();
}

using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Gateway.Tests.Batches;
using HelixFlow.Gateway.Tests.Responses;
using HelixFlow.Gateway.Tests.VectorStores;
using HelixFlow.Schemas.Inference.V1;
using HelixFlow.Storage;

namespace HelixFlow.Gateway.Tests.Membership;

/// <summary>Two gateways on one PostgreSQL database and one folder of files.</summary>
[Collection(nameof(PostgresForTests))]
public sealed class TwoGatewayTests(PostgresForTests postgres) : IDisposable
{
    private const string Background = """{"model":"org/model","input":"hi","background":true}""";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task What_one_stores_the_other_has()
    {
        await using GatewayServer first = await StartAsync();
        await using GatewayServer second = await StartAsync();
        StoreClient.Embed(first.Pool);
        StoreClient.Embed(second.Pool);

        JsonNode response = await first.CreateAsync("""{"model":"m","input":"hi"}""");
        Assert.Equal(response.ToJsonString(), (await second.GetAsync($"{ResponseClient.Path}/{response["id"]}")).ToJsonString());
        await second.CreateAsync($$"""{"model":"m","input":"And?","previous_response_id":"{{response["id"]}}"}""");
        Assert.Equal(3, JsonNode.Parse(second.Pool.Request!.Chat.MessagesJson)!.AsArray().Count);

        string file = await StoreClient.UploadAsync(first, "Otters hold hands.");
        Assert.Equal("Otters hold hands.", await second.Client.GetStringAsync($"/v1/files/{file}/content"));
        string store = StoreClient.IdOf(await StoreClient.FilledAsync(second, "Basalt is a rock."));
        Assert.Equal("Basalt is a rock.", (await StoreClient.SearchAsync(first, store, """{"query":"basalt"}"""))[0].GetProperty("content")[0].GetProperty("text").GetString());
    }

    [Fact]
    public async Task A_response_is_followed_and_cancelled_through_the_other_one()
    {
        await using GatewayServer first = await StartAsync();
        await using GatewayServer second = await StartAsync();
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        first.Pool.Script = (_, token) => GatedAsync(gate.Task, token);

        JsonNode cancelled = await first.CreateAsync(Background);
        Assert.Equal("cancelled", (string?)(await second.SendAsync(HttpMethod.Post, $"{ResponseClient.Path}/{cancelled["id"]}/cancel"))["status"]);
        Assert.Equal("cancelled", (string?)(await first.GetAsync($"{ResponseClient.Path}/{cancelled["id"]}"))["status"]);

        Task<List<JsonNode>> streaming = first.StreamAsync(Background.Replace("true", "true,\"stream\":true", StringComparison.Ordinal));
        string id;
        while ((id = await IdOfLatestAsync()).Length == 0)
        {
            await Task.Delay(20);
        }

        Task<List<JsonNode>> following = second.ResumeAsync(id);
        gate.SetResult();
        Assert.Equal((await streaming).Select(next => next.ToJsonString()), (await following).Select(next => next.ToJsonString()));
        Assert.Null(second.Pool.Request);
    }

    [Fact]
    public async Task A_batch_is_worked_by_one_of_them()
    {
        await using GatewayServer first = await StartAsync();
        await using GatewayServer second = await StartAsync();
        int[] asked = new int[2];
        first.Pool.Script = (request, _) => Count(asked, 0);
        second.Pool.Script = (request, _) => Count(asked, 1);

        JsonElement[] batches = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => BatchClient.SubmitAsync(i % 2 == 0 ? first : second, BatchClient.Lines(25))));
        foreach (JsonElement batch in batches)
        {
            JsonElement ended = await BatchClient.EndAsync(first, batch);
            Assert.Equal((25, 25, 0), BatchClient.CountsOf(ended));
        }

        Assert.Equal(100, asked.Sum());
    }

    [Fact]
    public async Task What_one_that_dies_has_begun_the_other_finishes()
    {
        await using GatewayServer second = await StartAsync();
        JsonNode response;
        JsonElement batch;
        await using (GatewayServer first = await StartAsync(TimeSpan.FromSeconds(1)))
        {
            first.Pool.Script = first.Pool.Hang;
            second.Pool.Script = (_, _) => throw new InvalidOperationException("it is the first one's");
            response = await first.CreateAsync(Background);
            batch = await BatchClient.SubmitAsync(first, BatchClient.Lines(3));
            await first.WaitForAsync((string)response["id"]!, "in_progress");
            second.Pool.Script = (_, _) => ScriptedAnswers.Words("Done", ".");
        }

        Assert.Equal("Done.", (string?)(await second.WaitForAsync((string)response["id"]!, "completed"))["output"]![0]!["content"]![0]!["text"]);
        Assert.Equal((3, 3, 0), BatchClient.CountsOf(await BatchClient.EndAsync(second, batch)));
    }

    [Fact]
    public async Task One_that_was_paused_writes_nothing_over_what_another_has_done_meanwhile()
    {
        await using GatewayServer second = await StartAsync();
        await using GatewayServer first = await StartAsync(TimeSpan.FromDays(1));
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        first.Pool.Script = (_, token) => GatedAsync(gate.Task, token);
        second.Pool.Script = (_, _) => ScriptedAnswers.Words("Of the second");
        string id = (string)(await first.CreateAsync(Background))["id"]!;
        await first.WaitForAsync(id, "in_progress");

        await using (PostgresDatabase database = postgres.Open(_folder.Path))
        {
            await database.WriteAsync(session => session.Execute("update gateways set alive_until = 0 where id = (select owner from responses where id = $1)", id), CancellationToken.None);
        }

        await second.WaitForAsync(id, "completed");
        gate.SetResult();

        // The first one shows its own until it has found that it is not the owner any more.
        foreach (GatewayServer server in (GatewayServer[])[second, first])
        {
            for (int look = 0; await TextAsync(server) != "Of the second"; look++)
            {
                Assert.True(look < 600, "the first gateway's answer stays");
                await Task.Delay(50);
            }
        }

        async Task<string?> TextAsync(GatewayServer server) =>
            (string?)(await server.GetAsync($"{ResponseClient.Path}/{id}"))["output"]?.AsArray().FirstOrDefault()?["content"]?[0]?["text"];
    }

    [Fact]
    public async Task A_text_that_the_database_cannot_hold_is_refused()
    {
        await using GatewayServer server = await StartAsync();

        JsonNode error = await server.FailAsync(400, HttpMethod.Post, StoreClient.Stores, """{"name":"a\u0000b"}""");

        Assert.Contains("U+0000", (string?)error["message"], StringComparison.Ordinal);
    }

    private Task<GatewayServer> StartAsync(TimeSpan? lifetime = null)
    {
        var options = new GatewayOptions { DataFolder = _folder.Path, MemberLifetime = lifetime ?? TimeSpan.FromMinutes(10), Batches = { Interval = TimeSpan.FromMilliseconds(100) } };
        return GatewayServer.StartAsync(options, configure: services => postgres.Register(services, options));
    }

    private async Task<string> IdOfLatestAsync()
    {
        await using PostgresDatabase database = postgres.Open(_folder.Path);
        return await database.ReadAsync(
            session => session.First("select id from responses where begun = 1 and status in ('queued', 'in_progress')", static row => row.GetString(0)) ?? "", CancellationToken.None);
    }

    private static IAsyncEnumerable<GenerateEvent> Count(int[] asked, int index)
    {
        Interlocked.Increment(ref asked[index]);
        return ScriptedAnswers.Words("ok");
    }

    private static async IAsyncEnumerable<GenerateEvent> GatedAsync(Task gate, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return ScriptedPool.Prompt();
        yield return ScriptedPool.Token("Begin");
        await gate.WaitAsync(cancellationToken);
        yield return ScriptedPool.Token(" end");
        yield return ScriptedPool.Finish();
        yield return new GenerateEvent { Usage = new Usage { PromptTokens = 3, CompletionTokens = 2 } };
    }
}

using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests.Responses;

/// <summary>Responses that no connection holds: followed, resumed, cancelled, and what a restart makes of them.</summary>
public class BackgroundResponseTests(PostgresForTests? postgres = null) : StorageTests(postgres)
{
    private const string Path = ResponseClient.Path;
    private const string Background = """{"model":"org/model","input":"hi","background":true}""";
    private const string Streamed = """{"model":"org/model","input":"hi","background":true,"stream":true}""";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task It_is_answered_at_once_and_completed_later()
    {
        await using GatewayServer server = await StartServerAsync();
        var gate = new TaskCompletionSource();
        server.Pool.Script = (_, token) => Gated(gate.Task, token);

        JsonNode made = await server.CreateAsync(Background);
        Assert.Equal(("queued", true), ((string?)made["status"], (bool)made["background"]!));
        JsonNode running = await server.WaitForAsync((string)made["id"]!, "in_progress");
        Assert.Empty(running["output"]!.AsArray());
        await server.FailAsync(400, HttpMethod.Post, Path, $$"""{"model":"org/model","input":"x","previous_response_id":"{{made["id"]}}"}""");
        gate.SetResult();

        JsonNode done = await server.WaitForAsync((string)made["id"]!, "completed");
        Assert.Equal("Begin and end", (string?)done["output"]![0]!["content"]![0]!["text"]);
        Assert.Equal("model_not_found", (string?)(await server.FailAsync(404, HttpMethod.Post, Path, """{"model":"nope","input":"hi","background":true}"""))["code"]);
    }

    [Fact]
    public async Task A_client_that_leaves_its_stream_finds_it_going_on_where_it_left()
    {
        await using GatewayServer server = await StartServerAsync();
        var gate = new TaskCompletionSource();
        server.Pool.Script = (_, token) => Gated(gate.Task, token);
        (string id, JsonNode last) = await ReadSomeAsync(server, 6);
        Assert.Equal("response.output_text.delta", (string?)last["type"]);

        Task<List<JsonNode>> rest = server.ResumeAsync(id, (int)last["sequence_number"]!);
        Task<List<JsonNode>> all = server.ResumeAsync(id);
        gate.SetResult();

        Assert.Equal(
            ["response.output_text.delta", "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed"],
            ResponseClient.TypesOf(await rest.WaitAsync(Patience)));
        Assert.Equal(["response.created", "response.queued", "response.in_progress", "response.output_item.added"], ResponseClient.TypesOf(await all.WaitAsync(Patience))[..4]);
        Assert.Equal(["queued", "queued", "in_progress"], (await all)[..3].Select(next => (string?)next["response"]!["status"]));
        Assert.Equal((await all).Select(next => next.ToJsonString()), (await server.ResumeAsync(id)).Select(next => next.ToJsonString()));
    }

    [Fact]
    public async Task Cancelling_ends_it_and_may_be_repeated()
    {
        await using GatewayServer server = await StartServerAsync();
        server.Pool.Script = server.Pool.Hang;
        JsonNode made = await server.CreateAsync(Background);
        await server.WaitForAsync((string)made["id"]!, "in_progress");

        JsonNode cancelled = await server.SendAsync(HttpMethod.Post, $"{Path}/{made["id"]}/cancel");

        Assert.Equal("cancelled", (string?)cancelled["status"]);
        await server.Pool.Left.Task.WaitAsync(Patience);
        Assert.Equal(cancelled.ToJsonString(), (await server.SendAsync(HttpMethod.Post, $"{Path}/{made["id"]}/cancel")).ToJsonString());
        Assert.Equal(cancelled.ToJsonString(), (await server.GetAsync($"{Path}/{made["id"]}")).ToJsonString());
    }

    [Fact]
    public async Task Deleting_ends_it_and_leaves_nothing()
    {
        await using GatewayServer server = await StartServerAsync();
        server.Pool.Script = server.Pool.Hang;
        JsonNode made = await server.CreateAsync(Background);
        await server.WaitForAsync((string)made["id"]!, "in_progress");

        await server.SendAsync(HttpMethod.Delete, $"{Path}/{made["id"]}");

        await server.Pool.Left.Task.WaitAsync(Patience);
        await server.FailAsync(404, HttpMethod.Get, $"{Path}/{made["id"]}");
    }

    [Fact]
    public async Task A_prompt_that_is_refused_later_is_a_failed_response()
    {
        await using GatewayServer server = await StartServerAsync();
        server.Pool.Script = (_, _) => throw new HelixFlow.Schemas.InferenceException(HelixFlow.Schemas.InferenceError.ContextLengthExceeded, "too long");

        JsonNode made = await server.CreateAsync(Background);

        JsonNode failed = await server.WaitForAsync((string)made["id"]!, "failed");
        Assert.Equal(("invalid_prompt", "too long"), ((string?)failed["error"]!["code"], (string?)failed["error"]!["message"]));
    }

    [Fact]
    public async Task After_a_restart_it_is_run_again_under_its_id()
    {
        using var folder = new TemporaryFolder();
        string id;
        await using (GatewayServer first = await StartServerAsync(new GatewayOptions { DataFolder = folder.Path }))
        {
            first.Pool.Script = first.Pool.Hang;
            JsonNode before = await first.CreateAsync("""{"model":"org/model","input":"earlier","background":true}""");
            id = (string)before["id"]!;
            await first.WaitForAsync(id, "in_progress");
        }

        await using GatewayServer second = await StartServerAsync(new GatewayOptions { DataFolder = folder.Path });

        JsonNode done = await second.WaitForAsync(id, "completed");
        Assert.Equal("Hello world", (string?)done["output"]![0]!["content"]![0]!["text"]);
        Assert.Equal("""[{"role":"user","content":"earlier"}]""", second.Pool.Request!.Chat.MessagesJson);
        Assert.Equal("p", second.Pool.Request.Project);
    }

    [Fact]
    public async Task After_a_restart_a_stream_that_had_delivered_something_has_failed_and_says_so()
    {
        using var folder = new TemporaryFolder();
        string id;
        await using (GatewayServer first = await StartServerAsync(new GatewayOptions { DataFolder = folder.Path }))
        {
            first.Pool.Script = first.Pool.Hang;
            (id, _) = await ReadSomeAsync(first, 6);
        }

        await using GatewayServer second = await StartServerAsync(new GatewayOptions { DataFolder = folder.Path });

        JsonNode failed = await second.WaitForAsync(id, "failed");
        Assert.Equal("server_error", (string?)failed["error"]!["code"]);
        Assert.Contains("restarted", (string?)failed["error"]!["message"], StringComparison.Ordinal);
        List<JsonNode> events = await second.ResumeAsync(id);
        Assert.Equal("response.failed", (string?)events[^1]["type"]);
        Assert.Null(second.Pool.Request);
    }

    [Fact]
    public async Task After_a_restart_nothing_is_run_before_the_server_is_ready()
    {
        using var folder = new TemporaryFolder();
        string id;
        await using (GatewayServer first = await StartServerAsync(new GatewayOptions { DataFolder = folder.Path }))
        {
            first.Pool.Script = first.Pool.Hang;
            id = (string)(await first.CreateAsync(Background))["id"]!;
            await first.WaitForAsync(id, "in_progress");
            await first.StopAsync();
        }

        var time = new ManualTime();
        await using GatewayServer second = await StartServerAsync(new GatewayOptions { DataFolder = folder.Path }, time: time, isReady: false);
        await time.ArmedAsync(1);
        Assert.Null(second.Pool.Request);
        second.IsReady = true;
        time.Advance(TimeSpan.FromSeconds(1));

        await second.WaitForAsync(id, "completed");
    }

    // Reads this many events of a new stream in the background, then leaves; the last of them.
    private static async Task<(string Id, JsonNode Last)> ReadSomeAsync(GatewayServer server, int count)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Path) { Content = new StringContent(Streamed, null, "application/json") };
        using HttpResponseMessage response = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        string? id = null;
        JsonNode? last = null;
        while (count > 0)
        {
            string line = await reader.ReadLineAsync() ?? throw new EndOfStreamException();
            if (line.StartsWith("data: ", StringComparison.Ordinal))
            {
                last = JsonNode.Parse(line["data: ".Length..])!;
                id ??= (string?)last["response"]!["id"];
                count--;
            }
        }

        return (id!, last!);
    }

    private static async IAsyncEnumerable<GenerateEvent> Gated(Task gate, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return ScriptedPool.Prompt();
        yield return ScriptedPool.Token("Begin");
        await gate.WaitAsync(cancellationToken);
        yield return ScriptedPool.Token(" and end");
        yield return ScriptedPool.Finish();
        yield return new GenerateEvent { Usage = new Usage { PromptTokens = 1, CompletionTokens = 2 } };
    }
}

using System.Net;
using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Http;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;
using HelixFlow.Agents.Tests.Http;

namespace HelixFlow.Agents.Tests.Mcp;

/// <summary>What surrounds the protocol; the official client speaks it in the interop tests.</summary>
public sealed class McpEndpointTests
{
    private const string List = """{"jsonrpc":"2.0","id":1,"method":"tools/list"}""";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_request_needs_a_key_with_the_scope()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        Assert.Equal(HttpStatusCode.Unauthorized, (await PostAsync(server, null, List)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await PostAsync(server, null, List, "/mcp?access_token=p")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await PostAsync(server, "reader", List)).Status);
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(server, "p", List)).Status);
    }

    [Fact]
    public async Task Tools_of_types_that_the_host_does_not_have_are_not_listed()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        JsonElement tools = (await PostAsync(server, "p", List)).Message.GetProperty("result").GetProperty("tools");

        Assert.Equal(["get_task_status", "get_task_result", "list_jobs", "cancel_job"], tools.EnumerateArray().Select(static tool => tool.Text("name")));
        JsonElement unknown = (await PostAsync(server, "p", Call("queue_summary", """{"text":"a"}"""))).Message;
        Assert.Equal(-32602, unknown.GetProperty("error").GetProperty("code").GetInt32());
    }

    [Fact]
    public async Task A_project_sees_its_own_tasks_only()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        string id = await server.SubmitAsync();
        Assert.Equal(id, Result(await PostAsync(server, "p", Call("list_jobs", "{}"))).GetProperty("structuredContent").GetProperty("tasks")[0].Text("task_id"));
        Assert.Equal(0, Result(await PostAsync(server, "q", Call("list_jobs", "{}"))).GetProperty("structuredContent").GetProperty("tasks").GetArrayLength());
        foreach (string tool in (string[])["get_task_status", "get_task_result", "cancel_job"])
        {
            Assert.True(Result(await PostAsync(server, "q", Call(tool, $$"""{"task_id":"{{id}}"}"""))).GetProperty("isError").GetBoolean());
        }

        Assert.Equal(RunState.Ready, (await server.Journal.GetAsync("p", id, Token))!.State);
        Assert.Equal("cancelled", Result(await PostAsync(server, "p", Call("cancel_job", $$"""{"task_id":"{{id}}"}"""))).GetProperty("structuredContent").Text("state"));
    }

    [Fact]
    public async Task What_is_not_there_is_named()
    {
        await using AgentServer server = await AgentServer.StartAsync(null, new AnySummary());
        string hash = new('a', 64);
        JsonElement queued = Result(await PostAsync(server, "p", Call("queue_summary", $$$"""{"text":{"artifact":"{{{hash}}}"}}""")));
        Assert.True(queued.GetProperty("isError").GetBoolean());
        Assert.Contains(hash, queued.GetProperty("content")[0].Text("text"), StringComparison.Ordinal);
        JsonElement listed = Result(await PostAsync(server, "p", Call("list_jobs", """{"after":"job_0"}""")));
        Assert.True(listed.GetProperty("isError").GetBoolean());
        Assert.Contains("'job_0'", listed.GetProperty("content")[0].Text("text"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Waiting_for_a_task_ends_with_the_task()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        string id = await server.SubmitAsync();
        Claim claim = await server.ClaimAsync();
        Task<(HttpStatusCode Status, JsonElement Message)> waiting = PostAsync(server, "p", Call("get_task_status", $$"""{"task_id":"{{id}}","wait_seconds":50}"""));
        Assert.True(await server.Journal.SucceedAsync(claim.Lease, "{\"a\":1}"u8.ToArray(), Token));

        Assert.Equal("succeeded", Result(await waiting).GetProperty("structuredContent").Text("state"));
        JsonElement result = Result(await PostAsync(server, "p", Call("get_task_result", $$"""{"task_id":"{{id}}"}""")));
        Assert.Equal(1, result.GetProperty("structuredContent").GetProperty("result").GetProperty("a").GetInt32());
    }

    [Theory]
    [InlineData("http://evil.example", false)]
    [InlineData("https://localhost.evil.example", false)]
    [InlineData("null", false)]
    [InlineData("http://localhost:3000", true)]
    [InlineData("http://127.0.0.1:1", true)]
    [InlineData("https://pages.example", true)]
    public async Task Pages_of_other_sites_are_refused(string origin, bool isAllowed)
    {
        await using AgentServer server = await AgentServer.StartAsync(new AgentOptions { AllowedOrigins = ["https://pages.example"] });
        Assert.Equal(isAllowed ? HttpStatusCode.OK : HttpStatusCode.Forbidden, (await PostAsync(server, "p", List, ("Origin", origin))).Status);
        Assert.Equal(isAllowed ? HttpStatusCode.OK : HttpStatusCode.Forbidden, (await PostAsync(server, "p", List, ("Origin", origin), ("Host", new Uri(origin == "null" ? "http://evil.example" : origin).Authority))).Status);
    }

    [Theory]
    [InlineData("{", HttpStatusCode.BadRequest, -32700)]
    [InlineData("[]", HttpStatusCode.BadRequest, -32700)]
    [InlineData("", HttpStatusCode.BadRequest, -32700)]
    [InlineData("{}", HttpStatusCode.BadRequest, -32700)]
    public async Task What_is_no_message_is_refused(string body, HttpStatusCode status, int code)
    {
        await using AgentServer server = await AgentServer.StartAsync();
        (HttpStatusCode Status, JsonElement Message) answer = await PostAsync(server, "p", body);
        Assert.Equal((status, code), (answer.Status, answer.Message.GetProperty("error").GetProperty("code").GetInt32()));
    }

    [Fact]
    public async Task Headers_are_held_to_the_protocol()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        Assert.Equal(HttpStatusCode.NotAcceptable, (await PostAsync(server, "p", List, ("Accept", "application/json"))).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await PostAsync(server, "p", List, ("MCP-Protocol-Version", "1999-01-01"))).Status);
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(server, "p", List, ("MCP-Protocol-Version", "2025-06-18"))).Status);
        using HttpClient client = server.Client();
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await client.GetAsync(new Uri("/mcp", UriKind.Relative), Token)).StatusCode);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await client.DeleteAsync(new Uri("/mcp", UriKind.Relative), Token)).StatusCode);
        Assert.Equal(HttpStatusCode.Accepted, (await PostAsync(server, "p", """{"jsonrpc":"2.0","method":"notifications/initialized"}""")).Status);
    }

    [Fact]
    public async Task Requests_of_the_newest_revision_say_in_their_headers_what_they_are()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        const string Version = "2026-07-28";
        const string Meta = """ "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}} """;
        string call = $$$"""{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_jobs","arguments":{},{{{Meta}}} }}""";
        (string, string) version = ("MCP-Protocol-Version", Version), method = ("Mcp-Method", "tools/call"), name = ("Mcp-Name", "list_jobs");

        Assert.Equal(0, Result(await PostAsync(server, "p", call, version, method, name)).GetProperty("structuredContent").GetProperty("tasks").GetArrayLength());
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(server, "p", call, version, method, ("Mcp-Name", $"=?base64?{Convert.ToBase64String("list_jobs"u8)}?="))).Status);
        Assert.NotEqual(HttpStatusCode.InternalServerError, (await PostAsync(server, "p", call.Replace("\"list_jobs\"", "7", StringComparison.Ordinal), version, method, name)).Status);
        foreach ((string, string)[] wrong in ((string, string)[][])[[version, name], [version, method], [version, ("Mcp-Method", "tools/list"), name], [version, method, ("Mcp-Name", "cancel_job")]])
        {
            Assert.Equal(HttpStatusCode.BadRequest, (await PostAsync(server, "p", call, wrong)).Status);
        }
    }

    private static string Call(string tool, string arguments) => $$"""{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"{{tool}}","arguments":{{arguments}} } }""";

    private static JsonElement Result((HttpStatusCode Status, JsonElement Message) answer) => answer.Message.GetProperty("result");

    private static Task<(HttpStatusCode Status, JsonElement Message)> PostAsync(AgentServer server, string? project, string body, params (string Name, string Value)[] headers) =>
        PostAsync(server, project, body, "/mcp", headers);

    private static async Task<(HttpStatusCode Status, JsonElement Message)> PostAsync(AgentServer server, string? project, string body, string path, params (string Name, string Value)[] headers)
    {
        using HttpClient client = server.Client(project);
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Accept.ParseAdd("application/json, text/event-stream");
        foreach ((string name, string value) in headers)
        {
            request.Headers.Remove(name);
            request.Headers.TryAddWithoutValidation(name, value);
        }

        using HttpResponseMessage response = await client.SendAsync(request, Token);
        string text = await response.Content.ReadAsStringAsync(Token);
        string? data = text.Split('\n').FirstOrDefault(static line => line.StartsWith("data: ", StringComparison.Ordinal));
        return (response.StatusCode, data is not null ? JsonElement.Parse(data[6..]) : text.Length > 0 ? JsonElement.Parse(text) : default);
    }

    private sealed class AnySummary : IJobType
    {
        public string Name => "summarise";

        public string Description => "Takes anything.";

        public JsonElement InputSchema { get; } = JsonElement.Parse("""{"type":"object"}""");

        public JsonElement OutputSchema { get; } = JsonElement.Parse("{}");

        public Task<JsonElement> RunAsync(Run run, CancellationToken cancellationToken) => throw new InvalidOperationException("no worker runs in these tests");
    }
}

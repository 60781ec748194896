using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>The official MCP SDK's client uses the tools of a real server, and the conformance suite judges it.</summary>
[Collection(nameof(SharedServer))]
public sealed class McpTests(SharedServer shared)
{
    [Theory]
    [InlineData("http")]
    [InlineData("stdio")]
    public async Task The_official_client_queues_follows_and_reads_tasks(string transport)
    {
        string[] command = transport == "stdio" ? ["dotnet", Path.Combine(Server.Root, "artifacts/bin/HelixFlow.Cli/release/helixflow-cli.dll")] : [];
        JsonNode seen = await NodeScript.RunAsync("clients/mcp.mjs", shared.Server, command);

        Assert.Equal("helixflow", (string?)seen["server"]);
        Assert.True((bool)seen["instructions"]!);
        Assert.Contains("tools", seen["capabilities"]!.AsArray().Select(static name => (string?)name));
        string[] tools = [.. seen["tools"]!.AsArray().Select(static name => (string)name!)];
        Assert.Equal(["queue_summary", "get_task_status", "get_task_result", "list_jobs", "cancel_job"], tools.Where(static name => name is not ("queue_research_task" or "queue_content_generation")));
        Assert.True((bool)seen["described"]!);
        Assert.Equal("[true,true,false,false]", seen["summary"]!.ToJsonString());
        Assert.Equal("""["get_task_status","get_task_result","list_jobs"]""", seen["hints"]!.ToJsonString());
        Assert.True((bool)seen["same"]!);
        Assert.True((bool)seen["conflict"]!);
        Assert.Equal("succeeded", (string?)seen["state"]);
        Assert.Equal("""[true,"summarise","string"]""", seen["result"]!.ToJsonString());
        Assert.True((bool)seen["listed"]!);
        Assert.Equal(1, (int)seen["page"]!);
        Assert.Equal("[true,true,true,true,true]", seen["errors"]!.ToJsonString());
        Assert.Equal(-32602, (int)seen["unknown"]!);
        Assert.Equal(1, (int)seen["parallel"]!);
        Assert.True((bool)seen["refused"]!);
    }

    [Fact]
    public async Task The_conformance_suite_passes_what_applies_to_a_server_of_tools()
    {
        string[] scenarios = ["server-initialize", "ping", "tools-list", "logging-set-level", "dns-rebinding-protection"];
        JsonNode seen = await NodeScript.RunAsync("clients/mcp-conformance.mjs", shared.Server, scenarios);

        Assert.All(scenarios, scenario => Assert.Equal("""[0,true,"0","0"]""", seen[scenario]!.ToJsonString()));
    }
}

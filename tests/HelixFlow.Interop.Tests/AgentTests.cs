using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>Agents in a real server process with the built-in model, which knows no tools: the grammar alone makes its calls right.</summary>
public sealed class AgentTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_forced_call_of_an_mcp_tool_is_made_with_arguments_that_satisfy_its_schema()
    {
        string sdk = Path.Combine(Server.Root, "tests/interop/node_modules/@modelcontextprotocol/sdk");
        Assert.SkipUnless(Directory.Exists(sdk), "run 'npm ci --ignore-scripts' in tests/interop");
        string options = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(options, new JsonObject
            {
                ["mcp"] = new JsonObject { ["shelf"] = new JsonObject { ["command"] = new JsonArray("node", Path.Combine(Server.Root, "tests/interop/clients/mcp-server.mjs"), "stdio") } },
                ["prices"] = new JsonObject { [Server.Model] = new JsonObject { ["prompt_per_million"] = 1, ["completion_per_million"] = 2 } },
            }.ToJsonString(), Token);
            await using Server server = await Server.StartAsync(Server.Key, null, "--agent-tools", options);
            using HttpClient client = server.CreateClient();
            JsonNode result = await RunAsync(client, new JsonObject
            {
                ["goal"] = "Label the shelf.",
                ["tools"] = new JsonArray(new JsonObject { ["type"] = "mcp", ["server"] = "shelf", ["only"] = new JsonArray("label") }),
                ["tool_choice"] = "label",
                ["max_answer_tokens"] = 64,
                ["budget"] = new JsonObject { ["max_steps"] = 4 },
            });

            JsonNode call = result["transcript"]!.AsArray().First(static entry => entry!["kind"]!.GetValue<string>() == "call")!;
            Assert.Equal(("label", "idempotent", "ok", "Labelled books."), (Text(call, "tool"), Text(call, "effect"), Text(call, "outcome"), Text(call, "text")));
            Assert.Equal("""{"label":"books"}""", JsonNode.Parse(Text(call, "arguments"))!.ToJsonString());
            decimal cost = (result["usage"]!["prompt_tokens"]!.GetValue<decimal>() + (2 * result["usage"]!["completion_tokens"]!.GetValue<decimal>())) / 1_000_000;
            Assert.Equal(cost, result["cost"]!.GetValue<decimal>());
        }
        finally
        {
            File.Delete(options);
        }
    }

    [Fact]
    public async Task A_forced_call_waits_for_approval_and_an_answer_has_the_form_that_is_wanted()
    {
        await using Server server = await Server.StartAsync();
        using HttpClient client = server.CreateClient();
        string id = await SubmitAsync(client, new JsonObject
        {
            ["goal"] = "Compute.",
            ["tools"] = new JsonArray(new JsonObject { ["type"] = "builtin", ["name"] = "current_time" }),
            ["tool_choice"] = "required",
            ["approval"] = new JsonObject { ["tools"] = new JsonArray("*") },
            ["output_schema"] = JsonNode.Parse("""{"type":"object","properties":{"kind":{"enum":["good","bad"]}},"required":["kind"],"additionalProperties":false}"""),
            ["max_answer_tokens"] = 100,
            ["budget"] = new JsonObject { ["max_steps"] = 3 },
        });
        while ((await client.GetFromJsonAsync<JsonNode>($"/api/v1/agent/jobs/{id}/approvals", Token))!["data"]!.AsArray().Count == 0)
        {
            string state = Text((await client.GetFromJsonAsync<JsonNode>($"/api/v1/agent/jobs/{id}", Token))!, "state");
            Assert.Contains(state, (string[])["ready", "running", "waiting"]);
            await Task.Delay(50, Token);
        }

        Assert.Equal(0, await CliAsync(server, "jobs", "approve", id));
        JsonNode result = await ResultAsync(client, id);

        Assert.Equal("ok", Text(result["transcript"]![1]!, "outcome"));
        Assert.Contains(Text(result["answer"]!, "kind"), (string[])["good", "bad"]);
        JsonNode job = (await client.GetFromJsonAsync<JsonNode>($"/api/v1/agent/jobs/{id}", Token))!;
        Assert.Equal(result["usage"]!["completion_tokens"]!.GetValue<long>(), job["usage"]!["completion_tokens"]!.GetValue<long>());
        Assert.Equal(result["turns"]!.GetValue<long>(), job["usage"]!["model_calls"]!.GetValue<long>());
    }

    [Fact]
    public async Task A_text_is_planned_and_written()
    {
        await using Server server = await Server.StartAsync();
        using HttpClient client = server.CreateClient();
        JsonNode result = await RunAsync(
            client, new JsonObject { ["topic"] = "cats", ["template"] = "email", ["sections"] = 1, ["words_per_section"] = 10, ["outline"] = new JsonArray(new JsonObject { ["title"] = "Cats" }) }, "generate-content");

        Assert.StartsWith("# cats\n", Text(result, "content"), StringComparison.Ordinal);
        Assert.True(result["words"]!.GetValue<int>() > 0);
    }

    private static string Text(JsonNode node, string name) => node[name]!.GetValue<string>();

    private static async Task<JsonNode> RunAsync(HttpClient client, JsonObject input, string type = "agent") => await ResultAsync(client, await SubmitAsync(client, input, type));

    private static async Task<string> SubmitAsync(HttpClient client, JsonObject input, string type = "agent")
    {
        using HttpResponseMessage response = await client.PostAsJsonAsync("/api/v1/agent/jobs", new JsonObject { ["type"] = type, ["input"] = input }, Token);
        Assert.True(response.StatusCode == HttpStatusCode.Created, await response.Content.ReadAsStringAsync(Token));
        return Text((await response.Content.ReadFromJsonAsync<JsonNode>(Token))!, "id");
    }

    private static async Task<JsonNode> ResultAsync(HttpClient client, string id)
    {
        await client.GetStringAsync($"/api/v1/agent/jobs/{id}/events", Token); // until the job has ended
        using HttpResponseMessage response = await client.GetAsync($"/api/v1/agent/jobs/{id}/result", Token);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync(Token));
        return (await response.Content.ReadFromJsonAsync<JsonNode>(Token))!;
    }

    private static async Task<int> CliAsync(Server server, params string[] arguments)
    {
        using Process process = Server.Cli(Server.Key, [.. arguments, "--url", server.Address.ToString()]);
        process.Start();
        Task<string> errors = process.StandardError.ReadToEndAsync(Token);
        await process.StandardOutput.ReadToEndAsync(Token);
        await process.WaitForExitAsync(Token);
        Assert.True(process.ExitCode == 0, await errors);
        return process.ExitCode;
    }
}

using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Catalog;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Fetching;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.JobTypes;
using HelixFlow.Agents.JobTypes.Agents;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.Tests.Http;

namespace HelixFlow.Agents.Tests.JobTypes.ToolAgents;

/// <summary>Runs agents whose model a test has written.</summary>
internal static class AgentRuns
{
    /// <summary>A host of tools, whose fetcher may reach this machine too when the tools may.</summary>
    public static ToolHost Tools(ToolOptions options, Func<string, string?>? environment = null) =>
        new(options, new WebFetcher(new FetchOptions { Allowed = options.Allowed, HostDelay = TimeSpan.Zero }, TimeProvider.System), TimeProvider.System, environment);

    public static JsonObject Tool(string name) => new() { ["type"] = "builtin", ["name"] = name };

    public static ScriptedModel Model(Func<ModelCall, int, IReadOnlyList<(string Name, string Arguments)>> calls, Func<ModelCall, string>? text = null, int context = 100_000) =>
        new(context, text ?? (static call => call.Messages[^1].Content)) { CallsOf = calls };

    /// <summary>Makes these calls turn by turn, and then none.</summary>
    public static ScriptedModel Model(params (string, string)[][] turns) => Model((_, before) => before < turns.Length ? turns[before] : []);

    public static async Task<(RunRecord Run, JsonElement Output)> RunAsync(ScriptedModel model, JsonObject input, ToolOptions? options = null)
    {
        await using var host = new AgentHost();
        RunRecord run = await EndAsync(host, model, input, options);
        Assert.True(run.State == RunState.Succeeded, $"{run.Error?.Code}: {run.Error?.Message}");
        var output = JsonElement.Parse(await host.OutputAsync(run.Id));
        Assert.Empty(ValueSchema.Parse(AgentSchemas.Output).Check(output));
        Assert.Equal(
            (run.Usage.PromptTokens, run.Usage.CompletionTokens),
            (output.GetProperty("usage").GetProperty("prompt_tokens").GetInt64(), output.GetProperty("usage").GetProperty("completion_tokens").GetInt64()));
        return (run, output);
    }

    public static async Task<RunRecord> EndAsync(AgentHost host, ScriptedModel model, JsonObject input, ToolOptions? options = null)
    {
        using var tools = AgentRuns.Tools(options ?? new ToolOptions());
        string id = await RequestAsync(host, model, input, tools);
        return await WorkAsync(host, model, tools, () => host.UntilEndedAsync(id));
    }

    public static async Task<string> RequestAsync(AgentHost host, ScriptedModel model, JsonObject input, ToolHost tools)
    {
        var catalog = new JobCatalog([new AgentJob(model, tools)]);
        Assert.Empty(catalog.Check("agent", JsonElement.Parse(input.ToJsonString())));
        return await host.RequestAsync("agent", input.ToJsonString(), new RunOptions { BackoffMs = 1 });
    }

    /// <summary>Works on what is there until something has come about.</summary>
    public static async Task<T> WorkAsync<T>(AgentHost host, ScriptedModel model, ToolHost tools, Func<Task<T>> until)
    {
        using var stop = new CancellationTokenSource();
        Task work = host.NewWorker(new WorkerOptions(), new AgentJob(model, tools)).RunAsync(stop.Token);
        T result = await until();
        await stop.CancelAsync();
        await work;
        return result;
    }

    public static string[] Outcomes(this JsonElement output) =>
        [.. output.GetProperty("transcript").EnumerateArray().Where(static entry => entry.Text("kind") == "call").Select(static entry => $"{entry.Text("tool")} {entry.Text("outcome")}: {entry.Text("text")}")];
}

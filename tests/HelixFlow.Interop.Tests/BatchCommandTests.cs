using System.Diagnostics;
using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary><c>helixflow batch</c> against a real server.</summary>
[Collection(nameof(SharedServer))]
public sealed class BatchCommandTests(SharedServer shared)
{
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(5);

    [Fact]
    public async Task A_file_is_submitted_watched_and_its_results_fetched()
    {
        string input = Path.Combine(Path.GetTempPath(), $"helixflow-{Guid.NewGuid():N}.jsonl");
        string output = Path.GetTempFileName();
        try
        {
            await File.WriteAllLinesAsync(input, Enumerable.Range(0, 3).Select(static i =>
                $$$"""{"custom_id":"r{{{i}}}","method":"POST","url":"/v1/completions","body":{"model":"helix-tiny","prompt":"One {{{i}}}","max_tokens":{{{(i == 2 ? -1 : 4)}}}}}"""));

            (int code, string text, _) = await RunAsync("submit", input, "--endpoint", "/v1/completions", "--watch", "--json");
            JsonNode batch = JsonNode.Parse(text)!;
            string id = (string)batch["id"]!;
            Assert.Equal((0, "completed", 2, 1), (code, (string)batch["status"]!, (int)batch["request_counts"]!["completed"]!, (int)batch["request_counts"]!["failed"]!));
            Assert.Equal((0, "completed, 2 of 3 done, 1 failed\n"), await BriefAsync("status", id));
            Assert.Equal((0, "completed, 2 of 3 done, 1 failed\n"), await BriefAsync("status", id, "--watch"));

            Assert.Equal((0, ""), await BriefAsync("results", id, "--output", output));
            Assert.Equal(["r0", "r1"], (await File.ReadAllLinesAsync(output)).Select(static line => (string)JsonNode.Parse(line)!["custom_id"]!));
            (_, string errors) = await BriefAsync("results", id, "--errors");
            Assert.Equal("r2", (string)JsonNode.Parse(errors)!["custom_id"]!);
        }
        finally
        {
            File.Delete(input);
            File.Delete(output);
        }
    }

    [Fact]
    public async Task What_the_server_refuses_is_said_in_a_sentence()
    {
        string input = Path.Combine(Path.GetTempPath(), $"helixflow-{Guid.NewGuid():N}.jsonl");
        try
        {
            await File.WriteAllTextAsync(input, "no json\n");

            (int code, string text, _) = await RunAsync("submit", input, "--watch");
            Assert.Equal(3, code);
            Assert.Contains("failed, 0 of ", text, StringComparison.Ordinal);
            Assert.Contains("not parseable", text, StringComparison.Ordinal);
            (code, _, string error) = await RunAsync("status", "batch_none");
            Assert.Equal((1, "No such Batch object: batch_none"), (code, error.Trim()));
            (code, _, error) = await RunAsync("cancel", "batch_none");
            Assert.Equal((1, "No such Batch object: batch_none"), (code, error.Trim()));
        }
        finally
        {
            File.Delete(input);
        }
    }

    private async Task<(int Code, string Output)> BriefAsync(params string[] arguments)
    {
        (int code, string output, string error) = await RunAsync(arguments);
        Assert.Equal("", error);
        return (code, output);
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using Process process = Server.Cli(Server.Key, ["batch", .. arguments, "--url", shared.Server.Address.ToString()]);
        process.Start();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        using var patience = new CancellationTokenSource(_patience);
        try
        {
            await process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw;
        }

        return (process.ExitCode, (await output).ReplaceLineEndings("\n"), (await error).ReplaceLineEndings("\n"));
    }
}

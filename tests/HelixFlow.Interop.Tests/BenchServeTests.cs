using System.Diagnostics;
using System.Text.Json;

namespace HelixFlow.Interop.Tests;

/// <summary>The load generator against the real server.</summary>
[Collection(nameof(SharedServer))]
public sealed class BenchServeTests(SharedServer shared)
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);

    [Fact]
    public async Task Every_request_of_a_load_is_answered_with_usage_and_the_wanted_length()
    {
        using Process bench = Server.Cli(
            Server.Key, "bench", "serve", "--url", shared.Server.Address.AbsoluteUri, "--rate", "20", "--requests", "12", "--prompt-tokens", "40", "--output-tokens", "6", "--prefix-tokens", "100",
            "--ignore-eos", "--json");
        bench.Start();
        Task<string> error = bench.StandardError.ReadToEndAsync();
        string line = await bench.StandardOutput.ReadToEndAsync().WaitAsync(Limit);
        await bench.WaitForExitAsync();

        Assert.True(bench.ExitCode == 0, await error);
        using JsonDocument json = JsonDocument.Parse(line);
        Assert.Equal(Server.Model, json.RootElement.GetProperty("model_id").GetString());
        Assert.Equal((12, 0), (json.RootElement.GetProperty("completed").GetInt32(), json.RootElement.GetProperty("failed").GetInt32()));
        Assert.Equal(0, json.RootElement.GetProperty("without_usage").GetInt32());
        Assert.Equal(12 * 6, json.RootElement.GetProperty("total_output_tokens").GetInt32());

        // The prompts were calibrated by what the server said: 140 planned tokens each.
        Assert.InRange(json.RootElement.GetProperty("total_input_tokens").GetInt32(), 12 * 112, 12 * 168);
        Assert.True(json.RootElement.GetProperty("median_ttft_ms").GetDouble() > 0);
    }
}

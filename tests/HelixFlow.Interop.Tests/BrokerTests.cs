using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestServers;

namespace HelixFlow.Interop.Tests;

/// <summary>Server processes that a RabbitMQ broker joins.</summary>
public sealed class BrokerTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Servers_start_and_do_each_others_jobs_with_a_broker_and_without()
    {
        Assert.SkipWhen(PostgresServer.Missing is not null, PostgresServer.Missing ?? "");
        Assert.SkipWhen(RabbitServer.Missing is not null, RabbitServer.Missing ?? "");
        await using PostgresServer postgres = await PostgresServer.StartAsync();
        await using RabbitServer rabbit = await RabbitServer.StartAsync();
        string shared = Directory.CreateTempSubdirectory("helixflow-shared-").FullName;
        try
        {
            string[] arguments = ["--database", postgres.ConnectionString(), "--shared-folder", shared, "--broker", rabbit.Address().ToString()];
            await using Server asked = await Server.StartAsync(arguments: [.. arguments, "--job-slots", "0"]);
            await rabbit.KillAsync();
            await using Server working = await Server.StartAsync(arguments: arguments);
            using HttpClient client = asked.CreateClient();
            await DoneAsync(client);

            await rabbit.StartAgainAsync();
            await DoneAsync(client);
            await rabbit.KillAsync();
            await DoneAsync(client);
            Assert.Contains("cannot be heard by RabbitMQ", working.Output, StringComparison.Ordinal);

            Assert.DoesNotContain("guest:guest", asked.Output + working.Output, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(shared, recursive: true);
        }
    }

    [Theory]
    [InlineData("amqp://user:secret@broker/one/two", "The address of the broker must be amqp://user:password@host:5672/vhost", "--database", "Host=127.0.0.1;Port=1;Database=x")]
    [InlineData("amqp://user:secret@broker", "--broker goes with --database")]
    public async Task A_broker_that_makes_no_sense_is_refused_in_a_sentence(string broker, string reason, params string[] arguments)
    {
        using var folder = new TempFolder();
        using Process process = Server.Cli(Server.Key, ["serve", "--port", "0", "--data", folder["data"], "--broker", broker, .. arguments]);
        process.Start();
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(Token);
        string errors = await process.StandardError.ReadToEndAsync(Token);
        await process.WaitForExitAsync(Token);

        Assert.Equal(1, process.ExitCode);
        Assert.StartsWith(reason, errors, StringComparison.Ordinal);
        Assert.Single(errors.Trim().Split('\n'));
        Assert.DoesNotContain("secret", errors + await output, StringComparison.Ordinal);
    }

    private static async Task DoneAsync(HttpClient client)
    {
        using HttpResponseMessage response = await client.PostAsJsonAsync("/api/v1/agent/jobs", JsonNode.Parse("""{"type":"analyse-data","input":{"data":"a,b\n1,2\n3,4\n"}}"""), Token);
        string text = await response.Content.ReadAsStringAsync(Token);
        Assert.True(response.IsSuccessStatusCode, text);
        string id = (string)JsonNode.Parse(text)!["id"]!;
        string events = await client.GetStringAsync($"/api/v1/agent/jobs/{id}/events", Token); // until it has ended
        Assert.Contains("event: succeeded", events, StringComparison.Ordinal);
    }
}

using System.Diagnostics;
using System.Globalization;
using System.Runtime.Versioning;
using System.Text;
using System.Text.Json;
using HelixFlow.Agents.CrashHost;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Tests.Journal;
using HelixFlow.Schemas;
using HelixFlow.Storage;
using HelixFlow.TestServers;
using Npgsql;

namespace HelixFlow.Agents.Tests.Crashes;

/// <summary>Two worker processes on one PostgreSQL, killed and paused beyond their leases while they work.</summary>
[SupportedOSPlatform("linux")]
public sealed class ClusterCrashTests(PostgresFixture fixture) : IClassFixture<PostgresFixture>
{
    private const int Jobs = 6;
    private const int LeaseMs = 1_000;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Processes_that_are_killed_and_paused_lose_no_job_and_repeat_no_unsafe_effect()
    {
        Assert.SkipWhen(fixture.Server is null, PostgresServer.Missing ?? "");
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Processes are paused by SIGSTOP.");
        string connection = fixture.Server.ConnectionString("chaos");
        await using (NpgsqlDataSource source = NpgsqlDataSource.Create(fixture.Server.ConnectionString()))
        {
            await using NpgsqlCommand create = source.CreateCommand("create database chaos");
            await create.ExecuteNonQueryAsync(Token);
        }

        string folder = Directory.CreateTempSubdirectory("helixflow-chaos-").FullName;
        string effects = Directory.CreateDirectory(Path.Combine(folder, "effects")).FullName;
        var random = new Random(int.TryParse(Environment.GetEnvironmentVariable("HELIXFLOW_CRASH_SEED"), out int seed) ? seed : 1);
        int disturbances = int.TryParse(Environment.GetEnvironmentVariable("HELIXFLOW_CRASH_SCHEDULES"), NumberStyles.None, CultureInfo.InvariantCulture, out int wanted) ? wanted : 4;
        Process[] hosts = [Start(connection, folder), Start(connection, folder)];
        try
        {
            await using PostgresDatabase database = PostgresDatabase.Open(connection, SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/postgres/agents"));
            var journal = new Agents.Journal.Journal(database, new BlobFolder(Path.Combine(folder, "driver")), TimeProvider.System, new JournalOptions());
            var ids = new List<string>();
            for (int i = 0; i < Jobs + disturbances || !await AllEndedAsync(journal, ids, async parked =>
            {
                // Whoever decides makes sure first that nobody is still at it.
                Process[] gone = hosts;
                hosts = [];
                await KillAsync(gone[0]);
                await KillAsync(gone[1]);
                await DecideAsync(journal, effects, parked);
                hosts = [Start(connection, folder), Start(connection, folder)];
            }); i++)
            {
                if (ids.Count < Jobs + disturbances)
                {
                    ids.Add((await journal.RequestAsync(CrashRequest.Of($"job {i}", LeaseMs), Token)).Run!.Id);
                    await journal.SignalAsync("p", ids[^1], CrashJob.Signal, JsonElement.Parse("1"), Token);
                }

                if (i % 2 == 1 && i / 2 < disturbances)
                {
                    int host = random.Next(hosts.Length);
                    hosts[host] = random.Next(2) == 0 ? await RestartAsync(hosts[host], connection, folder) : await PauseAsync(hosts[host], random);
                }

                await Task.Delay(random.Next(20, 150), Token);
            }

            await Ledger.CheckAsync(database, Token);
            foreach (string id in ids)
            {
                Assert.Equal(RunState.Succeeded, (await journal.GetAsync("p", id, Token))!.State);
                Assert.Single(Directory.EnumerateFiles(effects, $"{id} step-Unsafe *"));
            }

            Assert.Equal(3 * ids.Count, (await journal.ListAsync("p", new RunFilter(null, null, null, 10_000), Token)).Count);
        }
        finally
        {
            foreach (Process host in hosts)
            {
                await KillAsync(host);
            }

            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<bool> AllEndedAsync(Agents.Journal.Journal journal, List<string> ids, Func<List<string>, Task> decide)
    {
        var runs = new List<RunRecord>();
        foreach (string id in ids)
        {
            runs.Add((await journal.GetAsync("p", id, Token))!);
        }

        List<string> parked = [.. runs.Where(static run => run.State == RunState.Parked).Select(static run => run.Id)];
        if (parked.Count > 0)
        {
            await decide(parked);
        }

        return runs.TrueForAll(static run => run.HasEnded);
    }

    private static async Task DecideAsync(Agents.Journal.Journal journal, string effects, List<string> parked)
    {
        foreach (string id in parked)
        {
            string[] done = [.. Directory.EnumerateFiles(effects, $"{id} step-Unsafe *").Select(static path => Path.GetFileName(path))];
            ReadOnlyMemory<byte>? outcome = done.Length == 0 ? default(ReadOnlyMemory<byte>?) : Encoding.UTF8.GetBytes($"\"{Assert.Single(done)}\"");
            await journal.DecideStepAsync("p", id, "step-Unsafe", outcome, "someone", Token);
        }
    }

    private static Process Start(string connection, string folder) => Process.Start(
        new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "HelixFlow.Agents.CrashHost"), [connection, folder, "0", "before", "0"])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true,
        })!;

    private static async Task<Process> RestartAsync(Process host, string connection, string folder)
    {
        await KillAsync(host);
        return Start(connection, folder);
    }

    /// <summary>Stops a process for longer than its leases, then lets it go on as if nothing had happened.</summary>
    private static async Task<Process> PauseAsync(Process host, Random random)
    {
        await SignalAsync(host, "-STOP");
        await Task.Delay(LeaseMs + random.Next(200, 1_500), Token);
        await SignalAsync(host, "-CONT");
        return host;
    }

    private static async Task SignalAsync(Process host, string signal)
    {
        using Process kill = Process.Start("kill", [signal, host.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(Token);
    }

    private static async Task KillAsync(Process host)
    {
        host.Kill();
        await host.WaitForExitAsync(CancellationToken.None);
        host.Dispose();
    }
}

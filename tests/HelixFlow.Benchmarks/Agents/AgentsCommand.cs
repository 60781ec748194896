using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using HelixFlow.Agents.Hints;
using HelixFlow.Agents.Journal;
using HelixFlow.Schemas;
using HelixFlow.Storage;
using HelixFlow.TestServers;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace HelixFlow.Benchmarks.Agents;

/// <summary>What the agent queue's durability costs: jobs per second, step commits, pick-up, replay, beside a bare fsync of the same disk in the same run.</summary>
internal static class AgentsCommand
{
    private const int FsyncSamples = 300;
    private const int OpenRuns = 100_000;

    public static Command Create()
    {
        var folder = new Option<string>("--folder") { Description = "Where the files are: the disk to measure", DefaultValueFactory = _ => Path.GetTempPath() };
        var jobs = new Option<int>("--jobs") { Description = "No-op jobs of a round", DefaultValueFactory = _ => 20_000 };
        var inputBytes = new Option<int>("--input-bytes") { Description = "Size of their inputs and outputs; 0 for a number" };
        var rounds = new Option<int>("--rounds") { Description = "Rounds; the best counts, as other guests of the machine only slow it down", DefaultValueFactory = _ => 3 };
        var only = new Option<string[]>("--only") { Description = "Only these parts: jobs, steps, pick-up, quiet (pick-up at 50 jobs/s), replay, resume; default: all but quiet and resume", HelpName = "PART" };
        var postgres = new Option<bool>("--postgres") { Description = "PostgreSQL too, with a server of its own" };
        var broker = new Option<bool>("--broker") { Description = "Also jobs that one process is asked for and another does, on PostgreSQL: hints by the database, and by a RabbitMQ of its own" };
        var command = new Command("agents", "Measure the agent queue: jobs per second, step commits, pick-up latency, replay") { folder, jobs, inputBytes, rounds, only, postgres, broker };
        command.SetAction((arguments, stopping) => RunAsync(
            arguments.GetValue(folder)!, arguments.GetValue(jobs), arguments.GetValue(inputBytes), arguments.GetValue(rounds), arguments.GetValue(only) is { Length: > 0 } parts ? parts : ["jobs", "steps", "pick-up", "replay"],
            arguments.GetValue(postgres), arguments.GetValue(broker), stopping));
        return command;
    }

    private static async Task RunAsync(string parent, int jobs, int inputBytes, int rounds, string[] parts, bool withPostgres, bool withBroker, CancellationToken stopping)
    {
        string folder = Directory.CreateDirectory(Path.Combine(parent, "helixflow-agents-bench-" + Guid.NewGuid().ToString("N"))).FullName;
        try
        {
            Percentiles fsync = Fsync(folder);
            Print($"bare append of 4 KiB + fsync: p50 {fsync.P50:F3} ms, p99 {fsync.P99:F3} ms, least {fsync.Least:F3} ms");
            await using (SqliteDatabase database = SqliteDatabase.Open(
                Path.Combine(folder, "agents.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/agents")))
            {
                await MeasureAsync("sqlite", database, folder, jobs, inputBytes, rounds, parts, fsync, stopping);
                Print($"sqlite: {database.Writes} writes in {database.Commits} commits");
            }

            if (withPostgres)
            {
                await using PostgresServer server = await PostgresServer.StartAsync();
                await using PostgresDatabase database = await OpenAsync(server, "bench", stopping);
                await MeasureAsync("postgres", database, folder, Math.Max(1, jobs / 10), inputBytes, rounds, parts, fsync, stopping);
            }

            if (withBroker)
            {
                await using PostgresServer server = await PostgresServer.StartAsync();
                await using RabbitServer broker = await RabbitServer.StartAsync();
                string[] shared = [.. parts.Intersect(["jobs", "pick-up", "quiet"])];
                await MeasureTwoAsync("postgres, two processes", server, _ => new PostgresHints(server.ConnectionString("bench_0"), TimeProvider.System), "bench_0", folder, jobs / 10, rounds, shared, stopping);
                await MeasureTwoAsync("postgres + rabbitmq, two processes", server, journal => new RabbitHints(broker.Address(), journal, TimeProvider.System, NullLogger<RabbitHints>.Instance), "bench_1", folder, jobs / 10, rounds, shared, stopping);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<PostgresDatabase> OpenAsync(PostgresServer server, string name, CancellationToken stopping)
    {
        await using NpgsqlDataSource source = NpgsqlDataSource.Create(server.ConnectionString());
        await using NpgsqlCommand create = source.CreateCommand($"create database {name}");
        await create.ExecuteNonQueryAsync(stopping);
        return Open(server, name);
    }

    private static PostgresDatabase Open(PostgresServer server, string name) =>
        PostgresDatabase.Open(server.ConnectionString(name), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/postgres/agents"));

    // Two journals with a connection pool each: all that two processes would have, but for the garbage collector.
    private static async Task MeasureTwoAsync(
        string name, PostgresServer server, Func<Journal, IHintChannel> carrier, string database, string folder, int jobs, int rounds, string[] parts, CancellationToken stopping)
    {
        await using PostgresDatabase working = await OpenAsync(server, database, stopping);
        await using PostgresDatabase asked = Open(server, database);
        await using var bench = new QueueBench(working, Path.Combine(folder, database), asked, carrier);
        await MeasureAsync(name, bench, folder, Math.Max(1, jobs), SqlDialect.Postgres, rounds, parts, default, stopping);
    }

    private static async Task MeasureAsync(
        string name, IDatabase database, string folder, int jobs, int inputBytes, int rounds, string[] parts, Percentiles fsync, CancellationToken stopping)
    {
        await using var bench = new QueueBench(database, Path.Combine(folder, name)) { InputBytes = inputBytes };
        await MeasureAsync(name, bench, folder, jobs, database.Dialect, rounds, parts, fsync, stopping);
    }

    private static async Task MeasureAsync(
        string name, QueueBench bench, string folder, int jobs, SqlDialect dialect, int rounds, string[] parts, Percentiles fsync, CancellationToken stopping)
    {
        await bench.JobsAsync(jobs / 10, stopping); // warm up
        foreach (string part in parts)
        {
            await (part switch
            {
                "jobs" => MeasureJobsAsync(name, bench, jobs, rounds, stopping),
                "steps" => MeasureStepsAsync(name, bench, rounds, fsync, stopping),
                "pick-up" => MeasurePickUpAsync(name, bench, 500, rounds, stopping),
                "quiet" => MeasurePickUpAsync(name, bench, 50, rounds, stopping),
                "replay" => MeasureReplayAsync(name, bench, dialect == SqlDialect.Sqlite ? 10_000 : 1_000, rounds, stopping), // a server takes the steps of one run one after another
                "resume" => MeasureResumeAsync(Path.Combine(folder, "resume"), rounds, stopping),
                _ => throw new ArgumentException($"There is no part {part}."),
            });
        }
    }

    private static async Task MeasureJobsAsync(string name, QueueBench bench, int jobs, int rounds, CancellationToken stopping)
    {
        (double rate, double cpu) = (0, double.MaxValue);
        for (int i = 0; i < rounds; i++)
        {
            (double perSecond, double microseconds) = await bench.JobsAsync(jobs, stopping);
            (rate, cpu) = (Math.Max(rate, perSecond), Math.Min(cpu, microseconds));
        }

        Print($"{name}: {rate:F0} no-op jobs/s end to end ({rate / 10_000:F2} of the aim of 10,000), {cpu:F0} µs of processor time each");
    }

    private static async Task MeasureStepsAsync(string name, QueueBench bench, int rounds, Percentiles fsync, CancellationToken stopping)
    {
        (double p50, double p99, double chain) = (double.MaxValue, double.MaxValue, double.MaxValue);
        for (int i = 0; i < rounds; i++)
        {
            (Percentiles steps, double perStep) = await bench.StepsAsync(1_000, stopping);
            (p50, p99, chain) = (Math.Min(p50, steps.P50), Math.Min(p99, steps.P99), Math.Min(chain, perStep));
        }

        Print($"{name}: step commit p50 {p50:F3} ms ({p50 / 1.0:F2} of the aim of 1 ms; {p50 / fsync.P50:F2} bare fsyncs), p99 {p99:F3} ms");
        Print($"{name}: {chain:F3} ms per chained step ({chain / 2.0:F2} of the aim of 2 ms)");
    }

    private static async Task MeasurePickUpAsync(string name, QueueBench bench, int perSecond, int rounds, CancellationToken stopping)
    {
        (double p50, double p99) = (double.MaxValue, double.MaxValue);
        for (int i = 0; i < rounds; i++)
        {
            Percentiles waits = await bench.PickUpAsync(perSecond, seconds: 3, stopping);
            (p50, p99) = (Math.Min(p50, waits.P50), Math.Min(p99, waits.P99));
        }

        Print($"{name}: pick-up at {perSecond} jobs/s p50 {p50:F3} ms ({p50 / 2.0:F2} of the aim of 2 ms), p99 {p99:F3} ms ({p99 / 20.0:F2} of the aim of 20 ms)");
    }

    private static async Task MeasureReplayAsync(string name, QueueBench bench, int recorded, int rounds, CancellationToken stopping)
    {
        (double again, double opening, double code, double fork) = (double.MaxValue, double.MaxValue, double.MaxValue, double.MaxValue);
        for (int i = 0; i < rounds; i++)
        {
            ReplayTimes times = await bench.ReplayAsync(recorded, stopping);
            (again, opening, code, fork) = (Math.Min(again, times.Whole), Math.Min(opening, times.Opening), Math.Min(code, times.Code), Math.Min(fork, times.Fork));
        }

        Print($"{name}: {recorded} recorded steps again {again:F1} ms ({again / (recorded / 500.0):F2} of the aim of 20 ms for 10,000): {opening:F1} ms to read them, {code:F1} ms of code, the rest a commit");
        Print($"{name}: {recorded} recorded steps as a fork {fork:F1} ms; no step executed in either");
    }

    private static async Task MeasureResumeAsync(string folder, int rounds, CancellationToken stopping)
    {
        (double first, double thousandth) = (double.MaxValue, double.MaxValue);
        for (int i = 0; i < rounds; i++)
        {
            (double one, double many) = await ResumeBench.MeasureAsync($"{folder}-{i}", OpenRuns, stopping);
            (first, thousandth) = (Math.Min(first, one), Math.Min(thousandth, many));
        }

        Print($"sqlite: {OpenRuns} runs under way at a restart: the first does its next step after {first:F0} ms ({first / 500:F2} of the aim of 500 ms), the thousandth after {thousandth:F0} ms");
    }

    private static Percentiles Fsync(string folder)
    {
        byte[] page = new byte[4096];
        double[] samples = new double[FsyncSamples];
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(Path.Combine(folder, "fsync"), FileMode.CreateNew, FileAccess.Write);
        for (int i = 0; i < samples.Length; i++)
        {
            long start = Stopwatch.GetTimestamp();
            RandomAccess.Write(file, page, (long)i * page.Length);
            RandomAccess.FlushToDisk(file);
            samples[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }

        return Percentiles.Of(samples);
    }

    private static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}

/// <summary>Of times in milliseconds.</summary>
internal readonly record struct Percentiles(double Least, double P50, double P99)
{
    public static Percentiles Of(double[] samples)
    {
        Array.Sort(samples);
        return new Percentiles(samples[0], samples[samples.Length / 2], samples[(int)(samples.Length * 0.99)]);
    }
}

using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using HelixFlow.Schemas;
using HelixFlow.Storage;
using HelixFlow.TestServers;
using Npgsql;

namespace HelixFlow.Benchmarks.Agents;

/// <summary>What the agent queue's durability costs: jobs per second, step commits, pick-up, replay, beside a bare fsync of the same disk in the same run.</summary>
internal static class AgentsCommand
{
    private const int FsyncSamples = 300;

    public static Command Create()
    {
        var folder = new Option<string>("--folder") { Description = "Where the files are: the disk to measure", DefaultValueFactory = _ => Path.GetTempPath() };
        var jobs = new Option<int>("--jobs") { Description = "No-op jobs of a round", DefaultValueFactory = _ => 20_000 };
        var rounds = new Option<int>("--rounds") { Description = "Rounds; the best counts, as other guests of the machine only slow it down", DefaultValueFactory = _ => 3 };
        var postgres = new Option<bool>("--postgres") { Description = "PostgreSQL too, with a server of its own" };
        var command = new Command("agents", "Measure the agent queue: jobs per second, step commits, pick-up latency, replay") { folder, jobs, rounds, postgres };
        command.SetAction((arguments, stopping) => RunAsync(
            arguments.GetValue(folder)!, arguments.GetValue(jobs), arguments.GetValue(rounds), arguments.GetValue(postgres), stopping));
        return command;
    }

    private static async Task RunAsync(string parent, int jobs, int rounds, bool withPostgres, CancellationToken stopping)
    {
        string folder = Directory.CreateDirectory(Path.Combine(parent, "helixflow-agents-bench-" + Guid.NewGuid().ToString("N"))).FullName;
        try
        {
            Percentiles fsync = Fsync(folder);
            Print($"bare append of 4 KiB + fsync: p50 {fsync.P50:F3} ms, p99 {fsync.P99:F3} ms, least {fsync.Least:F3} ms");
            await using (SqliteDatabase database = SqliteDatabase.Open(
                Path.Combine(folder, "agents.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/agents")))
            {
                await MeasureAsync("sqlite", database, folder, jobs, rounds, fsync, stopping);
                Print($"sqlite: {database.Writes} writes in {database.Commits} commits");
            }

            if (withPostgres)
            {
                await using PostgresServer server = await PostgresServer.StartAsync();
                await using (NpgsqlDataSource source = NpgsqlDataSource.Create(server.ConnectionString()))
                {
                    await using NpgsqlCommand create = source.CreateCommand("create database bench");
                    await create.ExecuteNonQueryAsync(stopping);
                }

                await using PostgresDatabase database = PostgresDatabase.Open(
                    server.ConnectionString("bench"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/postgres/agents"));
                await MeasureAsync("postgres", database, folder, Math.Max(1, jobs / 10), rounds, fsync, stopping);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task MeasureAsync(string name, IDatabase database, string folder, int jobs, int rounds, Percentiles fsync, CancellationToken stopping)
    {
        await using var bench = new QueueBench(database, Path.Combine(folder, name));
        await bench.JobsAsync(jobs / 10, stopping); // warm up
        double rate = 0, cpu = double.MaxValue, opening = double.MaxValue, step = double.MaxValue, stepP99 = double.MaxValue, chain = double.MaxValue, pickUp = double.MaxValue, pickUpP99 = double.MaxValue, replay = double.MaxValue, fork = double.MaxValue;
        for (int i = 0; i < rounds; i++)
        {
            (double perSecond, double microseconds) = await bench.JobsAsync(jobs, stopping);
            (rate, cpu) = (Math.Max(rate, perSecond), Math.Min(cpu, microseconds));
            (Percentiles steps, double perStep) = await bench.StepsAsync(1_000, stopping);
            (step, stepP99, chain) = (Math.Min(step, steps.P50), Math.Min(stepP99, steps.P99), Math.Min(chain, perStep));
            Percentiles waits = await bench.PickUpAsync(perSecond: 500, seconds: 3, stopping);
            (pickUp, pickUpP99) = (Math.Min(pickUp, waits.P50), Math.Min(pickUpP99, waits.P99));
            (double again, double open, double forked) = await bench.ReplayAsync(10_000, stopping);
            (replay, opening, fork) = (Math.Min(replay, again), Math.Min(opening, open), Math.Min(fork, forked));
        }

        Print($"{name}: {rate:F0} no-op jobs/s end to end ({rate / 10_000:F2} of the aim of 10,000), {cpu:F0} µs of processor time each");
        Print($"{name}: step commit p50 {step:F3} ms ({step / 1.0:F2} of the aim of 1 ms; {step / fsync.P50:F2} bare fsyncs), p99 {stepP99:F3} ms");
        Print($"{name}: {chain:F3} ms per chained step ({chain / 2.0:F2} of the aim of 2 ms)");
        Print($"{name}: pick-up at 500 jobs/s p50 {pickUp:F3} ms ({pickUp / 2.0:F2} of the aim of 2 ms), p99 {pickUpP99:F3} ms ({pickUpP99 / 20.0:F2} of the aim of 20 ms)");
        Print($"{name}: 10,000 recorded steps again {replay:F1} ms ({replay / 20.0:F2} of the aim of 20 ms), {opening:F1} ms of it to read them, as a fork {fork:F1} ms, no step executed");
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

using System.CommandLine;
using System.Globalization;

namespace HelixFlow.Benchmarks.Rpc;

/// <summary>HelixFlow.Grpc beside @grpc/grpc-js and C++ on one connection over loopback: the pairs in turns, medians over the rounds.</summary>
internal static class GrpcCommand
{
    private const double WarmUpSeconds = 3; // until the tiers of the .NET compiler have settled

    public static Command Create()
    {
        var seconds = new Option<double>("--seconds") { Description = "Of one measurement", DefaultValueFactory = _ => 2 };
        var rounds = new Option<int>("--rounds") { Description = "Measurements of each pair", DefaultValueFactory = _ => 5 };
        var peers = new Option<string>("--peers") { Description = "Which implementations", DefaultValueFactory = _ => "csharp,js,cpp" };
        var scenarios = new Option<string>("--scenarios")
        {
            Description = "What to measure", DefaultValueFactory = _ => string.Join(',', GrpcScenario.All.Select(scenario => scenario.Name)),
        };
        var cppServer = new Option<string?>("--cpp-server") { Description = "The C++ server's API and threads: callback, sync N or queue N; default: the fastest" };
        var cppClient = new Option<string?>("--cpp-client") { Description = "The C++ client's API: callback, sync or queue; default: the fastest" };
        var command = new Command("grpc", "Measure HelixFlow.Grpc beside grpc-js and C++ (docs/grpc-benchmark.md)") { seconds, rounds, peers, scenarios, cppServer, cppClient };
        command.SetAction(async (arguments, stopping) =>
        {
            try
            {
                GrpcPeer[] chosen = [.. arguments.GetRequiredValue(peers).Split(',')
                    .Select(name => GrpcPeer.Prepare(name, arguments.GetValue(cppServer), arguments.GetValue(cppClient)))];
                foreach (string name in arguments.GetRequiredValue(scenarios).Split(','))
                {
                    GrpcScenario scenario = GrpcScenario.All.FirstOrDefault(known => known.Name == name) ?? new GrpcScenario(name, name, "callback", "callback");
                    await RunAsync(scenario, chosen, arguments.GetValue(seconds), arguments.GetValue(rounds), stopping);
                }

                return 0;
            }
            catch (InvalidOperationException failure)
            {
                await Console.Error.WriteLineAsync(failure.Message);
                return 1;
            }
        });
        return command;
    }

    private static async Task RunAsync(GrpcScenario scenario, GrpcPeer[] peers, double seconds, int rounds, CancellationToken stopping)
    {
        var pairs = new List<(GrpcPair Pair, List<GrpcRate> Rates)>();
        try
        {
            foreach ((GrpcPeer client, GrpcPeer server) in Pairs(peers))
            {
                GrpcPair pair = await GrpcPair.StartAsync(scenario, client, server, stopping);
                pairs.Add((pair, []));
                await pair.MeasureAsync(scenario, WarmUpSeconds, stopping);
            }

            for (int round = 0; round < rounds; round++)
            {
                foreach ((GrpcPair pair, List<GrpcRate> rates) in pairs)
                {
                    rates.Add(await pair.MeasureAsync(scenario, seconds, stopping));
                }
            }

            Print(scenario, pairs);
        }
        finally
        {
            pairs.ForEach(static pair => pair.Pair.Dispose());
        }
    }

    /// <summary>Each with itself, then C# and C++ crosswise, which shows the side that costs.</summary>
    private static IEnumerable<(GrpcPeer Client, GrpcPeer Server)> Pairs(GrpcPeer[] peers)
    {
        GrpcPeer? csharp = Array.Find(peers, peer => peer.Name == GrpcPeer.CSharp);
        GrpcPeer? cpp = Array.Find(peers, peer => peer.Name == GrpcPeer.Cpp);
        IEnumerable<(GrpcPeer, GrpcPeer)> own = peers.Select(peer => (peer, peer));
        return csharp is null || cpp is null ? own : [.. own, (csharp, cpp), (cpp, csharp)];
    }

    private static void Print(GrpcScenario scenario, List<(GrpcPair Pair, List<GrpcRate> Rates)> pairs)
    {
        List<GrpcRate>? js = pairs.Find(static pair => pair.Pair.Name == $"{GrpcPeer.JavaScript} → {GrpcPeer.JavaScript}").Rates;
        List<GrpcRate>? cpp = pairs.Find(static pair => pair.Pair.Name == $"{GrpcPeer.Cpp} → {GrpcPeer.Cpp}").Rates;
        Console.WriteLine($"| {scenario.Title}: client → server | median | lowest … highest | to js | to cpp | client CPU µs | server CPU µs | client bytes | server bytes |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        foreach ((GrpcPair pair, List<GrpcRate> rates) in pairs)
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {pair.Name} | {Median(rates.Select(rate => rate.PerSecond)):F0} | {rates.Min(rate => rate.PerSecond):F0} … {rates.Max(rate => rate.PerSecond):F0} | {Ratio(rates, js)} | {Ratio(rates, cpp)} | {Median(rates.Select(rate => rate.ClientMicroseconds)):F1} | {Median(rates.Select(rate => rate.ServerMicroseconds)):F1} | {Bytes(rates.Select(rate => rate.ClientBytes))} | {Bytes(rates.Select(rate => rate.ServerBytes))} |"));
        }

        Console.WriteLine();
    }

    /// <summary>The median of the rounds' own ratios, so that what slows one round slows both sides of it.</summary>
    private static string Ratio(List<GrpcRate> rates, List<GrpcRate>? peer) => peer is null ? "" : Median(rates.Zip(peer, static (own, other) => own.PerSecond / other.PerSecond))
        .ToString("F2", CultureInfo.InvariantCulture);

    private static string Bytes(IEnumerable<double?> values) => values.All(static value => value is not null)
        ? Median(values.Select(static value => value!.Value)).ToString("F0", CultureInfo.InvariantCulture)
        : "";

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
    }
}

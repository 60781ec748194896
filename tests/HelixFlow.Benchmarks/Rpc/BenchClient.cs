using System.CommandLine;
using System.Globalization;
using Grpc.Core;
using Grpc.Net.Client;
using HelixFlow.Bench.V1;

namespace HelixFlow.Benchmarks.Rpc;

/// <summary>
/// The benchmark's client process: takes one line of input a measurement, "SCENARIO SECONDS", and answers with "OPERATIONS SECONDS ALLOCATED-BYTES".
/// unary-N keeps N calls in flight; stream counts the messages of one call.
/// </summary>
internal static class BenchClient
{
    public const string Name = "grpc-client";
    private const string Text = "sixteen letters.";

    public static Command Create()
    {
        var address = new Argument<string>("address") { Description = "host:port" };
        var command = new Command(Name, "The client of `grpc`, in C#") { address };
        command.Hidden = true;
        command.SetAction((arguments, stopping) => RunAsync(arguments.GetRequiredValue(address), stopping));
        return command;
    }

    private static async Task RunAsync(string address, CancellationToken stopping)
    {
        using GrpcChannel channel = GrpcChannel.ForAddress("http://" + address);
        var client = new Bench.V1.Bench.BenchClient(channel);
        while (await Console.In.ReadLineAsync(stopping) is { } line)
        {
            string[] words = line.Split(' ');
            TimeSpan time = TimeSpan.FromSeconds(double.Parse(words[1], CultureInfo.InvariantCulture));
            long start = TimeProvider.System.GetTimestamp();
            long allocated = GC.GetTotalAllocatedBytes();
            long operations = words[0] == "stream"
                ? await StreamAsync(client, start, time, stopping)
                : await UnaryAsync(client, int.Parse(words[0]["unary-".Length..], CultureInfo.InvariantCulture), start, time, stopping);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{operations} {TimeProvider.System.GetElapsedTime(start).TotalSeconds:F6} {GC.GetTotalAllocatedBytes() - allocated}"));
        }
    }

    private static async Task<long> UnaryAsync(Bench.V1.Bench.BenchClient client, int inFlight, long start, TimeSpan time, CancellationToken stopping)
    {
        long[] calls = await Task.WhenAll(Enumerable.Range(0, inFlight).Select(_ => CallAsync(client, start, time, stopping)));
        return calls.Sum();
    }

    private static async Task<long> CallAsync(Bench.V1.Bench.BenchClient client, long start, TimeSpan time, CancellationToken stopping)
    {
        await Task.Yield();
        var request = new TokenEvent { Sequence = 123456, Token = 4711, LogProbability = -0.25f, Text = Text };
        long calls = 0;
        while (TimeProvider.System.GetElapsedTime(start) < time)
        {
            TokenEvent response = await client.EchoAsync(request, cancellationToken: stopping).ConfigureAwait(false);
            Require(response.Sequence == request.Sequence);
            calls++;
        }

        return calls;
    }

    private static async Task<long> StreamAsync(Bench.V1.Bench.BenchClient client, long start, TimeSpan time, CancellationToken stopping)
    {
        using AsyncServerStreamingCall<TokenEvent> call = client.Tokens(new TokensRequest { Text = Text }, cancellationToken: stopping);
        IAsyncStreamReader<TokenEvent> events = call.ResponseStream;
        long messages = 0;
        while (TimeProvider.System.GetElapsedTime(start) < time && await events.MoveNext(CancellationToken.None).ConfigureAwait(false))
        {
            Require(events.Current.Sequence == messages++);
        }

        return messages;
    }

    // A wrong answer must not count.
    private static void Require(bool right)
    {
        if (!right)
        {
            throw new InvalidOperationException("The server's answer is wrong.");
        }
    }
}

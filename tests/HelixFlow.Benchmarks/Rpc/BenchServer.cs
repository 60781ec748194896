using System.CommandLine;
using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Benchmarks.Rpc;

/// <summary>The benchmark's server process: prints "port N", answers every line of input with the bytes allocated so far, serves until its input ends.</summary>
internal static class BenchServer
{
    public const string Name = "grpc-server";

    public static Command Create()
    {
        var command = new Command(Name, "The server of `grpc`, in C#") { Hidden = true };
        command.SetAction((_, stopping) => RunAsync(stopping));
        return command;
    }

    private static async Task RunAsync(CancellationToken stopping)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(static kestrel => kestrel.Listen(IPAddress.Loopback, 0, static endpoint => endpoint.Protocols = HttpProtocols.Http2));
        builder.Services.AddGrpc();
        await using WebApplication app = builder.Build();
        app.MapGrpcService<BenchService>();
        await app.StartAsync(stopping);
        string address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"port {new Uri(address).Port}"));
        while (await Console.In.ReadLineAsync(stopping) is not null)
        {
            Console.WriteLine(GC.GetTotalAllocatedBytes());
        }

        await app.StopAsync(stopping);
    }
}

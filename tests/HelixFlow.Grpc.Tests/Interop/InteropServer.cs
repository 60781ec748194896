using System.Collections.Concurrent;
using System.Net;
using Grpc.Health.V1;
using Grpc.HealthCheck;
using HelixFlow.Grpc.Tests.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Grpc.Tests.Interop;

/// <summary>A host on a free port of the loopback device that serves the cases' service, health and reflection.</summary>
internal sealed class InteropServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<Tap> _taps = new();

    private int _calls;

    private InteropServer(WebApplication app) => _app = app;

    /// <summary>Handlers that run.</summary>
    public int Calls => Volatile.Read(ref _calls);

    /// <summary><c>127.0.0.1:port</c>.</summary>
    public string Address => new Uri(_app.Urls.Single()).Authority;

    public string Url => _app.Urls.Single();

    /// <summary>The connections that were tapped since the last call; none with TLS.</summary>
    public IReadOnlyList<Tap> TakeTaps()
    {
        var taken = new List<Tap>();
        while (_taps.TryDequeue(out Tap? tap))
        {
            taken.Add(tap);
        }

        return taken;
    }

    /// <param name="tls">The server's certificate; null for plain HTTP/2.</param>
    /// <param name="mutual">Whether clients must show a certificate too.</param>
    /// <param name="mostBytes">Of a request; null for no limit.</param>
    public static async Task<InteropServer> StartAsync(Certificates? tls = null, bool mutual = false, int? mostBytes = 4 * 1024 * 1024)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.SetMinimumLevel(LogLevel.None);
        InteropServer server = null!;
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            listen.Protocols = HttpProtocols.Http2;
            if (tls is null)
            {
                Tap.Listen(listen, tap => server._taps.Enqueue(tap));
                return;
            }

            listen.UseHttps(new HttpsConnectionAdapterOptions
            {
                ServerCertificate = tls.Server,
                ClientCertificateMode = mutual ? ClientCertificateMode.RequireCertificate : ClientCertificateMode.NoCertificate,
                ClientCertificateValidation = (certificate, _, _) => tls.IsTrusted(certificate),
            });
        }));
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.Services.AddHttpContextAccessor();
        builder.Services.AddGrpc(options => options.MaxReceiveMessageSize = mostBytes);
        builder.Services.AddGrpcReflection();
        var health = new HealthServiceImpl();
        health.SetStatus("", HealthCheckResponse.Types.ServingStatus.Serving);
        health.SetStatus("grpc.testing.Asleep", HealthCheckResponse.Types.ServingStatus.NotServing);
        builder.Services.AddSingleton(health);

        WebApplication app = builder.Build();
        app.Use(async (context, next) =>
        {
            Interlocked.Increment(ref server._calls);
            try
            {
                await next(context);
            }
            finally
            {
                Interlocked.Decrement(ref server._calls);
            }
        });
        app.UseRouting();
        app.MapGrpcService<InteropService>();
        app.MapGrpcService<HealthServiceImpl>();
        app.MapGrpcReflectionService();
        server = new InteropServer(app);
        await app.StartAsync();
        return server;
    }

    public async ValueTask DisposeAsync()
    {
        // Clients that are still connected have nothing more to say.
        using var atOnce = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await _app.StopAsync(atOnce.Token);
        await _app.DisposeAsync();
    }
}

using System.Net;
using Grpc.Net.Client;
using HelixFlow.Agents.Http;
using HelixFlow.Agents.Remote;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Auth.V1;
using HelixFlow.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.Agents.Tests.Remote;

/// <summary>A journal of a test, at the other end of a connection.</summary>
internal sealed class JournalServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly GrpcChannel _channel;
    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-drafts-").FullName;

    private JournalServer(WebApplication app)
    {
        _app = app;
        _channel = WorkerChannel.Open(new Uri(app.Urls.First()), "w");
        Client = new RemoteJournal(_channel.CreateCallInvoker(), new BlobFolder(_folder), TimeProvider.System, NullLogger<RemoteJournal>.Instance);
    }

    public RemoteJournal Client { get; }

    public static async Task<JournalServer> StartAsync(Agents.Journal.Journal journal)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(static kestrel => kestrel.Listen(IPAddress.Loopback, 0, static listener => listener.Protocols = HttpProtocols.Http2));
        builder.Services.AddSingleton(journal);
        builder.Services.AddSingleton<IKeyAuthority, Keys>();
        builder.Services.AddAgents(new AgentOptions());
        builder.Services.AddAgentWorkers();
        WebApplication app = builder.Build();
        app.MapAgentWorkers();
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new JournalServer(app);
    }

    public async ValueTask DisposeAsync()
    {
        _channel.Dispose();
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private sealed class Keys : IKeyAuthority
    {
        public ValueTask<VerifyKeyResponse> VerifyKeyAsync(VerifyKeyRequest request, CancellationToken cancellationToken) =>
            ValueTask.FromResult(new VerifyKeyResponse { Principal = new Principal { Id = "worker", Project = "p", Scopes = { WorkerGuard.AllProjectsScope } } });
    }
}

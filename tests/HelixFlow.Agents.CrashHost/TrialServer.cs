using System.Net;
using Grpc.Core;
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

namespace HelixFlow.Agents.CrashHost;

/// <summary>The worker protocol of a host's journal, for all who ask.</summary>
internal sealed class TrialServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private TrialServer(WebApplication app) => _app = app;

    public static async Task<TrialServer> StartAsync(Journal.Journal journal, int port)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port, static listener => listener.Protocols = HttpProtocols.Http2));
        builder.Services.AddSingleton(journal);
        builder.Services.AddSingleton<IKeyAuthority, Everyone>();
        builder.Services.AddAgents(new AgentOptions());
        builder.Services.AddAgentWorkers();
        WebApplication app = builder.Build();
        app.MapAgentWorkers();
        await app.StartAsync().ConfigureAwait(false);
        return new TrialServer(app);
    }

    public async ValueTask DisposeAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await _app.StopAsync(limit.Token).ConfigureAwait(false);
        await _app.DisposeAsync().ConfigureAwait(false);
    }

    private sealed class Everyone : IKeyAuthority
    {
        public ValueTask<VerifyKeyResponse> VerifyKeyAsync(VerifyKeyRequest request, CancellationToken cancellationToken) =>
            ValueTask.FromResult(new VerifyKeyResponse { Principal = new Principal { Id = "worker", Project = "a", Scopes = { WorkerGuard.AllProjectsScope } } });
    }
}

/// <summary>A worker's connection to the journal of a <see cref="TrialServer"/>.</summary>
internal sealed class TrialConnection : IDisposable
{
    private readonly GrpcChannel _channel;

    public TrialConnection(TrialHostOptions options, TimeProvider time)
    {
        var sender = CallCredentials.FromInterceptor(static (_, metadata) =>
        {
            metadata.Add("authorization", "Bearer any");
            return Task.CompletedTask;
        });
        _channel = GrpcChannel.ForAddress(new Uri($"http://127.0.0.1:{options.Port}"), new GrpcChannelOptions
        {
            Credentials = ChannelCredentials.Create(ChannelCredentials.Insecure, sender), UnsafeUseInsecureChannelCallCredentials = true,
            MaxReceiveMessageSize = null,
        });
        var drafts = new BlobFolder(Path.Combine(options.Folder, $"drafts {options.Name} {Environment.ProcessId}"));
        Journal = new RemoteJournal(_channel.CreateCallInvoker(), drafts, time, NullLogger<RemoteJournal>.Instance);
    }

    public RemoteJournal Journal { get; }

    public void Dispose() => _channel.Dispose();
}

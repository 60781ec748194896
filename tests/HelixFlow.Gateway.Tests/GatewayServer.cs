using System.Net.Http.Headers;
using System.Text;
using HelixFlow.Gateway.Health;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Auth.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Tests;

/// <summary>The gateway on a real socket, in front of a <see cref="ScriptedPool"/>.</summary>
internal sealed class GatewayServer : IAsyncDisposable, IReadiness, IKeyAuthority
{
    private readonly WebApplication _app;
    private readonly GatewayOptions _options;
    private readonly string? _ownFolder;

    private GatewayServer(GatewayOptions options, IInferencePool? pool, TimeProvider? time, Action<IServiceCollection>? configure)
    {
        _options = options;
        if (options.DataFolder.Length == 0)
        {
            options.DataFolder = _ownFolder = Directory.CreateTempSubdirectory("helixflow-gateway-").FullName;
        }

        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddProvider(Log).AddFilter(typeof(RequestBoundary).FullName, LogLevel.Debug);
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddSingleton(pool ?? Pool);
        builder.Services.AddSingleton<IReadiness>(this);
        builder.Services.AddSingleton<IKeyAuthority>(this);
        builder.Services.AddSingleton(time ?? TimeProvider.System);
        configure?.Invoke(builder.Services);
        builder.Services.AddGateway(options);
        _app = builder.Build();
        _app.MapGateway();
    }

    public ScriptedPool Pool { get; } = new();

    /// <summary>What the gateway logs.</summary>
    public CapturedLog Log { get; } = new();

    /// <summary>The paths that are mapped, in order, but for the page at the root.</summary>
    public IEnumerable<string> Routes => _app.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
        .Select(static endpoint => endpoint.RoutePattern.RawText!.Replace("{**", "{", StringComparison.Ordinal)).Where(static path => path != "/")
        .Distinct().Order(StringComparer.Ordinal);

    public bool IsReady { get; set; } = true;

    public HttpClient Client { get; } = new() { Timeout = TimeSpan.FromMinutes(10) };

    /// <summary>Starts it in front of its scripted pool, or of another one.</summary>
    public static async Task<GatewayServer> StartAsync(
        GatewayOptions? options = null, IInferencePool? pool = null, TimeProvider? time = null, Action<IServiceCollection>? configure = null, bool isReady = true)
    {
        var server = new GatewayServer(options ?? new GatewayOptions(), pool, time, configure) { IsReady = isReady };
        await server._app.StartAsync();
        server.Client.BaseAddress = new Uri(server._app.Urls.First());
        server.Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "right");
        return server;
    }

    /// <summary>Tells the server to stop, and waits until it has.</summary>
    public Task StopAsync() => _app.StopAsync();

    public ValueTask<VerifyKeyResponse> VerifyKeyAsync(VerifyKeyRequest request, CancellationToken cancellationToken) => ValueTask.FromResult(request.Key switch
    {
        "right" => new VerifyKeyResponse { Principal = new Principal { Id = "a", Project = "p", Scopes = { "inference" } } },
        "other" or "second" => new VerifyKeyResponse { Principal = new Principal { Id = "c", Project = "q", Scopes = { "inference" } } },
        "narrow" => new VerifyKeyResponse { Principal = new Principal { Id = "b", Project = "p", Scopes = { "other" } } },
        _ => new VerifyKeyResponse(),
    });

    public Task<HttpResponseMessage> PostAsync(string path, string json) => Client.PostAsync(path, new StringContent(json, Encoding.UTF8, "application/json"));

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.DisposeAsync();
        if (_ownFolder is not null)
        {
            Directory.Delete(_ownFolder, recursive: true);
            _options.DataFolder = ""; // options may be used again
        }
    }
}

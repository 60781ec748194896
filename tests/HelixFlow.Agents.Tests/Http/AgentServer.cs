using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Http;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Remote;
using HelixFlow.Agents.Runs;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Auth.V1;
using HelixFlow.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Agents.Tests.Http;

/// <summary>The HTTP API on a real Kestrel and a real journal; the tests do the workers' part themselves.</summary>
internal sealed class AgentServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly SqliteDatabase _database;
    private readonly string _folder;
    private readonly ServerErrors _errors;
    private readonly CancellationTokenSource _ended = new();
    private bool _expectsErrors;
    private Task _ticks = Task.CompletedTask;

    private AgentServer(WebApplication app, SqliteDatabase file, BreakableDatabase database, Agents.Journal.Journal journal, string folder, ServerErrors errors)
    {
        _app = app;
        _database = file;
        Database = database;
        _folder = folder;
        _errors = errors;
        Journal = journal;
    }

    public Agents.Journal.Journal Journal { get; }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <param name="options">How it serves; null for the defaults.</param>
    /// <param name="more">Job types besides the greeting.</param>
    public static Task<AgentServer> StartAsync(AgentOptions? options = null, params IJobType[] more) => StartAsync(options, false, more);

    /// <summary>One whose database the test makes fail, so that it logs errors.</summary>
    public static Task<AgentServer> StartFailingAsync() => StartAsync(null, true, []);

    private static async Task<AgentServer> StartAsync(AgentOptions? options, bool expectsErrors, IJobType[] more)
    {
        string folder = Directory.CreateTempSubdirectory("helixflow-agents-").FullName;
        var file = SqliteDatabase.Open(Path.Combine(folder, "agents.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/agents"));
        var database = new BreakableDatabase(file);
        var journal = new Agents.Journal.Journal(database, new BlobFolder(Path.Combine(folder, "blobs")), TimeProvider.System, new JournalOptions());
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        var errors = new ServerErrors();
        builder.Logging.ClearProviders().AddProvider(errors);
        builder.WebHost.ConfigureKestrel(static kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0, static listener => listener.Protocols = HttpProtocols.Http1);
            kestrel.Listen(IPAddress.Loopback, 0, static listener => listener.Protocols = HttpProtocols.Http2);
        });
        builder.Services.AddSingleton(journal);
        builder.Services.AddSingleton<IKeyAuthority, Keys>();
        builder.Services.AddSingleton<IJobType, Greeting>();
        foreach (IJobType type in more)
        {
            builder.Services.AddSingleton(type);
        }

        builder.Services.AddAgents(options ?? new AgentOptions());
        builder.Services.AddAgentWorkers();
        WebApplication app = builder.Build();
        app.MapAgents();
        app.MapAgentWorkers();
        await app.StartAsync(Token);
        return new AgentServer(app, file, database, journal, folder, errors) { _expectsErrors = expectsErrors };
    }

    /// <summary>The routes as the document's paths name them, with their methods. The hub and MCP have protocols of their own.</summary>
    public IEnumerable<string> Routes => _app.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
        .Where(static route => route.RoutePattern.RawText!.StartsWith("/api/", StringComparison.Ordinal) && route.Metadata.GetMetadata<Microsoft.AspNetCore.SignalR.HubMetadata>() is null)
        .SelectMany(static route => route.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods.Select(method => $"{method} {route.RoutePattern.RawText}"));

    /// <summary>Where workers connect to; the key of one that may do all jobs is <c>w</c>, that of one for a project <c>worker-of-p</c>.</summary>
    public Uri WorkerAddress => new(_app.Urls.Last());

    /// <summary>The journal's database, which can be made to fail.</summary>
    public BreakableDatabase Database { get; }

    /// <summary>A client of a project; its key is the project's name.</summary>
    public HttpClient Client(string? project = "p")
    {
        var client = new HttpClient(new SocketsHttpHandler { MaxResponseDrainSize = 0 }) { BaseAddress = new Uri(_app.Urls.First() + "/api/v1/agent/"), Timeout = TimeSpan.FromMinutes(5) };
        client.DefaultRequestHeaders.Authorization = project is null ? null : new AuthenticationHeaderValue("Bearer", project);
        return client;
    }

    /// <summary>Submits a greeting; the result is the job's id.</summary>
    public async Task<string> SubmitAsync(string project = "p", string name = "World", RunOptions? options = null)
    {
        RunStart start = await Journal.RequestAsync(
            new RunRequest { Project = project, Type = "greet", Input = Encoding.UTF8.GetBytes($"{{\"name\":\"{name}\"}}"), Options = options ?? new RunOptions() }, Token);
        return start.Run!.Id;
    }

    /// <summary>Writes through a journal of which the server hears nothing, as another process does.</summary>
    public Task WriteElsewhereAsync(Func<Agents.Journal.Journal, Task> write) =>
        write(new Agents.Journal.Journal(_database, new BlobFolder(Path.Combine(_folder, "blobs")), TimeProvider.System, new JournalOptions()));

    public async Task<Claim> ClaimAsync() => Assert.Single(await Journal.ClaimAsync("worker-1", ["greet"], 1, Token));

    /// <summary>Does what is due in the journal, as a server's own worker does, until the server is disposed.</summary>
    public void StartTicking() => _ticks = TickAsync();

    private async Task TickAsync()
    {
        while (!_ended.IsCancellationRequested)
        {
            try
            {
                await Journal.TickAsync(100, CancellationToken.None);
            }
            catch (StorageException) when (_expectsErrors)
            {
                // The test has made the database fail.
            }

            await Task.Delay(10, _ended.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        await _ticks;
        await _app.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
        await _database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
        _ended.Dispose();
        if (!_expectsErrors)
        {
            Assert.Empty(_errors.Messages);
        }
    }

    private sealed class Keys : IKeyAuthority
    {
        public ValueTask<VerifyKeyResponse> VerifyKeyAsync(VerifyKeyRequest request, CancellationToken cancellationToken)
        {
            var response = new VerifyKeyResponse();
            if (request.Key is "p" or "q" or "reader" or "admin" or "w" or "worker-of-p")
            {
                string scope = request.Key switch { "reader" => "read", "w" => "workers", "worker-of-p" => "worker", _ => "inference" };
                response.Principal = new Principal { Id = $"key-of-{request.Key}", Project = request.Key == "worker-of-p" ? "p" : request.Key, Scopes = { scope } };
                if (request.Key == "admin")
                {
                    response.Principal.Scopes.Add("admin");
                }
            }

            return ValueTask.FromResult(response);
        }
    }

    private sealed class Greeting : IJobType
    {
        public string Name => "greet";

        public string Description => "Greets somebody.";

        public JsonElement InputSchema => JsonElement.Parse("""{"type":"object","properties":{"name":{"type":"string","minLength":1}},"required":["name"],"additionalProperties":false}""");

        public JsonElement OutputSchema => JsonElement.Parse("""{"type":"string"}""");

        public Task<JsonElement> RunAsync(Run run, CancellationToken cancellationToken) => throw new InvalidOperationException("no worker runs in these tests");
    }
}

/// <summary>Shorter forms of requests.</summary>
internal static class AgentRequests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static async Task<(int Status, JsonElement Body)> CallAsync(this HttpClient client, HttpMethod method, string path, string? body = null, string? key = null)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        }

        if (key is not null)
        {
            request.Headers.Add("Idempotency-Key", key);
        }

        using HttpResponseMessage response = await client.SendAsync(request, Token);
        string text = await response.Content.ReadAsStringAsync(Token);
        if ((int)response.StatusCode >= 400)
        {
            Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        }

        return ((int)response.StatusCode, text.Length == 0 ? default : JsonElement.Parse(text));
    }

    public static Task<(int Status, JsonElement Body)> AskAsync(this HttpClient client, string path) => client.CallAsync(HttpMethod.Get, path);

    public static Task<(int Status, JsonElement Body)> PostAsync(this HttpClient client, string path, string? body = null, string? key = null) => client.CallAsync(HttpMethod.Post, path, body, key);

    public static string Text(this JsonElement element, string name) => element.GetProperty(name).GetString()!;
}

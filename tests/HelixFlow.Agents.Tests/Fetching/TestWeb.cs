using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using HelixFlow.Agents.Fetching;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Agents.Tests.Fetching;

/// <summary>A web of real HTTP servers on this machine: pages under many host names, servers that misbehave, and one that nobody must ever reach.</summary>
internal sealed class TestWeb : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, RequestDelegate> _pages = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, IPAddress[]> _names = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<RawServer> _raw = [];

    private TestWeb(WebApplication app) => _app = app;

    /// <summary>What was asked, as <c>host/path</c>, in order.</summary>
    public ConcurrentQueue<string> Asked { get; } = new();

    /// <summary>How often a name was looked up.</summary>
    public ConcurrentQueue<string> LookedUp { get; } = new();

    public int Port { get; private set; }

    /// <summary>Stands for everything inside that must stay unreached.</summary>
    public RawServer Canary { get; private set; } = null!;

    public static async Task<TestWeb> StartAsync(X509Certificate2? certificate = null)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listener =>
        {
            listener.Protocols = HttpProtocols.Http1;
            if (certificate is not null)
            {
                listener.UseHttps(certificate);
            }
        }));
        var web = new TestWeb(builder.Build());
        web._app.Run(web.AnswerAsync);
        await web._app.StartAsync(TestContext.Current.CancellationToken);
        web.Port = new Uri(web._app.Urls.First()).Port;
        web.Canary = web.Raw("canary.test", static (_, _) => Task.CompletedTask);
        return web;
    }

    /// <summary>Options with which the names of this web may be reached, except the canary.</summary>
    public FetchOptions Options(TimeSpan? hostDelay = null, TimeSpan? timeLimit = null) => new()
    {
        Allowed = ["*.site.test"], Resolve = ResolveAsync, HostDelay = hostDelay ?? TimeSpan.Zero,
        TimeLimit = timeLimit ?? TimeSpan.FromMinutes(2), ConnectTimeLimit = TimeSpan.FromMinutes(2), RateGrace = TimeSpan.FromMinutes(2), // nothing here depends on a machine's speed
    };

    public WebFetcher Fetcher() => new(Options(), TimeProvider.System);

    public string Url(string host, string path) => $"http://{host}:{Port}{path}";

    /// <summary>Answers a path of a host; its name leads here from now on.</summary>
    public void Page(string host, string path, RequestDelegate answer)
    {
        _names.TryAdd(host, [IPAddress.Loopback]);
        _pages[host + path] = answer;
    }

    public void Page(string host, string path, string body, string type = "text/html; charset=utf-8") => Page(host, path, context =>
    {
        context.Response.ContentType = type;
        return context.Response.WriteAsync(body);
    });

    public void Redirect(string host, string path, string location, int status = StatusCodes.Status302Found) => Page(host, path, context =>
    {
        context.Response.StatusCode = status;
        context.Response.Headers.Location = location;
        return Task.CompletedTask;
    });

    /// <summary>A server that speaks as it likes, after it was asked for a page; robots.txt it has none.</summary>
    public RawServer Raw(string host, Func<NetworkStream, CancellationToken, Task> answer, IPAddress? address = null)
    {
        var server = new RawServer(answer, address ?? IPAddress.Loopback);
        _raw.Add(server);
        _names[host] = [address ?? IPAddress.Loopback];
        return server;
    }

    public void Name(string host, params IPAddress[] addresses) => _names[host] = addresses;

    public Task<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken)
    {
        LookedUp.Enqueue(host);
        return _names.TryGetValue(host, out IPAddress[]? addresses) ? Task.FromResult(addresses) : throw new SocketException((int)SocketError.HostNotFound);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (RawServer server in _raw)
        {
            await server.DisposeAsync();
        }

        await _app.StopAsync(new CancellationToken(true));
        await _app.DisposeAsync();
    }

    private Task AnswerAsync(HttpContext context)
    {
        string page = context.Request.Host.Host + context.Request.Path + context.Request.QueryString;
        Asked.Enqueue(page);
        if (_pages.TryGetValue(page, out RequestDelegate? answer))
        {
            return answer(context);
        }

        context.Response.StatusCode = StatusCodes.Status404NotFound;
        return Task.CompletedTask;
    }
}

/// <summary>A server of raw bytes, each connection for one request.</summary>
internal sealed class RawServer : IAsyncDisposable
{
    private readonly TcpListener _listener;
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<NetworkStream, CancellationToken, Task> _answer;
    private readonly ConcurrentBag<Task> _connections = [];
    private readonly Task _work;
    private int _contacts;

    public RawServer(Func<NetworkStream, CancellationToken, Task> answer, IPAddress address)
    {
        _answer = answer;
        _listener = new TcpListener(address, 0);
        _listener.Start();
        _work = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Connections so far.</summary>
    public int Contacts => Volatile.Read(ref _contacts);

    public static Task WriteAsync(NetworkStream stream, string text, CancellationToken cancellationToken) => stream.WriteAsync(Encoding.Latin1.GetBytes(text), cancellationToken).AsTask();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _work;
        await Task.WhenAll(_connections);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                TcpClient client = await _listener.AcceptTcpClientAsync(_stop.Token);
                Interlocked.Increment(ref _contacts);
                _connections.Add(ServeAsync(client));
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException or InvalidOperationException)
        {
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using TcpClient closing = client;
        try
        {
            NetworkStream stream = client.GetStream();
            var head = new StringBuilder();
            byte[] one = new byte[1];
            while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal) && await stream.ReadAsync(one, _stop.Token) > 0)
            {
                head.Append((char)one[0]);
            }

            if (head.ToString().StartsWith("GET /robots.txt ", StringComparison.Ordinal))
            {
                await WriteAsync(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", _stop.Token);
                return;
            }

            await _answer(stream, _stop.Token);
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or SocketException)
        {
        }
    }
}

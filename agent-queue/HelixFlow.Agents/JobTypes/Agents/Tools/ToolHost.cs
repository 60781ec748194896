using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using HelixFlow.Agents.Fetching;

namespace HelixFlow.Agents.JobTypes.Agents.Tools;

/// <summary>What tools have in common: the operator's rules, guarded ways to other machines, and the clock. Thread-safe; one per process.</summary>
public sealed class ToolHost : IDisposable
{
    private const int MostAnswers = 16; // in one stream of an MCP server

    private readonly HttpMessageInvoker _http;

    /// <summary>Makes it.</summary>
    /// <param name="options">What the operator allows.</param>
    /// <param name="pages">Reads pages of the web.</param>
    /// <param name="environment">Reads an environment variable; null for those of this process.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="FormatException">The options allow something that is no host or network.</exception>
    public ToolHost(ToolOptions options, WebFetcher pages, TimeProvider time, Func<string, string?>? environment = null)
    {
        Options = options;
        Time = time;
        Variable = environment ?? Environment.GetEnvironmentVariable;
        Pages = pages;
        var fetching = new FetchOptions();
        var rules = AddressRules.Parse(options.Allowed, options.Ports);
        _http = new HttpMessageInvoker(new SocketsHttpHandler
        {
            AllowAutoRedirect = false, // a redirect would take secrets, and the request, to another server
            AutomaticDecompression = DecompressionMethods.GZip | DecompressionMethods.Deflate | DecompressionMethods.Brotli,
            ConnectCallback = (context, token) => GuardedConnection.OpenAsync(rules, fetching.Resolve, context.DnsEndPoint, token),
            ConnectTimeout = fetching.ConnectTimeLimit,
            MaxResponseDrainSize = 0,
            MaxResponseHeadersLength = fetching.MaxHeaderKib,
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),
            SslOptions = new SslClientAuthenticationOptions
            {
                CertificateChainPolicy = new X509ChainPolicy { DisableCertificateDownloads = true, RevocationMode = X509RevocationMode.NoCheck },
            },
            UseCookies = false,
            UseProxy = false,
        });
    }

    internal ToolOptions Options { get; }

    internal TimeProvider Time { get; }

    internal Func<string, string?> Variable { get; }

    internal WebFetcher Pages { get; }

    internal HttpMessageInvoker Http => _http;

    /// <summary>A client of the same guarded ways, for libraries that want one of their own; whoever gets it disposes it.</summary>
    internal HttpClient NewHttpClient() => new(new BoundedHandler(_http, (long)MostAnswers * Options.MaxAnswerBytes)) { Timeout = Timeout.InfiniteTimeSpan };

    /// <inheritdoc />
    public void Dispose() => _http.Dispose();
}

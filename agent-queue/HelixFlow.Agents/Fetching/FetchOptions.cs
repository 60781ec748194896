using System.Net;

namespace HelixFlow.Agents.Fetching;

/// <summary>Finds the addresses of a host, as the system's resolver does.</summary>
public delegate Task<IPAddress[]> ResolveHost(string host, CancellationToken cancellationToken);

/// <summary>What may be fetched, and how much of it. Read when a fetcher is made.</summary>
public sealed class FetchOptions
{
    /// <summary>Hosts and networks that may be reached although they are not public; see <see cref="AddressRules.Parse"/>. Default: none.</summary>
    public IReadOnlyList<string> Allowed { get; init; } = [];

    /// <summary>Ports of public addresses that may be reached. Default: 80 and 443.</summary>
    public IReadOnlyList<int> Ports { get; init; } = [80, 443];

    /// <summary>Most bytes of a page, after decompression. Default: 4 MiB, more than any page that people read.</summary>
    public int MaxBytes { get; init; } = 4 << 20;

    /// <summary>Most KiB of a response's headers. Default: 32, which is what most servers take of a request.</summary>
    public int MaxHeaderKib { get; init; } = 32;

    /// <summary>How long the requests for one page may take together, waits for the host's turn excluded. Default: 30 s.</summary>
    public TimeSpan TimeLimit { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a connection may take to open. Default: 10 s.</summary>
    public TimeSpan ConnectTimeLimit { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Least bytes of a page per second, judged from <see cref="RateGrace"/> on. Default: 1 KiB.</summary>
    public int MinimumRate { get; init; } = 1024;

    /// <summary>How long a page may be slower than <see cref="MinimumRate"/>. Default: 5 s.</summary>
    public TimeSpan RateGrace { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Most redirects of one page. Default: 5, the least that RFC 9309 asks for.</summary>
    public int MaxRedirects { get; init; } = 5;

    /// <summary>How long a host rests between two requests. Default: 1 s.</summary>
    public TimeSpan HostDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest wait that a host may ask for (Retry-After, Crawl-delay) and get. Default: 20 s.</summary>
    public TimeSpan MaxHostDelay { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How names become addresses. Default: the system's resolver.</summary>
    public ResolveHost Resolve { get; init; } = static (host, cancellationToken) => Dns.GetHostAddressesAsync(host, cancellationToken);
}

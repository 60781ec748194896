using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Discovery;

/// <summary>Resolves a name to IP addresses, as <see cref="Dns.GetHostAddressesAsync(string, CancellationToken)"/> does.</summary>
public delegate Task<IPAddress[]> ResolveHost(string name, CancellationToken cancellationToken);

/// <summary>
/// Every address of a DNS name (A and AAAA) is a node: what a Kubernetes headless service gives its ready pods. Asked again at an interval, because
/// DNS tells nobody of changes.
/// </summary>
/// <remarks>A name without addresses cannot be told from a failure, so the last of a pool's nodes stays in the set until another comes.</remarks>
public sealed partial class DnsDiscovery : INodeDiscovery
{
    private readonly DnsDiscoveryOptions _options;
    private readonly ResolveHost _resolve;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    /// <param name="options">What to ask for and how often.</param>
    /// <param name="resolve">The resolver; the system's by default.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Told of failures.</param>
    public DnsDiscovery(DnsDiscoveryOptions options, ResolveHost? resolve, TimeProvider time, ILogger<DnsDiscovery> logger)
    {
        options.Validate();
        _options = options;
        _resolve = resolve ?? Dns.GetHostAddressesAsync;
        _time = time;
        _logger = logger;
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<IReadOnlyList<NodeAddress>> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        IReadOnlyList<NodeAddress>? last = null;
        while (true)
        {
            IReadOnlyList<NodeAddress> current = await ResolveAsync(cancellationToken).ConfigureAwait(false) ?? last ?? [];
            if (last is null || !current.SequenceEqual(last))
            {
                last = current;
                yield return current;
            }

            await Task.Delay(_options.Interval, _time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The nodes, or null when the name could not be resolved.</summary>
    private async Task<IReadOnlyList<NodeAddress>?> ResolveAsync(CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(_options.Timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            // Some resolvers do not hear the token while they wait for the network.
            IPAddress[] addresses = await _resolve(_options.Name, either.Token).WaitAsync(either.Token).ConfigureAwait(false);
            List<NodeAddress> nodes = Nodes(addresses);
            if (nodes.Count > 0)
            {
                return nodes;
            }

            Log.NoAddress(_logger, _options.Name);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (OperationCanceledException)
        {
            Log.TimedOut(_logger, _options.Name, _options.Timeout);
        }
        catch (SocketException exception)
        {
            Log.Failed(_logger, _options.Name, exception.SocketErrorCode, exception.Message);
        }

        return null;
    }

    private List<NodeAddress> Nodes(IPAddress[] addresses) =>
    [
        .. addresses
            .Select(address => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address)
            .Where(address => !address.IsIPv6LinkLocal) // means nothing without an interface, which an address on the wire cannot name
            .Select(address => new Uri(
                $"{_options.Scheme}://{(address.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{address}]" : address.ToString())}:{_options.Port}"))
            .Select(uri => new NodeAddress($"{uri.Host}:{uri.Port}", uri))
            .DistinctBy(node => node.Id)
            .OrderBy(node => node.Id, StringComparer.Ordinal),
    ];

    private static partial class Log
    {
        [LoggerMessage(6101, LogLevel.Warning, "{Name} could not be resolved ({Error}: {Message}); the nodes known before are kept")]
        public static partial void Failed(ILogger logger, string name, SocketError error, string message);

        [LoggerMessage(6102, LogLevel.Warning, "{Name} was not resolved within {Timeout}; the nodes known before are kept")]
        public static partial void TimedOut(ILogger logger, string name, TimeSpan timeout);

        [LoggerMessage(6103, LogLevel.Warning, "{Name} has no address; the nodes known before are kept")]
        public static partial void NoAddress(ILogger logger, string name);
    }
}

using System.Collections.Concurrent;
using Grpc.Core;

namespace Grpc.Net.Client;

/// <summary>A logical connection to a server: HTTP/2 connections are opened when calls need them. Thread-safe; meant to be kept and shared.</summary>
public sealed class GrpcChannel : ChannelBase, IDisposable
{
    private static readonly TimeSpan KeepAliveDelay = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan KeepAliveTimeout = TimeSpan.FromSeconds(10);

    // More methods than services have; beyond it an address is made for each call.
    private const int MostKnownMethods = 1000;

    private readonly ConcurrentDictionary<string, Uri> _methods = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _shutdown = new();
    private readonly bool _ownsHandler;
    private readonly HttpMessageHandler _handler;

    private GrpcChannel(Uri address, GrpcChannelOptions options)
        : base(address.Authority)
    {
        Address = address;
        Options = options;
        bool secure = address.Scheme == Uri.UriSchemeHttps;
        if (options.Credentials is { } credentials && credentials.IsSecure != secure)
        {
            throw new ArgumentException($"The channel's credentials are for a {(secure ? "plain" : "secured")} connection, but its address is {address}.", nameof(options));
        }

        CanSendCredentials = secure || options.UnsafeUseInsecureChannelCallCredentials;
        _ownsHandler = options.HttpHandler is null || options.DisposeHttpClient;
        _handler = options.HttpHandler ?? new SocketsHttpHandler
        {
            EnableMultipleHttp2Connections = true,
            AllowAutoRedirect = false,
            UseCookies = false,
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            KeepAlivePingDelay = KeepAliveDelay,
            KeepAlivePingTimeout = KeepAliveTimeout,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
        };
        Invoker = new HttpMessageInvoker(_handler, disposeHandler: false);
    }

    internal Uri Address { get; }

    internal GrpcChannelOptions Options { get; }

    internal HttpMessageInvoker Invoker { get; }

    internal bool CanSendCredentials { get; }

    internal CancellationToken Stopping => _shutdown.Token;

    /// <inheritdoc cref="ForAddress(Uri, GrpcChannelOptions)"/>
    public static GrpcChannel ForAddress(string address) => ForAddress(new Uri(address));

    /// <inheritdoc cref="ForAddress(Uri, GrpcChannelOptions)"/>
    public static GrpcChannel ForAddress(string address, GrpcChannelOptions channelOptions) => ForAddress(new Uri(address), channelOptions);

    /// <inheritdoc cref="ForAddress(Uri, GrpcChannelOptions)"/>
    public static GrpcChannel ForAddress(Uri address) => ForAddress(address, new GrpcChannelOptions());

    /// <summary>A channel to <c>http://host:port</c> (plain HTTP/2, by prior knowledge) or <c>https://host:port</c>.</summary>
    /// <exception cref="ArgumentException">The address has another scheme, or the credentials do not fit it.</exception>
    public static GrpcChannel ForAddress(Uri address, GrpcChannelOptions channelOptions)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(channelOptions);
        if (!address.IsAbsoluteUri || (address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps))
        {
            throw new ArgumentException($"The address '{address}' must be http://host:port or https://host:port.", nameof(address));
        }

        return new GrpcChannel(address, channelOptions);
    }

    /// <summary>Where a method's calls go: parsed once.</summary>
    internal Uri AddressOf(string method)
    {
        if (!_methods.TryGetValue(method, out Uri? address))
        {
            address = new Uri(Address, method);
            if (_methods.Count < MostKnownMethods)
            {
                _methods.TryAdd(method, address);
            }
        }

        return address;
    }

    public override CallInvoker CreateCallInvoker() => new HttpCallInvoker(this);

    public void Dispose()
    {
        if (_shutdown.IsCancellationRequested)
        {
            return;
        }

        _shutdown.Cancel();
        Invoker.Dispose();
        if (_ownsHandler)
        {
            _handler.Dispose();
        }
    }

    protected override Task ShutdownAsyncCore()
    {
        Dispose();
        return Task.CompletedTask;
    }
}

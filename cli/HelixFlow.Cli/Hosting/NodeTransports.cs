using Grpc.Net.Client;
using HelixFlow.Discovery;
using HelixFlow.Gateway.Routing;
using HelixFlow.Schemas.Transport;

namespace HelixFlow.Cli.Hosting;

/// <summary>Opens gRPC channels to inference nodes.</summary>
internal static class NodeTransports
{
    private static readonly TimeSpan ShortestPatience = TimeSpan.FromSeconds(5);

    /// <summary>A channel to a node; connections are opened when it is first used.</summary>
    /// <param name="address">The node.</param>
    /// <param name="tls">Who trusts whom; null for plain HTTP/2.</param>
    /// <param name="silenceLimit">How long a node may be silent: its connections are not given up earlier than the node.</param>
    public static NodeTransport Connect(NodeAddress address, PeerTls? tls, TimeSpan silenceLimit)
    {
        var handler = new SocketsHttpHandler
        {
            EnableMultipleHttp2Connections = true,
            UseProxy = false,
            ConnectTimeout = silenceLimit > ShortestPatience ? silenceLimit : ShortestPatience,
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            KeepAlivePingDelay = TimeSpan.FromSeconds(10),
            KeepAlivePingTimeout = silenceLimit > ShortestPatience ? silenceLimit : ShortestPatience,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            InitialHttp2StreamWindowSize = 1 << 20,
        };
        if (tls is not null)
        {
            handler.SslOptions = tls.ClientOptions();
        }

        GrpcChannel channel = GrpcChannel.ForAddress(address.Address, new GrpcChannelOptions
        {
            HttpHandler = handler,
            DisposeHttpClient = true,
            MaxReceiveMessageSize = null, // nodes are trusted; a state with many prefixes may be large
        });
        return new NodeTransport(new GrpcInferencePool(channel.CreateCallInvoker()), channel);
    }
}

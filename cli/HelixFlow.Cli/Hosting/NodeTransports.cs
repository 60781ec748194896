using Grpc.Net.Client;
using HelixFlow.Discovery;
using HelixFlow.Gateway.Routing;
using HelixFlow.Schemas.Transport;

namespace HelixFlow.Cli.Hosting;

/// <summary>Opens gRPC channels to inference nodes.</summary>
internal static class NodeTransports
{
    /// <summary>A channel to a node; connections are opened when it is first used.</summary>
    public static NodeTransport Connect(NodeAddress address, PeerTls? tls)
    {
        var handler = new SocketsHttpHandler
        {
            EnableMultipleHttp2Connections = true,
            UseProxy = false,
            ConnectTimeout = TimeSpan.FromSeconds(5),
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            KeepAlivePingDelay = TimeSpan.FromSeconds(10),
            KeepAlivePingTimeout = TimeSpan.FromSeconds(5),
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

using System.IO.Compression;
using Grpc.Core;

namespace Grpc.Net.Client;

/// <summary>How a <see cref="GrpcChannel"/> connects and what it lets pass. Read once, when the channel is made.</summary>
public sealed class GrpcChannelOptions
{
    /// <summary>Most bytes of a message that is sent; null (the default) for no limit.</summary>
    public int? MaxSendMessageSize { get; set; }

    /// <summary>Most bytes of a message that is received; default 4 MiB, null for no limit.</summary>
    public int? MaxReceiveMessageSize { get; set; } = 4 * 1024 * 1024;

    /// <summary>
    /// Where requests go; default null: a handler of the channel's own that opens further connections when one is full and sends keep-alive
    /// pings. Set client certificates and trust here.
    /// </summary>
    public HttpMessageHandler? HttpHandler { get; set; }

    /// <summary>Whether the channel disposes <see cref="HttpHandler"/>; default false.</summary>
    public bool DisposeHttpClient { get; set; }

    /// <summary>Default null: secured when the address is https. Call credentials in it are added to every call.</summary>
    public ChannelCredentials? Credentials { get; set; }

    /// <summary>Whether call credentials may be sent without TLS; default false.</summary>
    public bool UnsafeUseInsecureChannelCallCredentials { get; set; }

    /// <summary>Whether a cancelled call throws <see cref="OperationCanceledException"/> rather than <see cref="RpcException"/>; default false.</summary>
    public bool ThrowOperationCanceledOnCancellation { get; set; }

    /// <summary>How hard compressed requests are compressed; default <see cref="CompressionLevel.Fastest"/>.</summary>
    public CompressionLevel RequestCompressionLevel { get; set; } = CompressionLevel.Fastest;

    /// <summary>The clock of deadlines.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;
}

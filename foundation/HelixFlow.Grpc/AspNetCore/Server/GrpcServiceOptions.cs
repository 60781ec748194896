using System.IO.Compression;

namespace Grpc.AspNetCore.Server;

/// <summary>What a server lets pass and how it answers. Read when services are mapped.</summary>
public sealed class GrpcServiceOptions
{
    /// <summary>Most bytes of a response message; null (the default) for no limit.</summary>
    public int? MaxSendMessageSize { get; set; }

    /// <summary>Most bytes of a request message; default 4 MiB, null for no limit.</summary>
    public int? MaxReceiveMessageSize { get; set; } = 4 * 1024 * 1024;

    /// <summary>Whether clients learn the text of exceptions that handlers did not expect; default false.</summary>
    public bool EnableDetailedErrors { get; set; }

    /// <summary>"gzip" compresses responses for clients that accept it; default null: only where a handler asks for it.</summary>
    public string? ResponseCompressionAlgorithm { get; set; }

    /// <summary>How hard responses are compressed; default <see cref="CompressionLevel.Fastest"/>.</summary>
    public CompressionLevel ResponseCompressionLevel { get; set; } = CompressionLevel.Fastest;

    /// <summary>True leaves calls of unknown services and methods to the host's other routes, where it has some beside gRPC; default: they are answered as unimplemented.</summary>
    public bool? IgnoreUnknownServices { get; set; }

    /// <summary>The clock of deadlines.</summary>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;
}

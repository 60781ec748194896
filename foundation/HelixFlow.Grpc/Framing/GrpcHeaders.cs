namespace Grpc.Framing;

/// <summary>The header names and values of gRPC over HTTP/2 (grpc's PROTOCOL-HTTP2).</summary>
internal static class GrpcHeaders
{
    public const string ContentType = "application/grpc";
    public const string Status = "grpc-status";
    public const string Message = "grpc-message";
    public const string StatusDetails = "grpc-status-details-bin";
    public const string Encoding = "grpc-encoding";
    public const string AcceptEncoding = "grpc-accept-encoding";
    public const string Timeout = "grpc-timeout";
    public const string Identity = "identity";
    public const string Gzip = "gzip";
    public const string AcceptedEncodings = "identity,gzip";

    /// <summary>Metadata under this key is not sent: it asks for a call's own messages to be compressed (the official .NET library's name).</summary>
    public const string CompressRequest = "grpc-internal-encoding-request";

    /// <summary>Whether a header is the protocol's own, so that it is not metadata.</summary>
    public static bool IsReserved(string name) => name switch
    {
        Status or Message or Encoding or AcceptEncoding or Timeout or CompressRequest => true,
        _ => name.Length == 0 || name[0] == ':' || IsTransport(name),
    };

    public static bool IsGrpc(string? contentType) => contentType is not null
        && contentType.StartsWith(ContentType, StringComparison.OrdinalIgnoreCase)
        && (contentType.Length == ContentType.Length || contentType[ContentType.Length] is '+' or ';');

    private static bool IsTransport(string name) =>
        name.Equals("content-type", StringComparison.OrdinalIgnoreCase)
        || name.Equals("content-length", StringComparison.OrdinalIgnoreCase)
        || name.Equals("te", StringComparison.OrdinalIgnoreCase)
        || name.Equals("host", StringComparison.OrdinalIgnoreCase)
        || name.Equals("trailer", StringComparison.OrdinalIgnoreCase)
        || name.Equals("accept-encoding", StringComparison.OrdinalIgnoreCase);
}

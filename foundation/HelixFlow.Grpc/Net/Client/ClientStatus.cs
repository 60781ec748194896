using System.Net;
using System.Net.Http.Headers;
using Grpc.Core;
using Grpc.Framing;

namespace Grpc.Net.Client;

/// <summary>What a response or a failure of the transport means as a status (grpc's http-grpc-status-mapping and statuscodes documents).</summary>
internal static class ClientStatus
{
    private const int EnhanceYourCalm = 0xb;
    private const int InadequateSecurity = 0xc;
    private const int CancelCode = 0x8;
    private const int RefusedStream = 0x7;

    /// <summary>The metadata of headers or trailers.</summary>
    /// <exception cref="RpcException">A binary value is not base64.</exception>
    public static Metadata ReadMetadata(HttpResponseHeaders? headers)
    {
        var metadata = new Metadata();
        if (headers is null)
        {
            return metadata;
        }

        foreach (KeyValuePair<string, HeaderStringValues> header in headers.NonValidated)
        {
            if (!GrpcHeaders.IsReserved(header.Key))
            {
                foreach (string value in header.Value)
                {
                    HeaderCoding.Decode(metadata, header.Key, value);
                }
            }
        }

        return metadata;
    }

    /// <summary>The metadata of headers or trailers that hold binary values, which may be malformed; null when there are none.</summary>
    /// <exception cref="RpcException">A binary value is not base64.</exception>
    public static Metadata? ReadBinary(HttpResponseHeaders headers)
    {
        foreach (KeyValuePair<string, HeaderStringValues> header in headers.NonValidated)
        {
            if (header.Key.EndsWith(Metadata.BinaryHeaderSuffix, StringComparison.OrdinalIgnoreCase))
            {
                return ReadMetadata(headers);
            }
        }

        return null;
    }

    /// <summary>The status in headers or trailers; false when there is none.</summary>
    public static bool TryRead(HttpResponseHeaders headers, out Status status)
    {
        status = default;
        if (!headers.NonValidated.TryGetValues(GrpcHeaders.Status, out HeaderStringValues codes))
        {
            return false;
        }

        string detail = headers.NonValidated.TryGetValues(GrpcHeaders.Message, out HeaderStringValues messages) ? HeaderCoding.DecodeMessage(messages.ToString()) : "";
        string text = codes.ToString();
        if (text == "0" && detail.Length == 0)
        {
            status = Status.DefaultSuccess;
            return true;
        }

        status = int.TryParse(text, out int code) && code >= 0
            ? new Status(Enum.IsDefined((StatusCode)code) ? (StatusCode)code : StatusCode.Unknown, detail)
            : new Status(StatusCode.Unknown, $"The server sent the status '{codes}', which is not a number.");
        return true;
    }

    /// <summary>The status of a response that is not gRPC's; null when it is.</summary>
    public static Status? Refuse(HttpResponseMessage response)
    {
        if (response.StatusCode != HttpStatusCode.OK)
        {
            return new Status(Of(response.StatusCode), $"Bad gRPC response. HTTP status code: {(int)response.StatusCode}");
        }

        string? contentType = response.Content.Headers.NonValidated.TryGetValues("Content-Type", out HeaderStringValues values) ? values.ToString() : null;
        return GrpcHeaders.IsGrpc(contentType)
            ? null
            : new Status(StatusCode.Unknown, contentType is null ? "Bad gRPC response. It has no content-type." : $"Bad gRPC response. Invalid content-type value: {contentType}");
    }

    /// <summary>What a failure of the transport is to the caller.</summary>
    public static Status Of(Exception exception)
    {
        for (Exception? inner = exception; inner is not null; inner = inner.InnerException)
        {
            switch (inner)
            {
                case RpcException rpc:
                    return rpc.Status;
                case HttpProtocolException protocol when IsOfStream(protocol):
                    return new Status(Of(protocol.ErrorCode), $"The stream was reset with HTTP/2 error code {protocol.ErrorCode}.", exception);
                case HttpProtocolException protocol:
                    return new Status(StatusCode.Unavailable, $"The connection was closed with HTTP/2 error code {protocol.ErrorCode}.", exception);
            }
        }

        return exception switch
        {
            OperationCanceledException => new Status(StatusCode.Cancelled, "The call was cancelled.", exception),
            HttpRequestException or IOException or ObjectDisposedException => new Status(StatusCode.Unavailable, $"Error connecting or talking to the server: {Messages(exception)}", exception),
            _ => new Status(StatusCode.Internal, $"Error starting the call: {exception.Message}", exception),
        };
    }

    /// <summary>What an exception says and what has caused it: what is wrong with a certificate, for example, only an inner one tells.</summary>
    private static string Messages(Exception exception) =>
        exception.InnerException is { } inner ? $"{exception.Message} {Messages(inner)}" : exception.Message;

    /// <summary>Whether the server ended this call's stream, rather than the connection with all its calls.</summary>
    /// <remarks>HttpClient throws the same exception for both; only its message (or, in trimmed programs, its message's key) tells them apart.</remarks>
    private static bool IsOfStream(HttpProtocolException exception) => exception.Message.Contains("stream", StringComparison.Ordinal);

    private static StatusCode Of(HttpStatusCode code) => code switch
    {
        HttpStatusCode.BadRequest or HttpStatusCode.RequestHeaderFieldsTooLarge => StatusCode.Internal,
        HttpStatusCode.Unauthorized => StatusCode.Unauthenticated,
        HttpStatusCode.Forbidden => StatusCode.PermissionDenied,
        HttpStatusCode.NotFound => StatusCode.Unimplemented,
        HttpStatusCode.TooManyRequests or HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout => StatusCode.Unavailable,
        _ => StatusCode.Unknown,
    };

    private static StatusCode Of(long http2Error) => http2Error switch
    {
        RefusedStream => StatusCode.Unavailable,
        CancelCode => StatusCode.Cancelled,
        EnhanceYourCalm => StatusCode.ResourceExhausted,
        InadequateSecurity => StatusCode.PermissionDenied,
        _ => StatusCode.Internal,
    };
}

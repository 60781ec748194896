using System.Diagnostics.CodeAnalysis;

namespace Grpc.Core;

/// <summary>What a caller says about one call.</summary>
/// <param name="headers">Metadata to send; null for none.</param>
/// <param name="deadline">In UTC: when the caller gives up; null for never.</param>
/// <param name="cancellationToken">Ends the call with <see cref="StatusCode.Cancelled"/>.</param>
/// <param name="writeOptions">For the messages of the call, unless the stream writer is told otherwise.</param>
/// <param name="credentials">Adds metadata that says who calls.</param>
[method: SuppressMessage("Design", "CA1068", Justification = "The official API's order.")]
public readonly struct CallOptions(
    Metadata? headers = null, DateTime? deadline = null, CancellationToken cancellationToken = default, WriteOptions? writeOptions = null, CallCredentials? credentials = null)
{
    public Metadata? Headers { get; } = headers;

    public DateTime? Deadline { get; } = deadline;

    public CancellationToken CancellationToken { get; } = cancellationToken;

    public WriteOptions? WriteOptions { get; } = writeOptions;

    public CallCredentials? Credentials { get; } = credentials;

    public CallOptions WithHeaders(Metadata headers) => new(headers, Deadline, CancellationToken, WriteOptions, Credentials);

    public CallOptions WithDeadline(DateTime deadline) => new(Headers, deadline, CancellationToken, WriteOptions, Credentials);

    public CallOptions WithCancellationToken(CancellationToken cancellationToken) => new(Headers, Deadline, cancellationToken, WriteOptions, Credentials);

    public CallOptions WithWriteOptions(WriteOptions writeOptions) => new(Headers, Deadline, CancellationToken, writeOptions, Credentials);

    public CallOptions WithCredentials(CallCredentials credentials) => new(Headers, Deadline, CancellationToken, WriteOptions, credentials);
}

/// <summary>How a message is written.</summary>
[Flags]
[SuppressMessage("Naming", "CA1711", Justification = "The official API's name.")]
public enum WriteFlags
{
    None = 0,

    /// <summary>The message may wait for the next one before it is sent.</summary>
    BufferHint = 1,

    /// <summary>The message is sent as it is although the call compresses.</summary>
    NoCompress = 2,
}

/// <summary>How the messages of a call or the next ones of a stream are written. Immutable.</summary>
public class WriteOptions(WriteFlags flags = WriteFlags.None)
{
    public static WriteOptions Default { get; } = new();

    public WriteFlags Flags { get; } = flags;
}

/// <summary>What a call tells of its method to <see cref="CallCredentials"/>.</summary>
public class AuthInterceptorContext(string serviceUrl, string methodName)
{
    public string ServiceUrl { get; } = serviceUrl;

    public string MethodName { get; } = methodName;
}

/// <summary>Adds metadata to a call before it starts.</summary>
public delegate Task AsyncAuthInterceptor(AuthInterceptorContext context, Metadata metadata);

/// <summary>Who calls, as metadata that is made anew for every call. Sent over TLS only, unless the channel allows otherwise.</summary>
public sealed class CallCredentials
{
    private CallCredentials(AsyncAuthInterceptor interceptor) => Interceptor = interceptor;

    internal AsyncAuthInterceptor Interceptor { get; }

    public static CallCredentials FromInterceptor(AsyncAuthInterceptor interceptor)
    {
        ArgumentNullException.ThrowIfNull(interceptor);
        return new CallCredentials(interceptor);
    }

    /// <summary>All of them, in order.</summary>
    public static CallCredentials Compose(params CallCredentials[] credentials) => new(async (context, metadata) =>
    {
        foreach (CallCredentials each in credentials)
        {
            await each.Interceptor(context, metadata).ConfigureAwait(false);
        }
    });
}

/// <summary>Whether a channel is secured. Certificates and keys are set on the channel's HTTP handler.</summary>
public sealed class ChannelCredentials
{
    private ChannelCredentials(bool isSecure, CallCredentials? call)
    {
        IsSecure = isSecure;
        Call = call;
    }

    /// <summary>Plain HTTP/2.</summary>
    public static ChannelCredentials Insecure { get; } = new(false, null);

    /// <summary>HTTP/2 over TLS.</summary>
    public static ChannelCredentials SecureSsl { get; } = new(true, null);

    internal bool IsSecure { get; }

    internal CallCredentials? Call { get; }

    /// <summary>Channel credentials that also add call credentials to every call.</summary>
    public static ChannelCredentials Create(ChannelCredentials channelCredentials, CallCredentials callCredentials) =>
        new(channelCredentials.IsSecure, channelCredentials.Call is null ? callCredentials : CallCredentials.Compose(channelCredentials.Call, callCredentials));
}

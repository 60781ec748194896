using System.Globalization;
using System.IO.Pipelines;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Framing;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;

namespace Grpc.AspNetCore.Server;

/// <summary>One call on an HTTP/2 stream: the protocol around a handler.</summary>
internal sealed partial class ServerCall : ServerCallContext
{
    private readonly GrpcServiceOptions _options;
    private readonly string _method;
    private readonly FrameWriter _writer;
    private CancellationTokenSource? _deadlinePassed;
    private ITimer? _deadlineTimer;
    private DateTime _deadline = DateTime.MaxValue;
    private Metadata? _requestHeaders;
    private Metadata? _trailers;
    private Dictionary<object, object>? _userState;
    private string? _requestEncoding;
    private bool _compress;
    private bool _over;

    private ServerCall(HttpContext context, string method, GrpcServiceOptions options)
    {
        HttpContext = context;
        _method = method;
        _options = options;
        _writer = new FrameWriter(options.MaxSendMessageSize, options.ResponseCompressionLevel);
    }

    public HttpContext HttpContext { get; }

    protected override string MethodCore => HttpContext.Request.Path.Value ?? _method;

    protected override string HostCore => HttpContext.Request.Host.Value ?? "";

    protected override string PeerCore => HttpContext.Connection.RemoteIpAddress is not { } address ? "unknown"
        : address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"ipv6:[{address}]:{HttpContext.Connection.RemotePort}"
        : $"ipv4:{address}:{HttpContext.Connection.RemotePort}";

    protected override DateTime DeadlineCore => _deadline;

    protected override CancellationToken CancellationTokenCore => _deadlinePassed?.Token ?? HttpContext.RequestAborted;

    protected override Metadata ResponseTrailersCore => _trailers ??= new Metadata();

    protected override Status StatusCore { get; set; }

    protected override WriteOptions? WriteOptionsCore { get; set; }

    protected override IDictionary<object, object> UserStateCore => _userState ??= [];

    protected override Metadata RequestHeadersCore
    {
        get
        {
            if (_requestHeaders is null)
            {
                _requestHeaders = new Metadata();
                foreach (KeyValuePair<string, StringValues> header in HttpContext.Request.Headers)
                {
                    if (!GrpcHeaders.IsReserved(header.Key))
                    {
                        foreach (string? value in header.Value)
                        {
                            HeaderCoding.Decode(_requestHeaders, header.Key, value ?? "");
                        }
                    }
                }
            }

            return _requestHeaders;
        }
    }

    protected override AuthContext AuthContextCore
    {
        get
        {
            if (HttpContext.Connection.ClientCertificate is not { } certificate)
            {
                return new AuthContext(null, []);
            }

            const string CommonName = "x509_common_name";
            return new AuthContext(CommonName, new Dictionary<string, List<AuthProperty>>
            {
                [CommonName] = [AuthProperty.Create(CommonName, System.Text.Encoding.UTF8.GetBytes(certificate.GetNameInfo(X509NameType.SimpleName, false)))],
            });
        }
    }

    private bool DeadlineHasPassed => _deadlinePassed is { IsCancellationRequested: true } && !HttpContext.RequestAborted.IsCancellationRequested;

    /// <summary>Runs a handler within the protocol: from checking the request's head to sending the status.</summary>
    public static async Task RunAsync(HttpContext context, string method, GrpcServiceOptions options, ILogger logger, Func<ServerCall, Task> handle)
    {
        if (Refuse(context))
        {
            return;
        }

        var call = new ServerCall(context, method, options);
        try
        {
            call.ReadHead();
            await handle(call).ConfigureAwait(false);
            call.End(call.StatusCore, null);
        }
        catch (Exception exception)
        {
            call.End(call.StatusOf(exception, logger), (exception as RpcException)?.Trailers);
        }
        finally
        {
            call._deadlineTimer?.Dispose();
        }
    }

    public FrameReader<T> CreateReader<T>(Marshaller<T> marshaller)
        where T : class => new(HttpContext.Request.BodyReader, marshaller, _options.MaxReceiveMessageSize, _requestEncoding);

    /// <summary>The request of a call that has one.</summary>
    public async ValueTask<T> ReadSingleAsync<T>(Marshaller<T> marshaller)
        where T : class
    {
        FrameReader<T> reader = CreateReader(marshaller);
        T request = await reader.ReadAsync(CancellationTokenCore).ConfigureAwait(false)
            ?? throw new RpcException(new Status(StatusCode.Unimplemented, "The call has no request message."));
        return await reader.ReadAsync(CancellationTokenCore).ConfigureAwait(false) is null
            ? request
            : throw new RpcException(new Status(StatusCode.Unimplemented, "The call has more than one request message."));
    }

    /// <summary>Writes the response of a call that has one; it is sent together with the status.</summary>
    public async ValueTask WriteSingleAsync<T>(Marshaller<T> marshaller, T response)
        where T : class
    {
        if (response is null)
        {
            throw new RpcException(new Status(StatusCode.Cancelled, "No message returned from method."));
        }

        ThrowIfOver();
        if (StatusCore.StatusCode != StatusCode.OK)
        {
            return;
        }

        if (!HttpContext.Response.HasStarted)
        {
            SendEncoding();
            await HttpContext.Response.StartAsync(CancellationTokenCore).ConfigureAwait(false);
        }

        Write(marshaller, response, WriteOptionsCore);
    }

    /// <summary>Writes one of many responses and sends it, unless it may wait for the next.</summary>
    public ValueTask WriteAsync<T>(Marshaller<T> marshaller, T message, WriteOptions? options)
        where T : class
    {
        ThrowIfOver();
        if (!HttpContext.Response.HasStarted)
        {
            return StartAndWriteAsync(marshaller, message, options);
        }

        Write(marshaller, message, options ?? WriteOptionsCore);
        return Flush(options);
    }

    /// <exception cref="OperationCanceledException">The client has left or the deadline has passed.</exception>
    /// <exception cref="InvalidOperationException">The handler has returned.</exception>
    public void ThrowIfOver()
    {
        CancellationTokenCore.ThrowIfCancellationRequested();
        if (_over)
        {
            throw new InvalidOperationException("The call is complete.");
        }
    }

    protected override async Task WriteResponseHeadersAsyncCore(Metadata responseHeaders)
    {
        if (HttpContext.Response.HasStarted)
        {
            throw new InvalidOperationException("Response headers can only be sent once, before the first message.");
        }

        foreach (Metadata.Entry entry in responseHeaders)
        {
            if (entry.Key == GrpcHeaders.CompressRequest)
            {
                _compress = entry.Value == GrpcHeaders.Gzip && AcceptsGzip();
            }
            else
            {
                HttpContext.Response.Headers.Append(entry.Key, HeaderCoding.Encode(entry));
            }
        }

        SendEncoding();
        await HttpContext.Response.BodyWriter.FlushAsync(CancellationTokenCore).ConfigureAwait(false);
    }

    /// <summary>Answers what is not a gRPC request at all; true when it did.</summary>
    private static bool Refuse(HttpContext context)
    {
        int status = !HttpProtocol.IsHttp2(context.Request.Protocol) && !HttpProtocol.IsHttp3(context.Request.Protocol) ? StatusCodes.Status426UpgradeRequired
            : !HttpMethods.IsPost(context.Request.Method) ? StatusCodes.Status405MethodNotAllowed
            : !GrpcHeaders.IsGrpc(context.Request.ContentType) ? StatusCodes.Status415UnsupportedMediaType
            : StatusCodes.Status200OK;
        if (status == StatusCodes.Status200OK)
        {
            return false;
        }

        context.Response.StatusCode = status;
        if (status == StatusCodes.Status426UpgradeRequired)
        {
            context.Response.Headers.Upgrade = "h2c";
            context.Response.Headers.Connection = "Upgrade";
        }
        else if (status == StatusCodes.Status415UnsupportedMediaType)
        {
            SetStatus(context.Response.Headers, new Status(StatusCode.Internal, $"Content-Type '{context.Request.ContentType}' is not supported; it must be {GrpcHeaders.ContentType}."));
        }

        return true;
    }

    /// <exception cref="RpcException">A header has a value that cannot be served.</exception>
    private void ReadHead()
    {
        IHeaderDictionary headers = HttpContext.Request.Headers;
        HttpContext.Response.ContentType = GrpcHeaders.ContentType;

        // A stream may be silent for long and has no length: the limits that protect plain HTTP requests do not apply.
        if (HttpContext.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate)
        {
            rate.MinDataRate = null;
        }

        if (HttpContext.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = null;
        }

        _requestEncoding = headers.TryGetValue(GrpcHeaders.Encoding, out StringValues encoding) ? encoding.ToString() : null;
        if (_requestEncoding is not (null or GrpcHeaders.Identity or GrpcHeaders.Gzip))
        {
            HttpContext.Response.Headers[GrpcHeaders.AcceptEncoding] = GrpcHeaders.AcceptedEncodings;
            throw new RpcException(new Status(StatusCode.Unimplemented, $"The message encoding '{_requestEncoding}' is not supported; {GrpcHeaders.AcceptedEncodings} are."));
        }

        _compress = _options.ResponseCompressionAlgorithm == GrpcHeaders.Gzip && AcceptsGzip();
        if (headers.TryGetValue(GrpcHeaders.Timeout, out StringValues timeout))
        {
            SetDeadline(timeout.ToString());
        }
    }

    private void SetDeadline(string timeout)
    {
        if (!HeaderCoding.TryDecodeTimeout(timeout, out TimeSpan left))
        {
            throw new RpcException(new Status(StatusCode.Internal, $"The header grpc-timeout is '{timeout}'; 1 to 8 digits and one of H M S m u n are expected."));
        }

        DateTime now = _options.TimeProvider.GetUtcNow().UtcDateTime;
        if (left >= DateTime.MaxValue - now || left.TotalMilliseconds >= uint.MaxValue - 1)
        {
            return;
        }

        _deadline = now + left;
        _deadlinePassed = CancellationTokenSource.CreateLinkedTokenSource(HttpContext.RequestAborted);
        _deadlineTimer = _options.TimeProvider.CreateTimer(
            static source => ((CancellationTokenSource)source!).Cancel(), _deadlinePassed, left, Timeout.InfiniteTimeSpan);
    }

    private bool AcceptsGzip() => HttpContext.Request.Headers[GrpcHeaders.AcceptEncoding].ToString()
        .Split(',').Any(static encoding => encoding.Trim().Equals(GrpcHeaders.Gzip, StringComparison.OrdinalIgnoreCase));

    private void SendEncoding()
    {
        if (_compress)
        {
            HttpContext.Response.Headers[GrpcHeaders.Encoding] = GrpcHeaders.Gzip;
        }
    }

    private async ValueTask StartAndWriteAsync<T>(Marshaller<T> marshaller, T message, WriteOptions? options)
        where T : class
    {
        SendEncoding();
        await HttpContext.Response.StartAsync(CancellationTokenCore).ConfigureAwait(false);
        Write(marshaller, message, options ?? WriteOptionsCore);
        await Flush(options).ConfigureAwait(false);
    }

    private void Write<T>(Marshaller<T> marshaller, T message, WriteOptions? options) =>
        _writer.Write(marshaller, message, HttpContext.Response.BodyWriter, _compress && (options?.Flags & WriteFlags.NoCompress) != WriteFlags.NoCompress);

    private ValueTask Flush(WriteOptions? options)
    {
        if (((options ?? WriteOptionsCore)?.Flags & WriteFlags.BufferHint) == WriteFlags.BufferHint)
        {
            return ValueTask.CompletedTask;
        }

        ValueTask<FlushResult> flushed = HttpContext.Response.BodyWriter.FlushAsync(CancellationTokenCore);
        return flushed.IsCompletedSuccessfully ? Taken(flushed.Result) : WaitAsync(flushed);
    }

    // A flush that the transport cancels means that the client has left, which the next write finds.
    private static ValueTask Taken(FlushResult _) => ValueTask.CompletedTask;

    private static async ValueTask WaitAsync(ValueTask<FlushResult> flushed) => await flushed.ConfigureAwait(false);

    private Status StatusOf(Exception exception, ILogger logger)
    {
        switch (exception)
        {
            case RpcException rpc:
                return rpc.Status;
            case OperationCanceledException or IOException when DeadlineHasPassed:
                return new Status(StatusCode.DeadlineExceeded, "Deadline exceeded.");
            case OperationCanceledException or IOException when HttpContext.RequestAborted.IsCancellationRequested:
                return new Status(StatusCode.Cancelled, "The client has left.");
            case BadHttpRequestException malformed:
                return new Status(StatusCode.Internal, malformed.Message);
            default:
                Log.HandlerFailed(logger, _method, exception);
                return new Status(StatusCode.Unknown, _options.EnableDetailedErrors ? $"Exception was thrown by handler. {exception.GetType().Name}: {exception.Message}" : "Exception was thrown by handler.");
        }
    }

    private void End(Status status, Metadata? thrown)
    {
        _over = true;
        if (HttpContext.RequestAborted.IsCancellationRequested)
        {
            return;
        }

        if (DeadlineHasPassed && status.StatusCode is StatusCode.OK)
        {
            status = new Status(StatusCode.DeadlineExceeded, "Deadline exceeded.");
        }

        // Before the response has begun, the status takes the place of the headers ("trailers only").
        HttpResponse response = HttpContext.Response;
        IHeaderDictionary destination = response.HasStarted ? HttpContext.Features.GetRequiredFeature<IHttpResponseTrailersFeature>().Trailers : response.Headers;
        string? refused = Append(destination, _trailers);
        refused = Append(destination, ReferenceEquals(thrown, _trailers) ? null : thrown) ?? refused;
        SetStatus(destination, refused is null ? status : new Status(StatusCode.Internal, $"The trailer '{refused}' has a value that is not printable ASCII; the call ended with {status.StatusCode}."));
    }

    /// <summary>Adds trailers; the result is the key of one whose value no header can carry.</summary>
    private static string? Append(IHeaderDictionary destination, Metadata? metadata)
    {
        if (metadata is null)
        {
            return null;
        }

        string? refused = null;
        foreach (Metadata.Entry entry in metadata)
        {
            if (!HeaderCoding.CanCarry(entry))
            {
                refused = entry.Key;
            }
            else if (!GrpcHeaders.IsReserved(entry.Key))
            {
                destination.Append(entry.Key, HeaderCoding.Encode(entry));
            }
        }

        return refused;
    }

    private static void SetStatus(IHeaderDictionary destination, Status status)
    {
        destination[GrpcHeaders.Status] = ((int)status.StatusCode).ToString(CultureInfo.InvariantCulture);
        if (status.Detail.Length > 0)
        {
            destination[GrpcHeaders.Message] = HeaderCoding.EncodeMessage(status.Detail);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(6001, LogLevel.Error, "The handler of {Method} failed")]
        public static partial void HandlerFailed(ILogger logger, string method, Exception exception);
    }
}

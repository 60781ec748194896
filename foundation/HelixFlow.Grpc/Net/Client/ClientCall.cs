using System.Buffers;
using System.Net;
using System.Net.Http.Headers;
using Grpc.Core;
using Grpc.Framing;

namespace Grpc.Net.Client;

/// <summary>Why a call was cancelled on this side; recorded when it happens, since the transport's exception does not tell.</summary>
internal enum CancelCause
{
    None,
    Caller,
    Deadline,
    Disposed,
    Shutdown,
}

/// <summary>One call on an HTTP/2 stream, whatever its kind.</summary>
/// <remarks>
/// Reads and writes may go on side by side, each on one thread at a time. The call ends exactly once, with the first status that is known: the
/// server's, or what made this side give up. Headers and responses are read by the same task, so that the two cannot disagree. Metadata that
/// nobody asks for is not made.
/// </remarks>
internal sealed class ClientCall<TRequest, TResponse> : ICall
    where TRequest : class
    where TResponse : class
{
    private readonly GrpcChannel _channel;
    private readonly Method<TRequest, TResponse> _method;
    private readonly string? _host;
    private readonly CancellationTokenSource _cancellation = new();
    private readonly FrameWriter _writer;
    private readonly Lock _ending = new();
    private readonly bool _compress;
    private CancellationTokenRegistration _callerCancelled;
    private CancellationTokenRegistration _channelStopped;
    private ITimer? _deadlineTimer;
    private Task _started = Task.CompletedTask;
    private HttpContent? _content;
    private HttpResponseMessage? _response;
    private BodyReader? _body;
    private FrameReader<TResponse>? _reader;
    private TaskCompletionSource<Metadata>? _headersAsked;
    private bool _headersReceived;
    private Metadata? _headers;
    private int _cause;
    private bool _ended;
    private Status _status;
    private HttpResponseHeaders? _trailersReceived;
    private Metadata? _trailers;

    public ClientCall(GrpcChannel channel, Method<TRequest, TResponse> method, string? host, CallOptions options)
    {
        _channel = channel;
        _method = method;
        _host = host;
        Options = options;
        _writer = new FrameWriter(channel.Options.MaxSendMessageSize, channel.Options.RequestCompressionLevel);
        _compress = options.Headers?.GetValue(GrpcHeaders.CompressRequest) is GrpcHeaders.Gzip;
        Token = _cancellation.Token;
    }

    public CallOptions Options { get; }

    /// <summary>Cancelled when this side gives the call up, whatever the cause.</summary>
    public CancellationToken Token { get; }

    public Task<Metadata> ResponseHeadersAsync
    {
        get
        {
            lock (_ending)
            {
                if (_headersAsked is null)
                {
                    _headersAsked = new TaskCompletionSource<Metadata>(TaskCreationOptions.RunContinuationsAsynchronously);
                    AnswerHeaders_NeedsLock();
                }

                return _headersAsked.Task;
            }
        }
    }

    /// <summary>Sends the request's head, and its body as it comes.</summary>
    public void Start(HttpContent content)
    {
        _content = content;
        TimeSpan? left = Options.Deadline is { } deadline && deadline != DateTime.MaxValue
            ? deadline.ToUniversalTime() - _channel.Options.TimeProvider.GetUtcNow().UtcDateTime
            : null;
        if (left <= TimeSpan.Zero)
        {
            Cancel(CancelCause.Deadline);
        }
        else if (left is { } time && time.TotalMilliseconds < uint.MaxValue - 1)
        {
            _deadlineTimer = _channel.Options.TimeProvider.CreateTimer(
                static call => ((ClientCall<TRequest, TResponse>)call!).Cancel(CancelCause.Deadline), this, time, Timeout.InfiniteTimeSpan);
        }

        _callerCancelled = Options.CancellationToken.UnsafeRegister(static call => ((ClientCall<TRequest, TResponse>)call!).Cancel(CancelCause.Caller), this);
        _channelStopped = _channel.Stopping.UnsafeRegister(static call => ((ClientCall<TRequest, TResponse>)call!).Cancel(CancelCause.Shutdown), this);
        _started = SendAsync(content, left);
    }

    /// <summary>Gives the call up; the first cause counts.</summary>
    public void Cancel(CancelCause cause)
    {
        if (Interlocked.CompareExchange(ref _cause, (int)cause, (int)CancelCause.None) == (int)CancelCause.None)
        {
            _cancellation.Cancel();
            (_content as StreamedContent)?.Abandon();
            _response?.Dispose(); // resets the stream when nobody waits for it
        }
    }

    /// <summary>The response of a call that has one.</summary>
    public async Task<TResponse> ReadSingleAsync()
    {
        await _started.ConfigureAwait(false);
        TResponse? response = await ReadNextAsync().ConfigureAwait(false);
        if (response is null)
        {
            End(new Status(StatusCode.Unimplemented, "The server sent no response although the call ended with OK."), replace: true);
            throw Thrown();
        }

        if (await ReadNextAsync().ConfigureAwait(false) is not null)
        {
            End(new Status(StatusCode.Unimplemented, "The server sent more than one response."));
            Cancel(CancelCause.Disposed);
            throw Thrown();
        }

        return response;
    }

    /// <summary>The next response; null when the call has ended with OK.</summary>
    /// <exception cref="RpcException">It has ended otherwise.</exception>
    public ValueTask<TResponse?> ReadNextAsync()
    {
        if (_reader is not { } reader || _ended)
        {
            return ReadFirstAsync();
        }

        try
        {
            ValueTask<TResponse?> next = reader.ReadAsync(Token);
            if (!next.IsCompletedSuccessfully)
            {
                return ReadSlowAsync(next);
            }

            return next.Result is { } message ? ValueTask.FromResult<TResponse?>(message)
                : Finish() is { } failure ? ValueTask.FromException<TResponse?>(failure)
                : default;
        }
        catch (Exception exception)
        {
            return ValueTask.FromException<TResponse?>(Fail(exception));
        }
    }

    /// <summary>Appends a message's frame.</summary>
    public void WriteFrame(TRequest message, IBufferWriter<byte> output, WriteOptions? options) =>
        _writer.Write(_method.RequestMarshaller, message, output, _compress && ((options ?? Options.WriteOptions)?.Flags & WriteFlags.NoCompress) != WriteFlags.NoCompress);

    /// <summary>What to throw when a request could not be written: the call's own end, where there is one.</summary>
    public async Task<Exception> FailedWriteAsync(Exception exception)
    {
        if (exception is RpcException)
        {
            return Fail(exception);
        }

        // The server may have ended the call while the request was being written: its answer says more than the broken stream does.
        if (!_started.IsCompleted && _cause == (int)CancelCause.None)
        {
            await _started.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return _ended ? Thrown() : new RpcException(StatusOf(exception));
    }

    public Status GetStatus()
    {
        lock (_ending)
        {
            return _ended ? _status : throw new InvalidOperationException("The call has not ended: it has no status yet.");
        }
    }

    public Metadata GetTrailers()
    {
        lock (_ending)
        {
            return _ended ? Trailers_NeedsLock() : throw new InvalidOperationException("The call has not ended: it has no trailers yet.");
        }
    }

    public void Dispose()
    {
        if (!_ended)
        {
            Cancel(CancelCause.Disposed);
            End(StatusOf(new OperationCanceledException()));
        }
    }

    private async Task SendAsync(HttpContent content, TimeSpan? left)
    {
        try
        {
            Token.ThrowIfCancellationRequested();
            using HttpRequestMessage request = await BuildAsync(content, left).ConfigureAwait(false);
            HttpResponseMessage response = await _channel.Invoker.SendAsync(request, Token).ConfigureAwait(false);
            _response = response;
            if (Token.IsCancellationRequested)
            {
                response.Dispose();
                Token.ThrowIfCancellationRequested();
            }

            if (ClientStatus.Refuse(response) is { } refusal)
            {
                // A proxy may answer for a server with a status that is no success, and still say what gRPC wants to know.
                End(ClientStatus.TryRead(response.Headers, out Status stated) ? stated : refusal, response.Headers);
                response.Dispose();
                return;
            }

            ReceiveHeaders(response.Headers);
            if (ClientStatus.TryRead(response.Headers, out Status status))
            {
                End(status, response.Headers); // trailers only
                return;
            }

            string? encoding = response.Headers.NonValidated.TryGetValues(GrpcHeaders.Encoding, out var encodings) ? encodings.ToString() : null;
            if (encoding is not (null or GrpcHeaders.Identity or GrpcHeaders.Gzip))
            {
                End(new Status(StatusCode.Internal, $"The server compresses with '{encoding}', which was not offered."));
                Cancel(CancelCause.Disposed);
                return;
            }

            _body = new BodyReader(await response.Content.ReadAsStreamAsync(Token).ConfigureAwait(false));
            _reader = new FrameReader<TResponse>(_body, _method.ResponseMarshaller, _channel.Options.MaxReceiveMessageSize, encoding);
        }
        catch (Exception exception)
        {
            Fail(exception);
        }
    }

    private async ValueTask<HttpRequestMessage> BuildAsync(HttpContent content, TimeSpan? left)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, _channel.AddressOf(_method.FullName))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        if (_host is not null)
        {
            request.Headers.Host = _host;
        }

        content.Headers.TryAddWithoutValidation("Content-Type", GrpcHeaders.ContentType);
        request.Headers.TryAddWithoutValidation("TE", "trailers");
        request.Headers.TryAddWithoutValidation("User-Agent", "grpc-dotnet-helixflow/0.1");
        request.Headers.TryAddWithoutValidation(GrpcHeaders.AcceptEncoding, GrpcHeaders.AcceptedEncodings);
        if (_compress)
        {
            request.Headers.TryAddWithoutValidation(GrpcHeaders.Encoding, GrpcHeaders.Gzip);
        }

        if (left is { } timeout)
        {
            request.Headers.TryAddWithoutValidation(GrpcHeaders.Timeout, HeaderCoding.EncodeTimeout(timeout));
        }

        AddMetadata(request, Options.Headers);
        foreach (CallCredentials? credentials in (ReadOnlySpan<CallCredentials?>)[_channel.Options.Credentials?.Call, Options.Credentials])
        {
            if (credentials is not null)
            {
                return await AddCredentialsAsync(request).ConfigureAwait(false);
            }
        }

        return request;
    }

    private async Task<HttpRequestMessage> AddCredentialsAsync(HttpRequestMessage request)
    {
        if (!_channel.CanSendCredentials)
        {
            throw new RpcException(new Status(StatusCode.Unauthenticated, "Call credentials are sent over TLS only, unless UnsafeUseInsecureChannelCallCredentials is set."));
        }

        var context = new AuthInterceptorContext(new Uri(_channel.Address, "/" + _method.ServiceName).ToString(), _method.Name);
        foreach (CallCredentials? credentials in new[] { _channel.Options.Credentials?.Call, Options.Credentials })
        {
            if (credentials is not null)
            {
                var metadata = new Metadata();
                await credentials.Interceptor(context, metadata).ConfigureAwait(false);
                AddMetadata(request, metadata);
            }
        }

        return request;
    }

    private static void AddMetadata(HttpRequestMessage request, Metadata? metadata)
    {
        if (metadata is null)
        {
            return;
        }

        foreach (Metadata.Entry entry in metadata)
        {
            if (!HeaderCoding.CanCarry(entry))
            {
                throw new RpcException(new Status(StatusCode.Internal, $"The metadata '{entry.Key}' has a value that is not printable ASCII; bytes go under keys that end in {Metadata.BinaryHeaderSuffix}."));
            }

            if (entry.Key != GrpcHeaders.CompressRequest)
            {
                request.Headers.TryAddWithoutValidation(entry.Key, HeaderCoding.Encode(entry));
            }
        }
    }

    private async ValueTask<TResponse?> ReadFirstAsync()
    {
        await _started.ConfigureAwait(false);
        lock (_ending)
        {
            if (_ended)
            {
                return _status.StatusCode == StatusCode.OK ? null : throw Thrown();
            }
        }

        return await ReadNextAsync().ConfigureAwait(false);
    }

    private async ValueTask<TResponse?> ReadSlowAsync(ValueTask<TResponse?> next)
    {
        TResponse? message;
        try
        {
            message = await next.ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            throw Fail(exception);
        }

        return message is null && Finish() is { } failure ? throw failure : message;
    }

    /// <summary>The body has ended: the trailers say how. Null for OK.</summary>
    private Exception? Finish()
    {
        _body!.Complete();
        try
        {
            HttpResponseHeaders trailers = _response!.TrailingHeaders;
            End(ClientStatus.TryRead(trailers, out Status stated) ? stated : new Status(StatusCode.Unknown, "The response ended without a grpc-status."), trailers);
            return _status.StatusCode == StatusCode.OK ? null : Thrown();
        }
        catch (Exception exception) when (!_ended)
        {
            return Fail(exception);
        }
    }

    /// <summary>Ends the call because of a failure on this side or of the transport.</summary>
    private Exception Fail(Exception exception)
    {
        Status status = StatusOf(exception);
        End(status);
        RpcException thrown = Thrown();

        // The stream is of no more use: tell the peer.
        Cancel(CancelCause.Disposed);
        return thrown.StatusCode == StatusCode.Cancelled && _channel.Options.ThrowOperationCanceledOnCancellation
            ? new OperationCanceledException(status.Detail, exception, Options.CancellationToken)
            : thrown;
    }

    private Status StatusOf(Exception exception) => (CancelCause)Volatile.Read(ref _cause) switch
    {
        CancelCause.Deadline => new Status(StatusCode.DeadlineExceeded, "Deadline exceeded.", exception),
        CancelCause.Caller => new Status(StatusCode.Cancelled, "The call was cancelled by the client.", exception),
        CancelCause.Disposed => new Status(StatusCode.Cancelled, "The call was disposed.", exception),
        CancelCause.Shutdown => new Status(StatusCode.Cancelled, "The channel was shut down.", exception),
        _ => ClientStatus.Of(exception),
    };

    /// <exception cref="RpcException">A binary value is not base64.</exception>
    private void ReceiveHeaders(HttpResponseHeaders headers)
    {
        Metadata? binary = ClientStatus.ReadBinary(headers);
        lock (_ending)
        {
            _headers = binary;
            _headersReceived = true;
            AnswerHeaders_NeedsLock();
        }
    }

    /// <summary>Records the call's end, unless it has ended already.</summary>
    /// <exception cref="RpcException">A binary value is not base64; the call has not ended.</exception>
    private void End(Status status, HttpResponseHeaders? trailers = null, bool replace = false)
    {
        Metadata? binary = trailers is null ? null : ClientStatus.ReadBinary(trailers);
        lock (_ending)
        {
            if (!_ended || replace)
            {
                _status = status;
                _trailersReceived ??= trailers;
                _trailers ??= binary;
                _ended = true;
                AnswerHeaders_NeedsLock();
            }
        }

        _callerCancelled.Unregister();
        _channelStopped.Unregister();
        _deadlineTimer?.Dispose();
        (_content as StreamedContent)?.Abandon();
    }

    /// <summary>The recorded end, to be thrown.</summary>
    private RpcException Thrown()
    {
        lock (_ending)
        {
            return new RpcException(_status, Trailers_NeedsLock());
        }
    }

    private Metadata Trailers_NeedsLock() => _trailers ??= ClientStatus.ReadMetadata(_trailersReceived);

    // A call that ends without headers answers with what came in their place.
    private void AnswerHeaders_NeedsLock()
    {
        if (_headersAsked is not null && (_headersReceived || _ended))
        {
            _headersAsked.TrySetResult(_headersReceived ? _headers ??= ClientStatus.ReadMetadata(_response!.Headers) : Trailers_NeedsLock());
        }
    }
}

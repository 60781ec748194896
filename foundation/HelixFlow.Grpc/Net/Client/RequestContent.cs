using System.Net;
using Grpc.Framing;

namespace Grpc.Net.Client;

/// <summary>The body of a call with one request: its only frame, serialised when the connection is ready for it.</summary>
internal sealed class MessageContent<TRequest, TResponse>(ClientCall<TRequest, TResponse> call, TRequest request) : HttpContent
    where TRequest : class
    where TResponse : class
{
    // A small array costs less than waiting for the moment when a pooled one may be given back.
    private const int SmallFrame = 512;

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        var frame = new PooledBuffer();
        call.WriteFrame(request, frame, null);
        if (frame.Length > SmallFrame)
        {
            return WriteAsync(stream, frame, cancellationToken);
        }

        byte[] small = frame.Written.ToArray();
        frame.Dispose();
        return stream.WriteAsync(small, cancellationToken).AsTask();
    }

    private static async Task WriteAsync(Stream stream, PooledBuffer frame, CancellationToken cancellationToken)
    {
        using (frame)
        {
            await stream.WriteAsync(frame.Written, cancellationToken).ConfigureAwait(false);
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}

/// <summary>The body of a call with streamed requests: open until the writer completes it.</summary>
internal sealed class StreamedContent : HttpContent
{
    private readonly TaskCompletionSource<Stream> _stream = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _completed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The connection's stream, once there is one.</summary>
    public Task<Stream> StreamAsync => _stream.Task;

    /// <summary>Ends the body.</summary>
    public void Complete() => _completed.TrySetResult();

    /// <summary>The call has ended: nobody should wait for the stream.</summary>
    public void Abandon()
    {
        _stream.TrySetCanceled();
        _completed.TrySetResult();
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        // The peer should see the call before its first message.
        await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
        _stream.TrySetResult(stream);
        await _completed.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}

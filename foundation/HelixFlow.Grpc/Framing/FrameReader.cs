using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using Grpc.Core;

namespace Grpc.Framing;

/// <summary>Reads length-prefixed frames as messages, straight from the transport's buffers.</summary>
/// <remarks>One per direction of a call, used by one thread at a time. Memory is taken as bytes arrive, never as a length prefix promises.</remarks>
internal sealed class FrameReader<T>(PipeReader input, Marshaller<T> marshaller, int? mostBytes, string? encoding) : DeserializationContext
    where T : class
{
    private ReadOnlySequence<byte> _payload;

    public override int PayloadLength => (int)_payload.Length;

    public override byte[] PayloadAsNewBuffer() => _payload.ToArray();

    public override ReadOnlySequence<byte> PayloadAsReadOnlySequence() => _payload;

    /// <summary>The next message; null at the end of the stream.</summary>
    /// <exception cref="RpcException">The frame or the message is malformed, truncated or too large.</exception>
    public ValueTask<T?> ReadAsync(CancellationToken cancellationToken)
    {
        // Frames often arrive together: then there is nothing to wait for.
        if (input.TryRead(out ReadResult result) && TryTake(result, out T? message))
        {
            return ValueTask.FromResult(message);
        }

        return ReadSlowAsync(cancellationToken);
    }

    private async ValueTask<T?> ReadSlowAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            ReadResult result = await input.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (TryTake(result, out T? message))
            {
                return message;
            }
        }
    }

    /// <summary>Takes a whole frame out of what was read, or marks it as examined; true with null at the end.</summary>
    private bool TryTake(in ReadResult result, out T? message)
    {
        message = null;
        ReadOnlySequence<byte> buffer = result.Buffer;
        if (result.IsCanceled)
        {
            input.AdvanceTo(buffer.Start);
            throw new OperationCanceledException();
        }

        if (TryFindFrame(buffer, out bool compressed, out ReadOnlySequence<byte> payload))
        {
            try
            {
                message = compressed ? Decompress(payload) : Deserialize(payload);
            }
            finally
            {
                input.AdvanceTo(payload.End);
            }

            return true;
        }

        input.AdvanceTo(buffer.Start, buffer.End);
        if (!result.IsCompleted)
        {
            return false;
        }

        if (!buffer.IsEmpty)
        {
            throw Failure(StatusCode.Internal, "The stream ended within a message.");
        }

        return true;
    }

    private bool TryFindFrame(in ReadOnlySequence<byte> buffer, out bool compressed, out ReadOnlySequence<byte> payload)
    {
        compressed = false;
        payload = default;
        if (buffer.Length < FrameWriter.HeaderSize)
        {
            return false;
        }

        Span<byte> gathered = stackalloc byte[FrameWriter.HeaderSize];
        scoped ReadOnlySpan<byte> header = buffer.FirstSpan;
        if (header.Length < FrameWriter.HeaderSize)
        {
            buffer.Slice(0, FrameWriter.HeaderSize).CopyTo(gathered);
            header = gathered;
        }

        uint length = BinaryPrimitives.ReadUInt32BigEndian(header[1..]);
        if (header[0] > 1)
        {
            throw Failure(StatusCode.Internal, $"The message's compression flag is {header[0]}; it must be 0 or 1.");
        }

        if (length > (uint)(mostBytes ?? int.MaxValue))
        {
            throw Failure(StatusCode.ResourceExhausted, $"Received message has {length} bytes; the most that is taken is {mostBytes ?? int.MaxValue}.");
        }

        if (buffer.Length - FrameWriter.HeaderSize < length)
        {
            return false;
        }

        compressed = header[0] == 1;
        payload = buffer.Slice(FrameWriter.HeaderSize, length);
        return true;
    }

    private T Decompress(in ReadOnlySequence<byte> payload)
    {
        if (encoding is null or GrpcHeaders.Identity)
        {
            throw Failure(StatusCode.Internal, "The message is marked as compressed, but the call has no grpc-encoding.");
        }

        using var plain = new PooledBuffer();
        GzipCoding.Decompress(payload, plain, mostBytes);
        return Deserialize(new ReadOnlySequence<byte>(plain.Written));
    }

    private T Deserialize(in ReadOnlySequence<byte> payload)
    {
        _payload = payload;
        try
        {
            return marshaller.ContextualDeserializer(this);
        }
        catch (Exception exception) when (exception is not RpcException)
        {
            throw new RpcException(new Status(StatusCode.Internal, $"The message cannot be read: {exception.Message}", exception));
        }
        finally
        {
            _payload = default;
        }
    }

    private static RpcException Failure(StatusCode code, string detail) => new(new Status(code, detail));
}

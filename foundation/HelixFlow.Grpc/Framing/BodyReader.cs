using System.Buffers;
using System.IO.Pipelines;
using Grpc.Core;

namespace Grpc.Framing;

/// <summary>Reads a stream into one pooled array, so that frames are contiguous and a short body costs one buffer.</summary>
/// <remarks>
/// Used by one thread at a time. Completing it gives the array back and disposes the stream, which else would wait for its finalizer. Memory
/// follows what arrives: at most four times the bytes that wait for the rest of their frame, or <see cref="MostAhead"/>.
/// </remarks>
internal sealed class BodyReader(Stream body) : PipeReader
{
    /// <summary>How far the array grows only because reads fill it.</summary>
    public const int MostAhead = 64 * 1024;

    private const int FirstSize = 4096;
    private const int LeastRead = 512;

    private byte[] _buffer = [];
    private int _start;
    private int _end;
    private bool _examined = true;
    private bool _filled;
    private bool _completed;

    public override bool TryRead(out ReadResult result)
    {
        if (_examined && !_completed)
        {
            result = default;
            return false;
        }

        result = Result();
        return true;
    }

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        if (TryRead(out ReadResult result))
        {
            return ValueTask.FromResult(result);
        }

        Reserve();
        ValueTask<int> read = body.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
        return read.IsCompletedSuccessfully ? ValueTask.FromResult(Take(read.Result)) : ReadSlowAsync(read);
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        _start = Index(consumed);
        _examined = Index(examined) == _end;
        if (_start == _end)
        {
            _start = _end = 0;
        }
    }

    public override void Complete(Exception? exception = null)
    {
        byte[] buffer = _buffer;
        _buffer = [];
        _start = _end = 0;
        _examined = _completed = true;
        if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        body.Dispose();
    }

    // Reads end with the token they are given.
    public override void CancelPendingRead() => throw new NotSupportedException();

    // The sequence marks an array's end with the sign bit.
    private static int Index(SequencePosition position) => position.GetInteger() & int.MaxValue;

    private async ValueTask<ReadResult> ReadSlowAsync(ValueTask<int> read) => Take(await read.ConfigureAwait(false));

    private ReadResult Take(int read)
    {
        _end += read;
        _filled = _end == _buffer.Length;
        _completed = read == 0;
        return Result();
    }

    private ReadResult Result() => new(new ReadOnlySequence<byte>(_buffer, _start, _end - _start), isCanceled: false, _completed);

    /// <summary>Makes room behind what waits: by moving it to the front, or into a larger array.</summary>
    private void Reserve()
    {
        int waiting = _end - _start;
        byte[] target = _buffer;
        if (waiting > _buffer.Length / 2 || (_filled && _buffer.Length < MostAhead) || _buffer.Length == 0)
        {
            if (_buffer.Length == Array.MaxLength)
            {
                throw new RpcException(new Status(StatusCode.ResourceExhausted, "Received message is larger than an array can be."));
            }

            target = ArrayPool<byte>.Shared.Rent((int)Math.Clamp(2L * _buffer.Length, FirstSize, Array.MaxLength));
        }
        else if (_buffer.Length - _end >= LeastRead)
        {
            return;
        }

        _buffer.AsSpan(_start, waiting).CopyTo(target);
        if (target != _buffer && _buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
        }

        _buffer = target;
        _start = 0;
        _end = waiting;
    }
}

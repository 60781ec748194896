using Grpc.Core;
using Grpc.Framing;

namespace Grpc.AspNetCore.Server;

/// <summary>A call's requests.</summary>
internal sealed class ServerStreamReader<T>(ServerCall call, Marshaller<T> marshaller) : IAsyncStreamReader<T>
    where T : class
{
    private static readonly Task<bool> True = Task.FromResult(true);
    private static readonly Task<bool> False = Task.FromResult(false);

    private readonly FrameReader<T> _reader = call.CreateReader(marshaller);
    private T? _current;

    public T Current => _current ?? throw new InvalidOperationException("There is no message: MoveNext has not returned true.");

    public Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        call.ThrowIfOver();
        if (cancellationToken.CanBeCanceled && cancellationToken != call.CancellationToken)
        {
            return WaitCancellablyAsync(cancellationToken);
        }

        ValueTask<T?> next = _reader.ReadAsync(call.CancellationToken);
        if (!next.IsCompletedSuccessfully)
        {
            return WaitAsync(next);
        }

        _current = next.Result;
        return _current is null ? False : True;
    }

    private async Task<bool> WaitAsync(ValueTask<T?> next) => (_current = await next.ConfigureAwait(false)) is not null;

    private async Task<bool> WaitCancellablyAsync(CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, call.CancellationToken);
        return await WaitAsync(_reader.ReadAsync(either.Token)).ConfigureAwait(false);
    }
}

/// <summary>A call's responses.</summary>
internal sealed class ServerStreamWriter<T>(ServerCall call, Marshaller<T> marshaller) : IServerStreamWriter<T>
    where T : class
{
    private Task _last = Task.CompletedTask;

    public WriteOptions? WriteOptions { get; set; }

    public Task WriteAsync(T message) => WriteAsync(message, CancellationToken.None);

    public Task WriteAsync(T message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        if (!_last.IsCompleted)
        {
            throw new InvalidOperationException("The previous write has not completed.");
        }

        cancellationToken.ThrowIfCancellationRequested();
        ValueTask written = call.WriteAsync(marshaller, message, WriteOptions);
        return written.IsCompletedSuccessfully ? Task.CompletedTask : _last = written.AsTask();
    }
}

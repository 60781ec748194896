using System.Buffers;
using Grpc.Core;

namespace Grpc.Net.Client;

/// <summary>A call's responses.</summary>
internal sealed class ClientStreamReader<TRequest, TResponse>(ClientCall<TRequest, TResponse> call) : IAsyncStreamReader<TResponse>
    where TRequest : class
    where TResponse : class
{
    private static readonly Task<bool> True = Task.FromResult(true);
    private static readonly Task<bool> False = Task.FromResult(false);

    private TResponse? _current;

    public TResponse Current => _current ?? throw new InvalidOperationException("There is no message: MoveNext has not returned true.");

    public Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        if (!cancellationToken.CanBeCanceled)
        {
            ValueTask<TResponse?> next = call.ReadNextAsync();
            if (!next.IsCompletedSuccessfully)
            {
                return WaitAsync(next);
            }

            _current = next.Result;
            return _current is null ? False : True;
        }

        return WaitCancellablyAsync(cancellationToken);
    }

    private async Task<bool> WaitAsync(ValueTask<TResponse?> next) => (_current = await next.ConfigureAwait(false)) is not null;

    // Cancelling a read ends the call: a half-read stream has no use.
    private async Task<bool> WaitCancellablyAsync(CancellationToken cancellationToken)
    {
        await using CancellationTokenRegistration cancelled = cancellationToken.UnsafeRegister(
            static call => ((ClientCall<TRequest, TResponse>)call!).Cancel(CancelCause.Caller), call);
        return await WaitAsync(call.ReadNextAsync()).ConfigureAwait(false);
    }
}

/// <summary>A call's requests.</summary>
internal sealed class ClientStreamWriter<TRequest, TResponse>(ClientCall<TRequest, TResponse> call, StreamedContent content) : IClientStreamWriter<TRequest>
    where TRequest : class
    where TResponse : class
{
    private readonly ArrayBufferWriter<byte> _frame = new();
    private Task _last = Task.CompletedTask;
    private bool _completed;

    public WriteOptions? WriteOptions { get; set; }

    public Task WriteAsync(TRequest message) => WriteAsync(message, CancellationToken.None);

    public Task WriteAsync(TRequest message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        ThrowIfBusy();
        if (_completed)
        {
            throw new InvalidOperationException("The request stream has been completed.");
        }

        return _last = SendAsync(message, cancellationToken);
    }

    public Task CompleteAsync()
    {
        ThrowIfBusy();
        _completed = true;
        content.Complete();
        return Task.CompletedTask;
    }

    private async Task SendAsync(TRequest message, CancellationToken cancellationToken)
    {
        await using CancellationTokenRegistration cancelled = cancellationToken.UnsafeRegister(
            static call => ((ClientCall<TRequest, TResponse>)call!).Cancel(CancelCause.Caller), call);
        try
        {
            Stream stream = await content.StreamAsync.ConfigureAwait(false);
            _frame.ResetWrittenCount();
            call.WriteFrame(message, _frame, WriteOptions);
            await stream.WriteAsync(_frame.WrittenMemory, call.Token).ConfigureAwait(false);
            if (((WriteOptions ?? call.Options.WriteOptions)?.Flags & WriteFlags.BufferHint) != WriteFlags.BufferHint)
            {
                await stream.FlushAsync(call.Token).ConfigureAwait(false);
            }
        }
        catch (Exception exception)
        {
            throw await call.FailedWriteAsync(exception).ConfigureAwait(false);
        }
    }

    private void ThrowIfBusy()
    {
        if (!_last.IsCompleted)
        {
            throw new InvalidOperationException("The previous write has not completed.");
        }
    }
}

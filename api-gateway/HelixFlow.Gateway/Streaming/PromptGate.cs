using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Streaming;

/// <summary>Waits until a generation's prompt is accepted, so that a refusal can still be an answer with a status of its own.</summary>
/// <remarks>
/// A request may be held, for example while its model loads. A streamed response then begins with comments, so that neither the client nor a
/// proxy gives up, and later failures can only be told inside the stream. One per request, used by its thread.
/// </remarks>
internal sealed class PromptGate(HttpContext context, GatewayOptions options, TimeProvider time, bool streamed) : IDisposable
{
    private EventStream? _stream;

    /// <summary>Whether the response has begun while the request was held.</summary>
    public bool HasBegun => _stream is not null;

    /// <summary>The response's stream: the one that has begun, or a new one.</summary>
    public EventStream Open() => _stream ??= EventStream.Start(context);

    /// <summary>Advances to the first event that is no <see cref="Waiting"/>.</summary>
    public async ValueTask PassAsync(IAsyncEnumerator<GenerateEvent> events)
    {
        Waiting? held = null;
        long silentSince = time.GetTimestamp();
        Func<Task> comment = CommentAsync;
        using var paced = new PacedEvents(events, options.HeldCommentInterval, time, static () => ValueTask.CompletedTask, comment);
        while (await paced.MoveNextAsync() && paced.Current.Waiting is { } waiting)
        {
            held = waiting;
            if (time.GetElapsedTime(silentSince) >= options.HeldCommentInterval)
            {
                await CommentAsync();
            }
        }

        async Task CommentAsync()
        {
            if (streamed && held is not null)
            {
                await Open().SendCommentAsync(held.HasProgress ? $"{held.Reason}, {held.Progress:P0}" : held.Reason);
                silentSince = time.GetTimestamp();
            }
        }
    }

    public void Dispose() => _stream?.Dispose();
}

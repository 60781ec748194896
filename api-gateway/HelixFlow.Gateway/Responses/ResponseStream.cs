using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Streaming;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Responses;

/// <summary>Sends a response's events to one client: those that are there, then those that come. There is no [DONE]: the last event says it all.</summary>
internal static class ResponseStream
{
    /// <summary>Follows a response that runs, from its event of this number on.</summary>
    public static async Task FollowAsync(HttpContext context, EventStream stream, ResponseRun run, int next, GatewayOptions options, TimeProvider time)
    {
        while (true)
        {
            foreach (byte[] data in run.Log.From(next))
            {
                stream.Add(ResponseEvents.TypeOf(data), data);
                next++;
                if (stream.IsFull)
                {
                    await stream.FlushAsync();
                }
            }

            await stream.FlushAsync();
            Task<bool> more = run.Log.WaitAsync(next, context.RequestAborted).AsTask();
            while (!await IsDoneAsync(more, options.KeepAliveInterval, time))
            {
                await stream.SendKeepAliveAsync();
            }

            if (!await more)
            {
                return;
            }
        }
    }

    /// <summary>Waits until the response's prompt is accepted; while it is held, comments keep the connection open.</summary>
    /// <returns>The stream if it had to begin, and whether the prompt was accepted: if not, the stream has said why.</returns>
    /// <exception cref="OpenAiException">The prompt was refused, and nothing has been sent yet.</exception>
    public static async Task<(EventStream? Stream, bool IsAccepted)> AcceptAsync(HttpContext context, ResponseRun run, GatewayOptions options, TimeProvider time)
    {
        EventStream? stream = null;
        while (!await IsDoneAsync(run.Accepted, options.HeldCommentInterval, time))
        {
            if (run.Held is { } held)
            {
                stream ??= EventStream.Start(context);
                await stream.SendCommentAsync(held.HasProgress ? $"{held.Reason}, {held.Progress:P0}" : held.Reason);
            }
        }

        try
        {
            await run.Accepted;
            return (stream, true);
        }
        catch (OpenAiException refusal) when (stream is not null)
        {
            stream.Add("error"u8, ResponseEvents.Error(refusal.Error));
            await stream.FlushAsync();
            return (stream, false);
        }
    }

    private static async Task<bool> IsDoneAsync(Task task, TimeSpan interval, TimeProvider time)
    {
        if (task.IsCompleted)
        {
            return true;
        }

        using var left = new CancellationTokenSource();
        Task first = await Task.WhenAny(task, Task.Delay(interval, time, left.Token));
        await left.CancelAsync();
        return first == task;
    }
}

using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace HelixFlow.Cli.Tests.Pull;

/// <summary>A file as a server gives it, with the faults of real servers to choose from.</summary>
internal sealed class ServedFile(byte[] content)
{
    private long _sentBytes;
    private int _requests;

    public byte[] Content { get; set; } = content;

    /// <summary>Whether Range is understood; otherwise every answer is the whole file.</summary>
    public bool HasRanges { get; init; } = true;

    /// <summary>Whether If-Range is understood; otherwise a part of the new file follows a part of the old one.</summary>
    public bool HasIfRange { get; init; } = true;

    /// <summary>Whether answers say how long they are.</summary>
    public bool HasLength { get; init; } = true;

    public string? ETag { get; set; } = "\"v1\"";

    /// <summary>The size that Content-Range claims, if not the real one.</summary>
    public long? ClaimedBytes { get; init; }

    /// <summary>Added to where a range really starts.</summary>
    public long RangeShift { get; init; }

    /// <summary>Given the request's number from 0 and the length of its body: after how many bytes the connection breaks, or null.</summary>
    public Func<int, long, long?> Breaks { get; init; } = static (_, _) => null;

    /// <summary>Called before each answer with the request's number from 0.</summary>
    public Func<int, HttpContext, Task> Before { get; init; } = static (_, _) => Task.CompletedTask;

    /// <summary>Called after each piece of the body that was sent, with the bytes sent so far over all requests.</summary>
    public Func<long, CancellationToken, Task> Sent { get; init; } = static (_, _) => Task.CompletedTask;

    public long SentBytes => Interlocked.Read(ref _sentBytes);

    /// <summary>Random content that is the same for a seed.</summary>
    public static byte[] RandomBytes(int length, int seed)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public async Task ServeAsync(HttpContext context)
    {
        int request = Interlocked.Increment(ref _requests) - 1;
        await Before(request, context);
        if (context.Response.HasStarted || context.Response.StatusCode != 200)
        {
            return;
        }

        byte[] content = Content;
        HttpResponse response = context.Response;
        (long from, long to) = (0, content.Length);
        string condition = context.Request.Headers.IfRange.ToString();
        bool sameVersion = !HasIfRange || condition is "" || condition == ETag;
        if (HasRanges && sameVersion && RangeHeaderValue.TryParse(context.Request.Headers.Range.ToString(), out RangeHeaderValue? range))
        {
            RangeItemHeaderValue item = range.Ranges.Single();
            from = item.From!.Value;
            if (from >= content.Length)
            {
                response.StatusCode = 416;
                return;
            }

            to = Math.Min(item.To!.Value + 1, content.Length);
            response.StatusCode = 206;
            response.Headers.ContentRange = string.Create(
                CultureInfo.InvariantCulture, $"bytes {from + RangeShift}-{to - 1 + RangeShift}/{ClaimedBytes ?? content.Length}");
        }

        if (ETag is not null)
        {
            response.Headers.ETag = ETag;
        }

        response.ContentLength = HasLength ? to - from : null;
        await SendAsync(context, content, from, to, Breaks(request, to - from));
    }

    private async Task SendAsync(HttpContext context, byte[] content, long from, long to, long? breakAfter)
    {
        long end = breakAfter is { } bytes ? Math.Min(from + bytes, to) : to;
        for (long at = from; at < end;)
        {
            int length = (int)Math.Min(16 << 10, end - at);
            long sent = Interlocked.Add(ref _sentBytes, length); // before the client can see them
            await context.Response.Body.WriteAsync(content.AsMemory((int)at, length), context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            at += length;
            await Sent(sent, context.RequestAborted);
        }

        if (breakAfter is not null)
        {
            context.Abort();
        }
    }
}

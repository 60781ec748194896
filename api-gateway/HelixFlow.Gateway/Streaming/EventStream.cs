using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Streaming;

/// <summary>Writes server-sent events, each flushed as soon as it is complete.</summary>
/// <remarks>One per response, used by one thread at a time. Reuses one JSON writer over the response's own buffer.</remarks>
internal sealed class EventStream : IDisposable
{
    private readonly HttpContext _context;
    private readonly PipeWriter _output;
    private readonly Utf8JsonWriter _json;

    private EventStream(HttpContext context)
    {
        _context = context;
        _output = context.Response.BodyWriter;
        _json = new Utf8JsonWriter(_output, JsonResponse.Options);
    }

    /// <summary>Sends the headers of a stream that no proxy should buffer or keep.</summary>
    public static EventStream Start(HttpContext context)
    {
        HttpResponse response = context.Response;
        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers.CacheControl = "no-cache";
        response.Headers["x-accel-buffering"] = "no";
        return new EventStream(context);
    }

    /// <summary>Sends one event whose data <paramref name="write"/> writes.</summary>
    public ValueTask<FlushResult> SendAsync<T>(T state, Action<Utf8JsonWriter, T> write)
    {
        Write("data: "u8);
        WriteJson(state, write);
        Write("\n\n"u8);
        return _output.FlushAsync(_context.RequestAborted);
    }

    /// <summary>Sends an error as the stream's next event.</summary>
    public ValueTask<FlushResult> SendErrorAsync(OpenAiError error) => SendAsync(error, static (json, error) => OpenAiErrorWriter.Write(json, error));

    /// <summary>A comment, which clients skip; keeps proxies from closing a silent connection.</summary>
    public ValueTask<FlushResult> SendKeepAliveAsync()
    {
        Write(": keep-alive\n\n"u8);
        return _output.FlushAsync(_context.RequestAborted);
    }

    /// <summary>A comment with a text, which ends at its first line break.</summary>
    public ValueTask<FlushResult> SendCommentAsync(string text)
    {
        int end = text.AsSpan().IndexOfAny('\r', '\n');
        Write(": "u8);
        Write(Encoding.UTF8.GetBytes(end < 0 ? text : text[..end]));
        Write("\n\n"u8);
        return _output.FlushAsync(_context.RequestAborted);
    }

    public ValueTask<FlushResult> SendDoneAsync()
    {
        Write("data: [DONE]\n\n"u8);
        return _output.FlushAsync(_context.RequestAborted);
    }

    public void Dispose() => _json.Dispose();

    // Flushing the JSON writer hands its bytes to the response's buffer; nothing is sent yet.
    private void WriteJson<T>(T state, Action<Utf8JsonWriter, T> write)
    {
        _json.Reset();
        write(_json, state);
        _json.Flush();
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_output.GetSpan(bytes.Length));
        _output.Advance(bytes.Length);
    }
}

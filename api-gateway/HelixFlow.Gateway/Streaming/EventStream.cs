using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Idempotency;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Streaming;

/// <summary>Writes server-sent events: <c>Send…</c> sends an event at once, <c>Add</c> leaves that to the next flush.</summary>
/// <remarks>
/// One per response, used by one thread at a time. Reuses one JSON writer over the response's own buffer. Sending is a system call, which costs
/// more than all else that is done for a token: events that are there together go out together.
/// </remarks>
internal sealed class EventStream : IChunkSink, IDisposable
{
    // Far above what a generation produces between two waits, far below what is worth holding.
    private const long MostUnsentBytes = 16 * 1024;

    private readonly HttpContext _context;
    private readonly PipeWriter _output;
    private readonly Utf8JsonWriter _json;
    private long _unsentBytes;

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

    /// <summary>Whether so much has been added that it should be sent before more is added.</summary>
    public bool IsFull => _unsentBytes >= MostUnsentBytes;

    /// <summary>Adds an event whose data <paramref name="write"/> writes; <see cref="FlushAsync"/> sends it.</summary>
    public void Add<T>(T state, Action<Utf8JsonWriter, T> write)
    {
        Write("data: "u8);
        WriteJson(state, write);
        Write("\n\n"u8);
    }

    /// <summary>Adds an event with a name.</summary>
    public void Add<T>(ReadOnlySpan<byte> name, T state, Action<Utf8JsonWriter, T> write)
    {
        Write("event: "u8);
        Write(name);
        Write("\n"u8);
        Add(state, write);
    }

    /// <summary>Adds an event of a named type with data that is JSON text already.</summary>
    public void Add(ReadOnlySpan<byte> type, ReadOnlySpan<byte> data)
    {
        Write("event: "u8);
        Write(type);
        Write("\ndata: "u8);
        Write(data);
        Write("\n\n"u8);
    }

    /// <summary>Sends what has been added.</summary>
    public async ValueTask FlushAsync()
    {
        if (_unsentBytes > 0)
        {
            _unsentBytes = 0;
            await _output.FlushAsync(_context.RequestAborted).ConfigureAwait(false);
        }
    }

    /// <summary>Sends one event whose data <paramref name="write"/> writes.</summary>
    public ValueTask SendAsync<T>(T state, Action<Utf8JsonWriter, T> write)
    {
        Add(state, write);
        return FlushAsync();
    }

    /// <summary>Sends an error as the stream's next event.</summary>
    public ValueTask SendErrorAsync(OpenAiError error)
    {
        IdempotencyFilter.MarkFailed(_context);
        return SendAsync(error, static (json, error) => OpenAiErrorWriter.Write(json, error));
    }

    /// <summary>A comment, which clients skip; keeps proxies from closing a silent connection.</summary>
    public ValueTask SendKeepAliveAsync()
    {
        Write(": keep-alive\n\n"u8);
        return FlushAsync();
    }

    /// <summary>A comment with a text, which ends at its first line break.</summary>
    public ValueTask SendCommentAsync(string text)
    {
        int end = text.AsSpan().IndexOfAny('\r', '\n');
        Write(": "u8);
        Write(Encoding.UTF8.GetBytes(end < 0 ? text : text[..end]));
        Write("\n\n"u8);
        return FlushAsync();
    }

    public ValueTask SendDoneAsync()
    {
        Write("data: [DONE]\n\n"u8);
        return FlushAsync();
    }

    public void Dispose() => _json.Dispose();

    // Flushing the JSON writer hands its bytes to the response's buffer; nothing is sent yet.
    private void WriteJson<T>(T state, Action<Utf8JsonWriter, T> write)
    {
        _json.Reset();
        write(_json, state);
        _json.Flush();
        _unsentBytes += _json.BytesCommitted;
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_output.GetSpan(bytes.Length));
        _output.Advance(bytes.Length);
        _unsentBytes += bytes.Length;
    }
}

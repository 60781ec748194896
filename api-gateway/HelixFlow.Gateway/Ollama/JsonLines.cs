using System.IO.Pipelines;
using System.Text.Json;
using HelixFlow.Gateway.Streaming;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Ollama;

/// <summary>Writes a stream of JSON values, one a line: <see cref="Add"/> leaves sending to <see cref="FlushAsync"/>.</summary>
/// <remarks>One per response, used by one thread at a time. The first value begins the response.</remarks>
internal sealed class JsonLines : IDisposable
{
    // As for server-sent events: far above what a generation produces between two waits, far below what is worth holding.
    private const long MostUnsentBytes = 16 * 1024;

    private readonly HttpContext _context;
    private readonly PipeWriter _output;
    private readonly Utf8JsonWriter _json;
    private long _unsentBytes;

    public JsonLines(HttpContext context)
    {
        _context = context;
        context.Response.ContentType = "application/x-ndjson";
        context.Response.Headers["x-accel-buffering"] = "no";
        _output = context.Response.BodyWriter;
        _json = new Utf8JsonWriter(_output, JsonResponse.Options);
    }

    /// <summary>Whether so much has been added that it should be sent before more is added.</summary>
    public bool IsFull => _unsentBytes >= MostUnsentBytes;

    public void Add<T>(T state, Action<Utf8JsonWriter, T> write)
    {
        _json.Reset();
        write(_json, state);
        _json.Flush();
        _output.GetSpan(1)[0] = (byte)'\n';
        _output.Advance(1);
        _unsentBytes += _json.BytesCommitted + 1;
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

    public void Dispose() => _json.Dispose();
}

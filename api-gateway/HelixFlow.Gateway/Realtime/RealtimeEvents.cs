using System.Buffers;
using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Sockets;
using HelixFlow.Gateway.Streaming;

namespace HelixFlow.Gateway.Realtime;

/// <summary>Sends the events of a Realtime session, each with an id of its own. Used by one thread at a time.</summary>
internal sealed class RealtimeEvents(SocketConnection connection) : IDisposable
{
    // A buffer that one long event has made larger than this is not kept.
    private const int MostBuffer = 64 * 1024;

    private readonly string _prefix = ObjectId.New("event_")[..30];
    private ArrayBufferWriter<byte> _buffer = new();
    private Utf8JsonWriter? _json;
    private long _next;

    /// <summary>Sends an event; <paramref name="write"/> writes what it has beside its type and id.</summary>
    public ValueTask SendAsync<T>(string type, T state, Action<Utf8JsonWriter, T> write)
    {
        Write(type, state, write);
        return connection.SendAsync(_buffer.WrittenMemory);
    }

    /// <summary>Sends an event about an item.</summary>
    public ValueTask SendItemAsync(string type, string itemJson) => SendAsync(type, itemJson, static (json, item) => WriteItem(json, item));

    /// <summary>Sends an event about an item's place in the conversation.</summary>
    public ValueTask SendItemAsync(string type, string? previous, string itemJson) => SendAsync(type, (previous, itemJson), static (json, state) =>
    {
        json.WriteString("previous_item_id"u8, state.previous);
        WriteItem(json, state.itemJson);
    });

    /// <summary>Sends an error.</summary>
    /// <param name="error">The error.</param>
    /// <param name="clientEvent">The id that the client gave to the event that caused it; null for none.</param>
    public ValueTask SendErrorAsync(OpenAiError error, string? clientEvent) => SendAsync("error", (error, clientEvent), static (json, state) =>
    {
        json.WriteStartObject("error"u8);
        json.WriteString("type"u8, state.error.Type);
        json.WriteString("code"u8, state.error.Code);
        json.WriteString("message"u8, state.error.Message);
        json.WriteString("param"u8, state.error.Param);
        json.WriteString("event_id"u8, state.clientEvent);
        json.WriteEndObject();
    });

    /// <inheritdoc/>
    public void Dispose() => _json?.Dispose();

    private void Write<T>(string type, T state, Action<Utf8JsonWriter, T> write)
    {
        if (_buffer.Capacity > MostBuffer)
        {
            _buffer = new ArrayBufferWriter<byte>();
        }

        _buffer.ResetWrittenCount();
        Utf8JsonWriter json = _json ??= new Utf8JsonWriter(_buffer, JsonResponse.Options);
        json.Reset(_buffer);
        json.WriteStartObject();
        json.WriteString("type"u8, type);
        json.WriteString("event_id"u8, string.Create(CultureInfo.InvariantCulture, $"{_prefix}{_next++:x6}"));
        write(json, state);
        json.WriteEndObject();
        json.Flush();
    }

    private static void WriteItem(Utf8JsonWriter json, string item)
    {
        json.WritePropertyName("item"u8);
        json.WriteRawValue(item, skipInputValidation: true);
    }
}

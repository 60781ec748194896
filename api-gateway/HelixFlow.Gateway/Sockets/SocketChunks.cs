using System.Buffers;
using System.Text.Json;
using HelixFlow.Gateway.Streaming;

namespace HelixFlow.Gateway.Sockets;

/// <summary>Chunks that go out as messages of a socket, one each. Used by one thread at a time.</summary>
internal sealed class SocketChunks(SocketConnection connection) : IChunkSink
{
    private readonly ArrayBufferWriter<byte> _buffer = new();
    private readonly List<int> _ends = [];

    /// <inheritdoc/>
    public void Add<T>(T state, Action<Utf8JsonWriter, T> write)
    {
        using (var json = new Utf8JsonWriter(_buffer, JsonResponse.Options))
        {
            write(json, state);
        }

        _ends.Add(_buffer.WrittenCount);
    }

    /// <summary>Sends what has been added; returns when the connection has taken it.</summary>
    public async ValueTask FlushAsync()
    {
        int start = 0;
        foreach (int end in _ends)
        {
            await connection.SendAsync(_buffer.WrittenMemory[start..end]);
            start = end;
        }

        _ends.Clear();
        _buffer.ResetWrittenCount();
    }
}

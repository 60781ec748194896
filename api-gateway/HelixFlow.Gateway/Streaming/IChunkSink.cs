using System.Text.Json;

namespace HelixFlow.Gateway.Streaming;

/// <summary>Takes the chunks of a streamed answer in their order: server-sent events, or messages of a socket.</summary>
internal interface IChunkSink
{
    /// <summary>Adds a chunk that <paramref name="write"/> writes.</summary>
    void Add<T>(T state, Action<Utf8JsonWriter, T> write);
}

using System.Text;
using System.Text.Json;

namespace HelixFlow.Gateway.Streaming;

/// <summary>Writes JSON into memory.</summary>
internal static class JsonText
{
    /// <summary>The JSON text that <paramref name="write"/> writes.</summary>
    public static string Of<T>(T state, Action<Utf8JsonWriter, T> write)
    {
        using MemoryStream stream = Write(state, write);
        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }

    /// <summary>The same as UTF-8.</summary>
    public static byte[] Utf8Of<T>(T state, Action<Utf8JsonWriter, T> write)
    {
        using MemoryStream stream = Write(state, write);
        return stream.ToArray();
    }

    private static MemoryStream Write<T>(T state, Action<Utf8JsonWriter, T> write)
    {
        var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, JsonResponse.Options))
        {
            write(json, state);
        }

        return stream;
    }
}

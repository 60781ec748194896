using System.Text;
using System.Text.Json;
using HelixFlow.Gateway.Streaming;

namespace HelixFlow.Gateway.Requests;

/// <summary>JSON that goes on inside a message to the inference service.</summary>
internal static class JsonText
{
    /// <summary>What <paramref name="write"/> writes.</summary>
    public static string Of<T>(T state, Action<Utf8JsonWriter, T> write)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, JsonResponse.Options))
        {
            write(json, state);
        }

        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }
}

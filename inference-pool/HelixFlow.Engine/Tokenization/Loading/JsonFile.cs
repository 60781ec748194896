using System.Text.Json;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Tokenization.Loading;

/// <summary>An open JSON document on disk; dispose after the last <see cref="JsonField"/> was read.</summary>
internal sealed class JsonFile : IDisposable
{
    // The largest published tokenizers are near 40 MB.
    private const long MaxSizeBytes = 256L << 20;

    private readonly JsonDocument _document;

    private JsonFile(string path, JsonDocument document)
    {
        _document = document;
        Root = new JsonField(path, document.RootElement);
    }

    public JsonField Root { get; }

    public static JsonFile Open(string path)
    {
        try
        {
            using var stream = File.OpenRead(path);
            if (stream.Length > MaxSizeBytes)
            {
                throw new ModelFormatException(path, null, $"is {stream.Length} bytes; a tokenizer file has at most {MaxSizeBytes}");
            }

            return new JsonFile(path, JsonDocument.Parse(stream));
        }
        catch (JsonException exception)
        {
            throw new ModelFormatException(path, null, $"is not JSON: {exception.Message}", exception);
        }
    }

    /// <summary>A document that is not on disk as such.</summary>
    /// <param name="path">The file that it was made from, for messages.</param>
    /// <param name="utf8">The document.</param>
    public static JsonFile Parse(string path, byte[] utf8) => new(path, JsonDocument.Parse(utf8));

    public static JsonFile? OpenIfPresent(string path) => File.Exists(path) ? Open(path) : null;

    public void Dispose() => _document.Dispose();
}

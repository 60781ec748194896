using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.VectorStores;

namespace HelixFlow.Gateway.Files;

/// <summary>The files inside the messages of one request: what the model reads of them, those that the request only names read before it is parsed.</summary>
/// <remarks>Immutable.</remarks>
internal sealed class InputFiles
{
    private const string Base64Mark = ";base64,";

    // A body that names one large file many times reads it once; all together are no larger than a body may be.
    private readonly IReadOnlyDictionary<string, (string? Text, OpenAiError? Error)> _stored;
    private readonly bool _areKnown;

    private InputFiles(IReadOnlyDictionary<string, (string?, OpenAiError?)> stored, bool areKnown = false)
    {
        _stored = stored;
        _areKnown = areKnown;
    }

    /// <summary>For a body whose files have been read before: they are no more looked at.</summary>
    public static InputFiles Known { get; } = new(new Dictionary<string, (string?, OpenAiError?)>(), areKnown: true);

    /// <summary>Reads the stored files that a body names.</summary>
    /// <param name="files">Where they are.</param>
    /// <param name="project">Whose they must be.</param>
    /// <param name="body">The body of a request.</param>
    /// <param name="maxBytes">Of all of them together.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public static async Task<InputFiles> ReadAsync(FileStore files, string project, JsonElement body, long maxBytes, CancellationToken cancellationToken)
    {
        var ids = new HashSet<string>(StringComparer.Ordinal);
        Collect(body, ids);
        var stored = new Dictionary<string, (string?, OpenAiError?)>(StringComparer.Ordinal);
        foreach (string id in ids)
        {
            StoredFile? file = await files.FindAsync(project, id, cancellationToken);
            maxBytes -= file?.Bytes ?? 0;
            stored[id] = file is null ? (null, FileErrors.NoSuch("File", id, "").Error)
                : maxBytes < 0 ? (null, OpenAiError.Invalid($"The files that the request names are too large: '{id}' does not fit any more.", null, "file_too_large"))
                : await ReadAsync(files, file, cancellationToken);
        }

        return new InputFiles(stored);
    }

    /// <summary>What the model reads of a file, from its name or its content.</summary>
    /// <param name="part">Has "file_id", or "file_data" and perhaps "filename".</param>
    /// <exception cref="OpenAiException">It is not there, or no text.</exception>
    public string Read(RequestFields part)
    {
        if (part.TryGet("file_url", out _))
        {
            throw part.Unsupported("file_url", "is not supported by this server: it fetches nothing. Upload the file, or send its content in 'file_data'.");
        }

        if (part.String("file_id") is not { } id)
        {
            return ReadData(part);
        }

        if (part.TryGet("file_data", out _))
        {
            throw RequestFields.Invalid(part.Param("file_id"), $"Mutually exclusive parameters: '{part.Param("file_id")}' and '{part.Param("file_data")}'.", "mutually_exclusive_parameters");
        }

        (string? text, OpenAiError? error) = _areKnown ? ("", null) : _stored[id];
        return text ?? throw new OpenAiException(error! with { Param = part.Param("file_id") });
    }

    private static string ReadData(RequestFields part)
    {
        string name = part.String("filename") ?? "file";
        string data = part.RequiredString("file_data");
        int mark = data.StartsWith("data:", StringComparison.OrdinalIgnoreCase) ? data.IndexOf(Base64Mark, StringComparison.OrdinalIgnoreCase) : -1;
        try
        {
            return Tell(name, Convert.FromBase64String(mark < 0 ? data : data[(mark + Base64Mark.Length)..]));
        }
        catch (FormatException exception)
        {
            throw new OpenAiException(OpenAiError.Invalid($"Invalid '{part.Param("file_data")}': expected base64-encoded data.", part.Param("file_data"), "invalid_value"), exception);
        }
        catch (IngestionException exception)
        {
            throw new OpenAiException(OpenAiError.Invalid(exception.Message, part.Param("file_data"), "unsupported_value"), exception);
        }
    }

    private static async Task<(string?, OpenAiError?)> ReadAsync(FileStore files, StoredFile file, CancellationToken cancellationToken)
    {
        try
        {
            byte[] bytes = new byte[file.Bytes];
            await using FileStream blob = files.Blobs.Open(file.Hash);
            await blob.ReadExactlyAsync(bytes, cancellationToken);
            return (Tell(file.Filename, bytes), null);
        }
        catch (FileNotFoundException)
        {
            return (null, FileErrors.NoSuch("File", file.Id, "").Error); // deleted meanwhile
        }
        catch (IngestionException exception)
        {
            return (null, OpenAiError.Invalid(exception.Message, null, "unsupported_value"));
        }
    }

    private static string Tell(string name, byte[] bytes) => $"{name}:\n\n{ExtractedText.Of(name, bytes)}";

    // {"type": "input_file", "file_id": …} and {"type": "file", "file": {"file_id": …}} wherever messages have their parts.
    private static void Collect(JsonElement value, HashSet<string> ids)
    {
        if (value.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement item in value.EnumerateArray())
            {
                Collect(item, ids);
            }
        }
        else if (value.ValueKind == JsonValueKind.Object)
        {
            if (value.TryGetProperty("file_id", out JsonElement id) && id.ValueKind == JsonValueKind.String)
            {
                ids.Add(id.GetString()!);
            }

            foreach (string name in (string[])["input", "messages", "items", "content", "output", "file"])
            {
                if (value.TryGetProperty(name, out JsonElement inner))
                {
                    Collect(inner, ids);
                }
            }
        }
    }
}

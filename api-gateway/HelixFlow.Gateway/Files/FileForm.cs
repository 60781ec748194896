using System.Text;
using HelixFlow.Gateway.Errors;
using HelixFlow.Storage;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace HelixFlow.Gateway.Files;

/// <summary>A multipart form with one file, which went to the disk as it arrived.</summary>
/// <param name="Fields">The other fields.</param>
/// <param name="File">The file's bytes: nothing refers to them yet.</param>
/// <param name="Filename">The last part of the name that the client gave it.</param>
internal sealed record FileForm(IReadOnlyDictionary<string, string> Fields, Blob File, string Filename)
{
    private const int LongestField = 8 << 10;
    private const int LongestName = 1024;
    private const int MostFields = 32;
    private const long Overhead = 1 << 20; // of the form around the file

    public string? this[string field] => Fields.GetValueOrDefault(field);

    /// <param name="context">The request.</param>
    /// <param name="store">Takes the file's bytes.</param>
    /// <param name="fileField">The name of the field with the file.</param>
    /// <param name="maxBytes">Most bytes of the file.</param>
    /// <param name="check">Checks the fields so far before the file is read, and all of them at the end.</param>
    /// <exception cref="OpenAiException">The form is not as it should be; nothing of it stays.</exception>
    /// <exception cref="StorageException">The disk is full or fails; nothing of it stays.</exception>
    public static async Task<FileForm> ReadAsync(HttpContext context, FileStore store, string fileField, long maxBytes, Action<IReadOnlyDictionary<string, string>, string>? check = null)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = maxBytes + Overhead;
        }

        var reader = new MultipartReader(BoundaryOf(context.Request.ContentType), context.Request.Body);
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        Blob? file = null;
        string filename = "";
        try
        {
            while (await reader.ReadNextSectionAsync(context.RequestAborted) is { } section)
            {
                if (!ContentDispositionHeaderValue.TryParse(section.ContentDisposition, out ContentDispositionHeaderValue? disposition) || Text(disposition.Name) is not { } name)
                {
                    throw Invalid("A part of the form has no name.", null);
                }

                string? sent = Text(disposition.FileNameStar) ?? Text(disposition.FileName);
                if (name != fileField)
                {
                    fields[name] = fields.Count < MostFields ? await FieldAsync(section, name, context.RequestAborted) : throw Invalid("The form has too many fields.", null);
                }
                else if (sent is null || file is not null)
                {
                    throw Invalid(sent is null ? $"Expected a file in '{fileField}': its part of the form needs a file name." : $"There is more than one '{fileField}'.", fileField);
                }
                else
                {
                    filename = NameOf(sent, fileField);
                    if (fields.ContainsKey("purpose"))
                    {
                        check?.Invoke(fields, filename); // before a large file is read for nothing
                    }

                    file = await store.Blobs.PutAsync(section.Body, maxBytes, context.RequestAborted);
                }
            }

            check?.Invoke(fields, filename);
            return new FileForm(fields, file ?? throw Invalid($"Missing required parameter: '{fileField}'.", fileField, "missing_required_parameter"), filename);
        }
        catch (Exception exception)
        {
            if (file is { } stored)
            {
                await store.ReleaseAsync([stored], CancellationToken.None);
            }

            throw Translate(exception, maxBytes, context.RequestAborted) ?? exception;
        }
    }

    private static OpenAiException? Translate(Exception exception, long maxBytes, CancellationToken clientGone) => exception switch
    {
        StorageException { Failure: StorageFailure.TooLarge } => FileErrors.TooLarge(maxBytes),
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } => FileErrors.TooLarge(maxBytes),
        StorageException or OpenAiException => null,
        InvalidDataException or IOException when !clientGone.IsCancellationRequested => Invalid($"The form could not be read: {exception.Message}", null),
        _ => null,
    };

    private static string BoundaryOf(string? contentType)
    {
        if (!MediaTypeHeaderValue.TryParse(contentType, out MediaTypeHeaderValue? type) || !type.MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase))
        {
            throw new OpenAiException(new OpenAiError(
                StatusCodes.Status415UnsupportedMediaType, "invalid_request_error", $"Unsupported content type: '{contentType}'. Send the file as multipart/form-data.", Code: "unsupported_content_type"));
        }

        return Text(type.Boundary) is { Length: > 0 and <= 200 } boundary ? boundary : throw Invalid("The form's content type names no boundary, or one that is too long.", null);
    }

    private static async Task<string> FieldAsync(MultipartSection section, string name, CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[LongestField + 1];
        int length = await section.Body.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken);
        return length <= LongestField ? Encoding.UTF8.GetString(bytes, 0, length) : throw Invalid($"The form's field '{name[..Math.Min(name.Length, 100)]}' is too long.", null);
    }

    // Some clients send a path; names of other folders mean nothing here.
    private static string NameOf(string sent, string fileField)
    {
        string name = sent[(sent.LastIndexOfAny(['/', '\\']) + 1)..];
        return name.Length is > 0 and <= LongestName && !name.Any(char.IsControl) ? name : throw Invalid("The file's name is empty, too long, or holds control characters.", fileField);
    }

    private static string? Text(Microsoft.Extensions.Primitives.StringSegment segment) => HeaderUtilities.RemoveQuotes(segment) is { HasValue: true, Length: > 0 } text ? text.ToString() : null;

    private static OpenAiException Invalid(string message, string? param, string? code = null) => new(OpenAiError.Invalid(message, param, code));
}

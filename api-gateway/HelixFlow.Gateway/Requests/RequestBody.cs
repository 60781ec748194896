using System.Text.Json;
using System.Text.Unicode;
using HelixFlow.Gateway.Errors;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Requests;

/// <summary>Reads a request's body once, as one JSON object whose texts are all valid Unicode.</summary>
internal static class RequestBody
{
    // Two fields of one name would mean different things to different readers; JSON Schema, templates and logs must agree.
    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 64, AllowDuplicateProperties = false };

    /// <param name="context">The request.</param>
    /// <param name="options">The limits.</param>
    /// <param name="ofAnyType">Whether the body may call itself something else than JSON.</param>
    /// <exception cref="OpenAiException">The body is not one JSON object within the limits.</exception>
    public static async ValueTask<JsonDocument> ReadAsync(HttpContext context, GatewayOptions options, bool ofAnyType = false)
    {
        if (!ofAnyType && context.Request.ContentType is { } type && !context.Request.HasJsonContentType())
        {
            throw new OpenAiException(OpenAiError.WrongContentType(type));
        }

        JsonDocument document = Parse(await BytesAsync(context, options));
        if (document.RootElement.ValueKind == JsonValueKind.Object)
        {
            return document;
        }

        using (document)
        {
            throw new OpenAiException(OpenAiError.Invalid($"The request body must be a JSON object, but it is {JsonKind.Describe(document.RootElement)}.", null));
        }
    }

    // The buffer grows with what arrives, not with what Content-Length claims.
    private static async ValueTask<ReadOnlyMemory<byte>> BytesAsync(HttpContext context, GatewayOptions options)
    {
        var bytes = new MemoryStream();
        try
        {
            await context.Request.Body.CopyToAsync(bytes, context.RequestAborted);
        }
        catch (BadHttpRequestException exception)
        {
            throw new OpenAiException(
                exception.StatusCode == StatusCodes.Status413PayloadTooLarge
                    ? OpenAiError.BodyTooLarge(options.MaxBodyBytes)
                    : OpenAiError.Invalid($"The request body could not be read: {exception.Message}", null),
                exception);
        }

        return bytes.GetBuffer().AsMemory(0, (int)bytes.Length);
    }

    private static JsonDocument Parse(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.Span.StartsWith("\uFEFF"u8))
        {
            bytes = bytes["\uFEFF"u8.Length..];
        }

        // The parser looks at neither; each would throw only when some text is read, or never and reach the tokenizer.
        if (!Utf8.IsValid(bytes.Span))
        {
            throw new OpenAiException(OpenAiError.Invalid("We could not parse the JSON body of your request: it is not valid UTF-8.", null));
        }

        if (JsonEscapes.FindLoneSurrogate(bytes.Span) is { } position)
        {
            throw new OpenAiException(OpenAiError.Invalid($"We could not parse the JSON body of your request: the escape at byte {position} is half of a surrogate pair.", null));
        }

        try
        {
            return JsonDocument.Parse(bytes, Strict);
        }
        catch (JsonException exception)
        {
            throw new OpenAiException(OpenAiError.Invalid($"We could not parse the JSON body of your request: {exception.Message}", null), exception);
        }
    }
}

using System.Text.Json;
using System.Text.Unicode;
using HelixFlow.Gateway.Errors;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace HelixFlow.Gateway.Requests;

/// <summary>Reads a request's body once, as one JSON object whose texts are all valid Unicode.</summary>
internal static class RequestBody
{
    // Two fields of one name would mean different things to different readers; JSON Schema, templates and logs must agree.
    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 64, AllowDuplicateProperties = false };

    private static readonly MediaTypeHeaderValue _json = new("application/json");
    private static readonly MediaTypeHeaderValue _events = new("text/event-stream");

    /// <param name="context">The request.</param>
    /// <param name="options">The limits.</param>
    /// <param name="ofAnyType">Whether the body may call itself something else than JSON.</param>
    /// <exception cref="OpenAiException">The body is not one JSON object within the limits.</exception>
    public static async ValueTask<JsonDocument> ReadAsync(HttpContext context, GatewayOptions options, bool ofAnyType = false)
    {
        if (!ofAnyType)
        {
            CheckContentType(context.Request);
            CheckAccept(context.Request);
        }

        return Parse(await BytesAsync(context, options));
    }

    /// <summary>A body, or a message of a socket, that has been read.</summary>
    /// <exception cref="OpenAiException">It is not one JSON object of valid texts.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> bytes)
    {
        JsonDocument document = ParseValue(bytes);
        if (document.RootElement.ValueKind == JsonValueKind.Object)
        {
            return document;
        }

        using (document)
        {
            throw new OpenAiException(OpenAiError.Invalid($"The request body must be a JSON object, but it is {JsonKind.Describe(document.RootElement)}.", null));
        }
    }

    // A body without a type is taken for JSON. JSON is UTF-8 (RFC 8259, section 8.1): other charsets would be misread.
    private static void CheckContentType(HttpRequest request)
    {
        if (request.ContentType is not { } type)
        {
            return;
        }

        if (!request.HasJsonContentType()
            || (MediaTypeHeaderValue.TryParse(type, out MediaTypeHeaderValue? parsed) && parsed.Charset.HasValue
                && !parsed.Charset.Equals("utf-8", StringComparison.OrdinalIgnoreCase) && !parsed.Charset.Equals("\"utf-8\"", StringComparison.OrdinalIgnoreCase)
                && !parsed.Charset.Equals("us-ascii", StringComparison.OrdinalIgnoreCase)))
        {
            throw new OpenAiException(OpenAiError.WrongContentType(type));
        }
    }

    // Clients name either type, whichever they get: only one that takes neither is refused. What cannot be parsed says nothing.
    private static void CheckAccept(HttpRequest request)
    {
        if (MediaTypeHeaderValue.TryParseList(request.Headers.Accept, out IList<MediaTypeHeaderValue>? accepted) && accepted.Count > 0
            && !accepted.Any(static type => type.Quality is not 0 && (_json.IsSubsetOf(type) || _events.IsSubsetOf(type))))
        {
            throw new OpenAiException(OpenAiError.NotAcceptable(request.Headers.Accept.ToString()));
        }
    }

    /// <summary>The whole body, unpacked.</summary>
    /// <exception cref="OpenAiException">It is too large, too slow or damaged.</exception>
    // The buffer grows with what arrives, not with what Content-Length claims.
    public static async ValueTask<ReadOnlyMemory<byte>> BytesAsync(HttpContext context, GatewayOptions options)
    {
        var bytes = new MemoryStream();
        try
        {
            await context.Request.Body.CopyToAsync(bytes, context.RequestAborted);
        }
        catch (BadHttpRequestException exception)
        {
            throw new OpenAiException(OpenAiError.BadHttp(exception, options.MaxBodyBytes), exception);
        }

        return bytes.GetBuffer().AsMemory(0, (int)bytes.Length);
    }

    private static JsonDocument ParseValue(ReadOnlyMemory<byte> bytes)
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

using System.Text.Json;
using HelixFlow.Gateway.Errors;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Requests;

/// <summary>Reads a request's body once, as one JSON object.</summary>
internal static class RequestBody
{
    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 64, AllowDuplicateProperties = true };

    /// <exception cref="OpenAiException">The body is not one JSON object within the limits.</exception>
    public static async ValueTask<JsonDocument> ReadAsync(HttpContext context, GatewayOptions options)
    {
        if (context.Request.ContentType is { } type && !context.Request.HasJsonContentType())
        {
            throw new OpenAiException(OpenAiError.WrongContentType(type));
        }

        JsonDocument? document = null;
        try
        {
            document = await JsonDocument.ParseAsync(context.Request.Body, Strict, context.RequestAborted);
            if (document.RootElement.ValueKind == JsonValueKind.Object)
            {
                return document;
            }
        }
        catch (JsonException exception)
        {
            throw new OpenAiException(OpenAiError.Invalid($"We could not parse the JSON body of your request: {exception.Message}", null), exception);
        }
        catch (BadHttpRequestException exception)
        {
            throw new OpenAiException(
                exception.StatusCode == StatusCodes.Status413PayloadTooLarge
                    ? OpenAiError.BodyTooLarge(options.MaxBodyBytes)
                    : OpenAiError.Invalid($"The request body could not be read: {exception.Message}", null),
                exception);
        }

        using (document)
        {
            throw new OpenAiException(OpenAiError.Invalid($"The request body must be a JSON object, but it is {JsonKind.Describe(document.RootElement)}.", null));
        }
    }
}

using System.Text.Json;
using HelixFlow.Gateway.Errors;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Anthropic;

/// <summary>Errors in the form of Anthropic's API: {"type": "error", "error": {"type": …, "message": …}, "request_id": …}.</summary>
internal static class AnthropicErrors
{
    /// <summary>The code of the error for a request that would have the server keep the conversation.</summary>
    public const string NoThreads = "thread_unsupported_request";

    // What Anthropic answers when a service cannot take a request for the moment.
    private const int Overloaded = 529;

    /// <summary>The HTTP status that Anthropic's API has for an error.</summary>
    public static int StatusOf(OpenAiError error) => error.Status switch
    {
        StatusCodes.Status503ServiceUnavailable => Overloaded,
        StatusCodes.Status501NotImplemented => StatusCodes.Status400BadRequest, // nothing that trying again would help
        int status => status,
    };

    /// <summary>Writes an error.</summary>
    public static void Write(Utf8JsonWriter json, OpenAiError error, string requestId)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "error"u8);
        json.WriteStartObject("error"u8);
        json.WriteString("type"u8, TypeOf(error));
        json.WriteString("message"u8, error.Message);
        if (error.Code == NoThreads)
        {
            json.WriteStartObject("details"u8);
            json.WriteString("error_code"u8, NoThreads);
            json.WriteStartArray("unsupported"u8);
            json.WriteStringValue("thread"u8);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteString("request_id"u8, requestId);
        json.WriteEndObject();
    }

    private static ReadOnlySpan<byte> TypeOf(OpenAiError error) => StatusOf(error) switch
    {
        StatusCodes.Status401Unauthorized => "authentication_error"u8,
        StatusCodes.Status403Forbidden => "permission_error"u8,
        StatusCodes.Status404NotFound => "not_found_error"u8,
        StatusCodes.Status413PayloadTooLarge => "request_too_large"u8,
        StatusCodes.Status429TooManyRequests => "rate_limit_error"u8,
        StatusCodes.Status504GatewayTimeout => "timeout_error"u8,
        Overloaded => "overloaded_error"u8,
        >= 400 and < 500 => "invalid_request_error"u8,
        _ => "api_error"u8,
    };
}

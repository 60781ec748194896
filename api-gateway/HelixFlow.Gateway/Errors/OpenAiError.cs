using System.Globalization;
using HelixFlow.Schemas;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Errors;

/// <summary>An error of the OpenAI API: HTTP status, and the four keys of its error object.</summary>
/// <remarks>The only table of these errors; nothing else decides what an error looks like.</remarks>
internal sealed record OpenAiError(int Status, string Type, string Message, string? Param = null, string? Code = null)
{
    private const string InvalidRequest = "invalid_request_error";

    private const int LongestMessage = 1000;

    /// <summary>How long the client should wait before it tries again; null when that would not help.</summary>
    public TimeSpan? RetryAfter { get; init; }

    public static OpenAiError MissingKey { get; } = new(
        StatusCodes.Status401Unauthorized,
        InvalidRequest,
        "You didn't provide an API key. Send it in the Authorization header with Bearer auth (Authorization: Bearer YOUR_KEY). " +
        "The server shows its admin key at its first start and keeps it in its data folder.");

    public static OpenAiError WrongKey { get; } = new(
        StatusCodes.Status401Unauthorized, InvalidRequest, "Incorrect API key provided.", Code: "invalid_api_key");

    public static OpenAiError Forbidden { get; } = new(
        StatusCodes.Status403Forbidden, InvalidRequest, "This API key does not have the scope that the request needs.", Code: "insufficient_permissions");

    public static OpenAiError Unexpected { get; } = new(
        StatusCodes.Status500InternalServerError, "server_error", "The server had an error while processing your request. Please try again.");

    public static OpenAiError ModelNotFound(string model) => new(
        StatusCodes.Status404NotFound, InvalidRequest, $"The model '{model}' does not exist or you do not have access to it.", "model", "model_not_found");

    public static OpenAiError ResponseNotFound(string id) => new(
        StatusCodes.Status404NotFound, InvalidRequest, $"Response with id '{id}' not found.");

    public static OpenAiError ConversationNotFound(string id) => new(
        StatusCodes.Status404NotFound, InvalidRequest, $"Conversation with id '{id}' not found.");

    public static OpenAiError ItemNotFound(string id, string? param = null) => new(
        StatusCodes.Status404NotFound, InvalidRequest, $"Item with id '{id}' not found.", param);

    public static OpenAiError CompletionNotFound(string id) => new(
        StatusCodes.Status404NotFound, InvalidRequest, $"Completion {id} not found", "completion_id", "not_found");

    public static OpenAiError UnknownUrl(string method, string path) => new(
        StatusCodes.Status404NotFound, InvalidRequest, $"Invalid URL ({method} {path})", Code: "unknown_url");

    public static OpenAiError WrongMethod(string method, string path) => new(
        StatusCodes.Status405MethodNotAllowed, InvalidRequest, $"Not allowed to {method} on {path}.", Code: "method_not_supported");

    public static OpenAiError BodyTooLarge(long most) => new(
        StatusCodes.Status413PayloadTooLarge, InvalidRequest, string.Create(CultureInfo.InvariantCulture, $"The request body is larger than {most} bytes."), Code: "request_too_large");

    public static OpenAiError WrongContentType(string? given) => new(
        StatusCodes.Status415UnsupportedMediaType, InvalidRequest, $"Unsupported content type: '{given}'. Send the body as application/json.", Code: "unsupported_content_type");

    /// <summary>Messages quote what was sent; a message is cut where that would make the answer as large as the request.</summary>
    public static OpenAiError Invalid(string message, string? param, string? code = null) => new(
        StatusCodes.Status400BadRequest, InvalidRequest, message.Length <= LongestMessage ? message : message[..LongestMessage] + "…", param, code);

    /// <summary>What the inference service's refusal is to a client.</summary>
    /// <param name="exception">The refusal.</param>
    /// <param name="promptParam">The name that the endpoint gives its prompt: "messages" or "prompt".</param>
    public static OpenAiError Of(InferenceException exception, string promptParam)
    {
        string? param = exception.Field is "prompt" ? promptParam : exception.Field;
        OpenAiError error = exception.Error switch
        {
            InferenceError.InvalidArgument => Invalid(exception.Message, param),
            InferenceError.ContextLengthExceeded => Invalid(exception.Message, param ?? promptParam, "context_length_exceeded"),
            InferenceError.ModelNotFound => new OpenAiError(StatusCodes.Status404NotFound, InvalidRequest, exception.Message, "model", "model_not_found"),
            InferenceError.Overloaded => new OpenAiError(StatusCodes.Status429TooManyRequests, "rate_limit_error", exception.Message, Code: "engine_overloaded"),
            InferenceError.Unavailable => new OpenAiError(StatusCodes.Status503ServiceUnavailable, "server_error", exception.Message, Code: "unavailable"),
            InferenceError.ModelUnavailable => new OpenAiError(StatusCodes.Status503ServiceUnavailable, "server_error", exception.Message, "model", "model_unavailable"),
            InferenceError.DeadlineExceeded => new OpenAiError(StatusCodes.Status504GatewayTimeout, "server_error", exception.Message, Code: "timeout"),
            InferenceError.Unsupported => new OpenAiError(StatusCodes.Status501NotImplemented, InvalidRequest, exception.Message, Code: "unsupported"),
            InferenceError.Internal => new OpenAiError(StatusCodes.Status500InternalServerError, "server_error", exception.Message),
            _ => Unexpected,
        };
        return error with { RetryAfter = exception.RetryAfter };
    }
}

/// <summary>A request that cannot be served; ends its handling wherever it is thrown, before the response has begun.</summary>
internal sealed class OpenAiException(OpenAiError error, Exception? innerException = null) : Exception(error.Message, innerException)
{
    public OpenAiError Error { get; } = error;
}

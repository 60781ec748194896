using System.Globalization;
using HelixFlow.Gateway.Limits;
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

    /// <summary>Whether the same request may succeed later.</summary>
    public bool MayRetry { get; init; } = Status is StatusCodes.Status408RequestTimeout or StatusCodes.Status409Conflict or StatusCodes.Status429TooManyRequests or >= 500 and not StatusCodes.Status501NotImplemented;

    public static OpenAiError MissingKey { get; } = new(
        StatusCodes.Status401Unauthorized,
        InvalidRequest,
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY). " +
        "The server shows its admin key at its first start and keeps it in its data folder.");

    public static OpenAiError IdempotencyInFlight { get; } = new(
        StatusCodes.Status409Conflict, InvalidRequest, "A request with this Idempotency-Key is being processed. Please try again later.", Code: "idempotency_key_in_use")
    {
        RetryAfter = TimeSpan.FromSeconds(1),
    };

    public static OpenAiError IdempotencyMismatch { get; } = new(
        StatusCodes.Status422UnprocessableEntity, InvalidRequest, "This Idempotency-Key was used with another request body before. Use a new key for a new request.", Code: "idempotency_key_reused");

    public static OpenAiError SlowBody { get; } = new(
        StatusCodes.Status408RequestTimeout, InvalidRequest, "The request body arrived too slowly.", Code: "request_timeout");

    public static OpenAiError Forbidden { get; } = new(
        StatusCodes.Status403Forbidden, InvalidRequest, "This API key does not have the scope that the request needs.", Code: "insufficient_permissions");

    public static OpenAiError Unexpected { get; } = new(
        StatusCodes.Status500InternalServerError, "server_error", "The server had an error while processing your request. Please try again.");

    public static OpenAiError ModelNotFound(string model) => new(
        StatusCodes.Status404NotFound, InvalidRequest, $"The model '{model}' does not exist or you do not have access to it.", "model", "model_not_found");

    public static OpenAiError WrongKey(string key) => new(
        StatusCodes.Status401Unauthorized, InvalidRequest, $"Incorrect API key provided: {Masked(key)}. The server shows its admin key at its first start and keeps it in its data folder.", Code: "invalid_api_key");

    /// <param name="project">Whose limit it is.</param>
    /// <param name="unit">"requests" or "tokens".</param>
    /// <param name="shortUnit">"RPM" or "TPM".</param>
    /// <param name="limit">Per minute.</param>
    /// <param name="used">Of it.</param>
    /// <param name="requested">What this request needs.</param>
    /// <param name="wait">When it may be tried again.</param>
    public static OpenAiError RateLimited(string project, string unit, string shortUnit, long limit, long used, long requested, TimeSpan wait) => new(
        StatusCodes.Status429TooManyRequests,
        unit,
        string.Create(CultureInfo.InvariantCulture, $"Rate limit reached for project {project} on {unit} per min ({shortUnit}): Limit {limit}, Used {used}, Requested {requested}. Please try again in {ResetDuration.Text(wait)}."),
        Code: "rate_limit_exceeded")
    {
        RetryAfter = wait,
    };

    /// <inheritdoc cref="RateLimited"/>
    public static OpenAiError LargerThanLimit(string project, string unit, string shortUnit, long limit, long requested) => new(
        StatusCodes.Status429TooManyRequests,
        unit,
        string.Create(CultureInfo.InvariantCulture, $"Request too large for project {project} on {unit} per min ({shortUnit}): Limit {limit}, Requested {requested}. The input or output tokens must be reduced in order to run successfully."),
        Code: "rate_limit_exceeded")
    {
        MayRetry = false,
    };

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

    public static OpenAiError UpgradeRequired(string path) => new(
        StatusCodes.Status426UpgradeRequired, InvalidRequest, $"{path} speaks WebSocket only: the request must ask for an upgrade.", Code: "upgrade_required");

    public static OpenAiError WrongMethod(string method, string path) => new(
        StatusCodes.Status405MethodNotAllowed, InvalidRequest, $"Not allowed to {method} on {path}.", Code: "method_not_supported");

    public static OpenAiError BodyTooLarge(long most) => new(
        StatusCodes.Status413PayloadTooLarge, InvalidRequest, string.Create(CultureInfo.InvariantCulture, $"The request body is larger than {most} bytes."), Code: "request_too_large");

    public static OpenAiError WrongContentType(string? given) => new(
        StatusCodes.Status415UnsupportedMediaType, InvalidRequest, $"Unsupported content type: '{given}'. This API method only accepts 'application/json' requests, but you specified the header 'Content-Type: {given}'. Please try again with a supported content type.", Code: "unsupported_content_type");

    public static OpenAiError WrongContentEncoding(string given, string supported) => new(
        StatusCodes.Status415UnsupportedMediaType, InvalidRequest, Cut($"Unsupported content encoding: '{given}'. Supported encodings are: {supported}."), Code: "unsupported_content_encoding");

    public static OpenAiError NotAcceptable(string accept) => new(
        StatusCodes.Status406NotAcceptable, InvalidRequest, Cut($"This API method answers with 'application/json' or 'text/event-stream', but you specified the header 'Accept: {accept}'."), Code: "not_acceptable");

    public static OpenAiError InvalidHeader(string header, string rule) => new(
        StatusCodes.Status400BadRequest, InvalidRequest, $"Invalid '{header}' header: {rule}.", Code: "invalid_header");

    /// <summary>Messages quote what was sent; a message is cut where that would make the answer as large as the request.</summary>
    public static OpenAiError Invalid(string message, string? param, string? code = null) => new(
        StatusCodes.Status400BadRequest, InvalidRequest, Cut(message), param is null ? null : Cut(param), code);

    /// <summary>What the server found wrong with a request while it was read.</summary>
    public static OpenAiError BadHttp(BadHttpRequestException exception, long mostBytes) => exception.StatusCode switch
    {
        StatusCodes.Status413PayloadTooLarge => BodyTooLarge(mostBytes),
        StatusCodes.Status408RequestTimeout => SlowBody,
        _ => Invalid($"The request body could not be read: {exception.Message}", null),
    };

    private static string Cut(string message) =>
        message.Length <= LongestMessage ? message
        : message[..(char.IsHighSurrogate(message[LongestMessage - 1]) ? LongestMessage - 1 : LongestMessage)] + "…";

    // As OpenAI shows keys: enough to tell which one it was.
    private static string Masked(string key) => key.Length < 16 ? new string('*', key.Length) : $"{key[..8]}****{key[^4..]}";

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

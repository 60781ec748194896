using System.Globalization;
using HelixFlow.Gateway.Errors;
using HelixFlow.Storage;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Files;

/// <summary>The errors of stored files, uploads and what is made of them.</summary>
internal static class FileErrors
{
    private const string InvalidRequest = "invalid_request_error";

    /// <summary>For an id that names nothing of the client's project, whether or not it names something of another one.</summary>
    public static OpenAiException NoSuch(string kind, string id, string param) =>
        new(new OpenAiError(StatusCodes.Status404NotFound, InvalidRequest, $"No such {kind} object: {id}", param));

    public static OpenAiException TooLarge(long most) => new(new OpenAiError(
        StatusCodes.Status413PayloadTooLarge, InvalidRequest, string.Create(CultureInfo.InvariantCulture, $"The file is larger than {most} bytes."), "file", "file_too_large"));

    public static OpenAiException WrongState(string message) => new(new OpenAiError(StatusCodes.Status409Conflict, InvalidRequest, message));

    /// <summary>For content that was deleted by someone else while it was being stored: to store it again helps.</summary>
    public static OpenAiException Lost() => new(
        new OpenAiError(StatusCodes.Status503ServiceUnavailable, "server_error", "The same content was deleted at the same moment. Please send it again.", Code: "unavailable"));

    /// <summary>What a failure of the disk is to a client.</summary>
    public static OpenAiError Of(StorageException exception) => exception.Failure switch
    {
        StorageFailure.Full => new OpenAiError(
            StatusCodes.Status507InsufficientStorage, "server_error", "The server's disk is full. Nothing was stored.", Code: "insufficient_storage"),
        StorageFailure.Closed => new OpenAiError(StatusCodes.Status503ServiceUnavailable, "server_error", "The server is shutting down.", Code: "unavailable"),
        _ => OpenAiError.Unexpected,
    };
}

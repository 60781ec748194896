using HelixFlow.Schemas;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway;

/// <summary>What the gateway logs: failures of its own, never prompts, completions or keys.</summary>
internal static partial class GatewayLog
{
    [LoggerMessage(1001, LogLevel.Error, "Request {RequestId} failed")]
    public static partial void RequestFailed(ILogger logger, string requestId, Exception exception);

    [LoggerMessage(1004, LogLevel.Debug, "Request {RequestId} {Method} {Route} ended with {Status}; its client calls it {ClientId}, organization {Organization}, project {Project}")]
    public static partial void RequestEnded(ILogger logger, string requestId, string method, string route, int status, string clientId, string organization, string project);

    /// <summary>A stream ended with an error that its client was told of.</summary>
    public static void StreamFailed(ILogger logger, string requestId, Exception exception)
    {
        // What the inference service says of itself needs no stack: a lost node would write one for each of its streams.
        if (exception is InferenceException { Error: not InferenceError.Internal })
        {
            StreamEnded(logger, requestId, exception.Message);
        }
        else
        {
            StreamBroke(logger, requestId, exception);
        }
    }

    [LoggerMessage(1002, LogLevel.Error, "The stream of request {RequestId} failed")]
    private static partial void StreamBroke(ILogger logger, string requestId, Exception exception);

    [LoggerMessage(1003, LogLevel.Warning, "The stream of request {RequestId} ended with an error: {Reason}")]
    private static partial void StreamEnded(ILogger logger, string requestId, string reason);

    [LoggerMessage(1005, LogLevel.Warning, "A file search of request {RequestId} failed")]
    public static partial void SearchFailed(ILogger logger, string requestId, Exception exception);
}

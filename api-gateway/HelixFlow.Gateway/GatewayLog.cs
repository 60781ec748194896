using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway;

/// <summary>What the gateway logs: failures of its own, never prompts, completions or keys.</summary>
internal static partial class GatewayLog
{
    [LoggerMessage(1001, LogLevel.Error, "Request {RequestId} failed")]
    public static partial void RequestFailed(ILogger logger, string requestId, Exception exception);

    [LoggerMessage(1002, LogLevel.Error, "The stream of request {RequestId} failed")]
    public static partial void StreamFailed(ILogger logger, string requestId, Exception exception);
}

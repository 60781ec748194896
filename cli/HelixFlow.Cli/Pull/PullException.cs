namespace HelixFlow.Cli.Pull;

/// <summary>A pull cannot go on; the message says why and what helps, for the person at the terminal.</summary>
internal sealed class PullException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A request failed in a way that may pass: a dropped connection, an overloaded server.</summary>
internal sealed class TransientException(string message, TimeSpan? retryAfter = null, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>How long the server asked to be left alone.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;
}

/// <summary>The server's file is not the one whose first part was downloaded: start over.</summary>
internal sealed class RemoteChangedException(string message) : Exception(message);

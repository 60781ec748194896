using System.Net;

namespace HelixFlow.Discovery.Consul;

/// <summary>The agent could not be reached, took too long, refused or answered what cannot be understood. Trying again may help.</summary>
internal sealed class ConsulException(string message, HttpStatusCode? status = null, Exception? innerException = null)
    : Exception(message, innerException)
{
    /// <summary>What the agent answered; null when it did not.</summary>
    public HttpStatusCode? Status { get; } = status;
}

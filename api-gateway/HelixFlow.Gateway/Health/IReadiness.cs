namespace HelixFlow.Gateway.Health;

/// <summary>Whether requests are served: the host's answer for <c>GET /readyz</c>.</summary>
public interface IReadiness
{
    /// <summary>True once the models are loaded and while the server is not shutting down.</summary>
    bool IsReady { get; }
}

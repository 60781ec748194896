using Microsoft.Extensions.Logging;

namespace HelixFlow.Discovery.Consul;

/// <summary>The passing instances of a Consul service.</summary>
/// <param name="Agent">Whom to ask.</param>
/// <param name="Service">The service's name.</param>
public sealed record ConsulDiscoveryOptions(ConsulAgentOptions Agent, string Service) : DiscoveryOptions
{
    /// <summary>Only instances with this tag; null for all.</summary>
    public string? Tag { get; init; }

    /// <summary>The scheme of instances whose metadata has no "scheme": http (the default) or https.</summary>
    public string Scheme { get; init; } = Uri.UriSchemeHttp;

    /// <summary>How long the agent holds a question until something changes: at most 10 minutes. Default 55 s.</summary>
    public TimeSpan Wait { get; init; } = TimeSpan.FromSeconds(55);

    /// <summary>When changes come fast, how far apart they are asked for; two in a row are not slowed down. Default 2 s.</summary>
    public TimeSpan ChurnInterval { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>The first pause after a failure. Default 1 s.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest pause after failures. Default 30 s.</summary>
    public TimeSpan LongestPause { get; init; } = TimeSpan.FromSeconds(30);

    /// <inheritdoc/>
    public override INodeDiscovery Create(ILoggerFactory loggers, TimeProvider time, Random random) =>
        new ConsulDiscovery(this, time, random, loggers.CreateLogger<ConsulDiscovery>());

    internal void Validate()
    {
        Agent.Validate();
        ArgumentException.ThrowIfNullOrWhiteSpace(Service);
        ArgumentOutOfRangeException.ThrowIfLessThan(Wait, TimeSpan.FromSeconds(1));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Wait, TimeSpan.FromMinutes(10));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(ChurnInterval, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(FirstPause, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(LongestPause, FirstPause);
    }
}

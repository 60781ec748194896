using System.Collections.Concurrent;

namespace HelixFlow.Gateway.Limits;

/// <summary>How much each project may ask for in a minute: requests, and tokens. Thread-safe.</summary>
/// <remarks>Projects come from the key authority, so that their number is bounded by it and not by what clients send.</remarks>
internal sealed class RateLimits(GatewayOptions options, TimeProvider time)
{
    // The request that the current call belongs to; null in work that no request waits for, which is not limited.
    private static readonly AsyncLocal<ProjectLimits?> _current = new();

    private readonly ConcurrentDictionary<string, ProjectLimits> _projects = new(StringComparer.Ordinal);

    /// <summary>Whether there are any limits.</summary>
    public bool AreSet => options.RequestsPerMinute > 0 || options.TokensPerMinute > 0;

    /// <summary>The limits of the project whose request the calling code serves; null outside of requests, and when there are none.</summary>
    public static ProjectLimits? Current => _current.Value;

    /// <summary>The limits of a project.</summary>
    public ProjectLimits Of(string project) =>
        _projects.GetOrAdd(project, static (name, limits) => new ProjectLimits(name, limits.Options, limits.Time), (Options: options, Time: time));

    /// <summary>Lets everything that the caller calls from here on count for a project.</summary>
    public static void Enter(ProjectLimits limits) => _current.Value = limits;
}

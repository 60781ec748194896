namespace HelixFlow.InferenceNode.Hosting;

/// <summary>How requests wait for models to load.</summary>
public sealed record HostOptions
{
    /// <summary>Most requests that wait for one model; default 256.</summary>
    public int MaxWaiting { get; init; } = 256;

    /// <summary>For how long after a failed load requests get the same failure at once; default 5 s.</summary>
    public TimeSpan PauseAfterFailure { get; init; } = TimeSpan.FromSeconds(5);
}

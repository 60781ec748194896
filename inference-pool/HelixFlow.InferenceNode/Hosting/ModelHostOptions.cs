namespace HelixFlow.InferenceNode.Hosting;

/// <summary>How a node treats requests for models that are not there yet.</summary>
public sealed record ModelHostOptions
{
    /// <summary>Most requests that wait for models to be loaded, over all models; zero or more. Further ones are refused. Default 256.</summary>
    public int MaxWaiting { get; init; } = 256;

    /// <summary>
    /// How long after a failed load requests get the same failure at once instead of another attempt. Zero or more; default 5 s: a broken file is
    /// not read again with every request, and a repaired one is found soon.
    /// </summary>
    public TimeSpan RetryLoadAfter { get; init; } = TimeSpan.FromSeconds(5);

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(MaxWaiting);
        ArgumentOutOfRangeException.ThrowIfLessThan(RetryLoadAfter, TimeSpan.Zero);
    }
}

namespace HelixFlow.Gateway.Routing;

/// <summary>When a node is left out because its requests fail, and for how long.</summary>
public sealed class CircuitOptions
{
    /// <summary>Failures in a row that open the circuit; at least 1. Default 5.</summary>
    public int ConsecutiveFailures { get; set; } = 5;

    /// <summary>Share of failures within <see cref="Window"/> that opens it; (0, 1]. Default 0.5.</summary>
    public double FailureRatio { get; set; } = 0.5;

    /// <summary>Results within <see cref="Window"/> below which the share says nothing; at least 1. Default 20.</summary>
    public int MinimumResults { get; set; } = 20;

    /// <summary>The time over which the share is taken. Default 30 s.</summary>
    public TimeSpan Window { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long it stays open at first; each failed probe doubles it. Default 1 s.</summary>
    public TimeSpan OpenFor { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest it stays open before the next probe. Default 60 s.</summary>
    public TimeSpan LongestOpen { get; set; } = TimeSpan.FromSeconds(60);

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(ConsecutiveFailures, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MinimumResults, 1);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(FailureRatio);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(FailureRatio, 1);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(Window, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(OpenFor, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(LongestOpen, OpenFor);
    }
}

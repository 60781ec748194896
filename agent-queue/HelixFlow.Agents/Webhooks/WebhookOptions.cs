namespace HelixFlow.Agents.Webhooks;

/// <summary>How webhooks are delivered. Copied when the sender is made.</summary>
public sealed class WebhookOptions
{
    /// <summary>Whether receivers may be at private, loopback and link-local addresses. Default false: whoever may submit jobs could reach what only this machine should.</summary>
    public bool AllowPrivateAddresses { get; set; }

    /// <summary>Tries before a delivery is given up. Default 12, which take about three hours.</summary>
    public int MaxAttempts { get; set; } = 12;

    /// <summary>Wait after the first try that failed; it doubles with each further one, less up to a half at random. Default 5 seconds.</summary>
    public TimeSpan Backoff { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>The longest wait of our own. Default 1 hour.</summary>
    public TimeSpan MaxBackoff { get; set; } = TimeSpan.FromHours(1);

    /// <summary>The longest wait that a receiver may ask for by Retry-After. Default 1 day.</summary>
    public TimeSpan MaxRetryAfter { get; set; } = TimeSpan.FromDays(1);

    /// <summary>How long a receiver may take to answer. Default 15 seconds.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>Deliveries at the same time in this process. Default 16.</summary>
    public int Concurrency { get; set; } = 16;

    /// <summary>How often it is looked for deliveries although no hint has come. Default 1 second.</summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromSeconds(1);
}

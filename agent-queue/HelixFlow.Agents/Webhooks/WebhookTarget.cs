using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Webhooks;

/// <summary>What somebody wants to be told about a run. The numbers are stored.</summary>
[Flags]
public enum WebhookEvents
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>It has ended with an output.</summary>
    Succeeded = 1,

    /// <summary>It has ended because somebody wanted it.</summary>
    Cancelled = 2,

    /// <summary>It has ended without an output.</summary>
    Died = 4,

    /// <summary>A step's outcome is unknown, and somebody must decide.</summary>
    StepParked = 8,

    /// <summary>It has told how far it is.</summary>
    Progressed = 16,

    /// <summary>An attempt has failed, and another one follows.</summary>
    AttemptFailed = 32,

    /// <summary>A worker has begun an attempt.</summary>
    AttemptStarted = 64,

    /// <summary>That it has ended, however.</summary>
    Ended = Succeeded | Cancelled | Died,
}

/// <summary>Where and about what the events of a run are told.</summary>
/// <param name="Url">An http or https address.</param>
/// <param name="Events">Which events.</param>
/// <param name="Secret">What deliveries are signed with, as <c>whsec_</c> and base64; null when <paramref name="SecretName"/> names one.</param>
/// <param name="SecretName">The name of a secret of the project.</param>
public sealed record WebhookTarget(string Url, WebhookEvents Events, string? Secret, string? SecretName)
{
    /// <summary>Without the secret: records print their members.</summary>
    public override string ToString() => $"{new Uri(Url).Host} {Events}";

    internal static WebhookEvents EventOf(JournalEvent happened) => happened switch
    {
        JournalEvent.Succeeded => WebhookEvents.Succeeded,
        JournalEvent.Cancelled => WebhookEvents.Cancelled,
        JournalEvent.Died => WebhookEvents.Died,
        JournalEvent.StepParked => WebhookEvents.StepParked,
        JournalEvent.Progressed => WebhookEvents.Progressed,
        JournalEvent.AttemptFailed => WebhookEvents.AttemptFailed,
        JournalEvent.AttemptStarted => WebhookEvents.AttemptStarted,
        _ => WebhookEvents.None,
    };
}

namespace HelixFlow.Agents.Webhooks;

/// <summary>Where a delivery is. The numbers are stored.</summary>
public enum DeliveryState
{
    /// <summary>It is to be sent, now or later.</summary>
    Pending = 0,

    /// <summary>The receiver has taken it.</summary>
    Delivered = 1,

    /// <summary>It was given up; it can be sent again.</summary>
    Dead = 2,
}

/// <summary>Something to tell a receiver.</summary>
/// <param name="Id">The same for each attempt: a receiver that has seen it ignores it.</param>
/// <param name="Job">Id of the run.</param>
/// <param name="Kind">The event, as in <c>job.succeeded</c>.</param>
/// <param name="Url">Where to.</param>
/// <param name="Body">The JSON.</param>
/// <param name="State">Where it is.</param>
/// <param name="Attempts">How often it was tried.</param>
/// <param name="NotBefore">When it is tried next, if it is pending; milliseconds since 1970.</param>
/// <param name="CreatedAt">When the event happened.</param>
public sealed record WebhookDelivery(string Id, string Job, string Kind, string Url, string Body, DeliveryState State, int Attempts, long NotBefore, long CreatedAt)
{
    internal long Number { get; init; }

    internal long Run { get; init; }
}

/// <summary>An attempt at a delivery.</summary>
/// <param name="Number">1, 2, 3…</param>
/// <param name="At">When it began; milliseconds since 1970.</param>
/// <param name="DurationMs">How long it took.</param>
/// <param name="Status">What the receiver answered; null when it did not.</param>
/// <param name="Error">Why it has failed; null when it has not.</param>
public sealed record DeliveryAttempt(int Number, long At, long DurationMs, int? Status, string? Error);

/// <summary>A delivery that this process is to try now.</summary>
/// <param name="Delivery">What to send.</param>
/// <param name="Secrets">What to sign it with; empty when the secret is gone.</param>
/// <param name="Tries">Which try it is since it was asked for, or asked for again; 1 for the first.</param>
internal sealed record DueDelivery(WebhookDelivery Delivery, IReadOnlyList<string> Secrets, int Tries);

using System.Data.Common;
using HelixFlow.Agents.Webhooks;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

/// <summary>Which page of a project's deliveries to list.</summary>
/// <param name="Job">Only those of this run; null for all.</param>
/// <param name="State">Only those in this state; null for all.</param>
/// <param name="Before">Only those before the one with this number; null for the newest.</param>
/// <param name="Most">The most to list.</param>
public sealed record DeliveryFilter(string? Job, DeliveryState? State, long? Before, int Most);

public sealed partial class Journal
{
    private const string DeliveryColumns = "number, id, run, job, kind, url, body, state, attempts, not_before, created_at";

    // How long a receiver is given to learn a new secret.
    private const long OldSecretMs = 24 * 3_600_000;

    /// <summary>Called after something is to be told to a receiver. A hint, as <see cref="Ready"/>.</summary>
    public event Action? DeliveryDue;

    /// <summary>Where the events of a run are told, without the secret; null when they are not.</summary>
    public Task<WebhookTarget?> WebhookAsync(RunRecord run, CancellationToken cancellationToken) => run.Webhook == WebhookEvents.None
        ? Task.FromResult<WebhookTarget?>(null)
        : database.ReadAsync(
            session => session.First(
                "select url, secret_name from webhooks where run = $1", row => new WebhookTarget(row.GetString(0), run.Webhook, null, RunRows.Text(row, 1)), run.Number),
            cancellationToken);

    /// <summary>A project's deliveries, newest first; their bodies are left out.</summary>
    /// <returns>The page, and what the next page's <see cref="DeliveryFilter.Before"/> is; null when there are no more.</returns>
    public Task<(List<WebhookDelivery> Deliveries, long? Next)> DeliveriesAsync(string project, DeliveryFilter filter, CancellationToken cancellationToken) =>
        database.ReadAsync<(List<WebhookDelivery>, long?)>(
            session =>
            {
                List<WebhookDelivery> found = session.Query(
                    $"""
                    select {DeliveryColumns.Replace("body", "''", StringComparison.Ordinal)} from webhook_deliveries
                    where project = $1 and number < $2 and ($3 = '' or job = $3) and ($4 < 0 or state = $4) order by number desc limit $5
                    """,
                    ReadDelivery, project, filter.Before ?? long.MaxValue, filter.Job ?? "", filter.State is { } state ? (long)state : -1L, filter.Most + 1L);
                if (found.Count <= filter.Most)
                {
                    return (found, null);
                }

                found.RemoveAt(filter.Most);
                return (found, found[^1].Number);
            },
            cancellationToken);

    /// <summary>A delivery with all that was tried; null when the project has none with this id.</summary>
    public Task<(WebhookDelivery Delivery, List<DeliveryAttempt> Attempts)?> DeliveryAsync(string project, string id, CancellationToken cancellationToken) =>
        database.ReadAsync<(WebhookDelivery, List<DeliveryAttempt>)?>(
            session => session.First($"select {DeliveryColumns} from webhook_deliveries where id = $1 and project = $2", ReadDelivery, id, project) is not { } delivery ? null
                : (delivery, session.Query(
                    "select attempt, at, duration_ms, status, error from webhook_attempts where delivery = $1 order by attempt",
                    static row => new DeliveryAttempt((int)row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.IsDBNull(3) ? null : (int)row.GetInt64(3), RunRows.Text(row, 4)),
                    delivery.Number)),
            cancellationToken);

    /// <summary>Sends a delivery again that was taken or given up. False when the project has none with this id, or it is pending.</summary>
    public Task<bool> RedeliverAsync(string project, string id, CancellationToken cancellationToken) => WriteAsync(
        change =>
        {
            bool isDone = change.Session.Execute(
                "update webhook_deliveries set state = 0, not_before = $3, tried_before = attempts where id = $1 and project = $2 and state <> 0", id, project, change.Now) > 0;
            change.IsDeliveryDue |= isDone;
            return isDone;
        },
        cancellationToken);

    /// <summary>Sets a secret of a project. Deliveries are signed with the one before too, for a day.</summary>
    public Task SetSecretAsync(string project, string name, string secret, CancellationToken cancellationToken) => WriteAsync(
        change => change.Session.Execute(
            """
            insert into webhook_secrets (project, name, secret, set_at, old_secret, old_until) values ($1, $2, $3, $4, null, 0)
            on conflict (project, name) do update set secret = excluded.secret, set_at = excluded.set_at, old_secret = webhook_secrets.secret, old_until = excluded.set_at + $5
            """,
            project, name, secret, change.Now, OldSecretMs),
        cancellationToken);

    /// <summary>Forgets a secret. Deliveries that need it fail from then on.</summary>
    public Task<bool> DeleteSecretAsync(string project, string name, CancellationToken cancellationToken) => WriteAsync(
        change => change.Session.Execute("delete from webhook_secrets where project = $1 and name = $2", project, name) > 0, cancellationToken);

    /// <summary>The names of a project's secrets, and since when each is as it is.</summary>
    public Task<List<(string Name, long SetAt)>> SecretsAsync(string project, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.Query("select name, set_at from webhook_secrets where project = $1 order by name", static row => (row.GetString(0), row.GetInt64(1)), project), cancellationToken);

    /// <summary>Takes deliveries that are due: nobody else gets them for a while.</summary>
    internal Task<List<DueDelivery>> ClaimDeliveriesAsync(int most, long leaseMs, CancellationToken cancellationToken) => WriteAsync(
        change => change.Session.Query(
            $"""
            select {DeliveryColumns}, tried_before from webhook_deliveries where state = 0 and not_before <= $1 order by not_before, number
            limit $2{(change.IsPostgres ? " for update skip locked" : "")}
            """,
            static row => (Delivery: ReadDelivery(row), TriedBefore: (int)row.GetInt64(11)), change.Now, most).ConvertAll(due =>
        {
            WebhookDelivery claimed = due.Delivery with { Attempts = due.Delivery.Attempts + 1 };
            change.Session.Post("update webhook_deliveries set attempts = $2, not_before = $3 where number = $1", claimed.Number, (long)claimed.Attempts, change.Now + leaseMs);
            return new DueDelivery(claimed, SecretsOf(change, claimed.Run), claimed.Attempts - due.TriedBefore);
        }),
        cancellationToken);

    /// <summary>Notes what an attempt came to. Nothing is changed when somebody else has taken the delivery since.</summary>
    /// <param name="delivery">What was sent.</param>
    /// <param name="attempt">How it went.</param>
    /// <param name="wait">How long to wait for the next one; null for none.</param>
    /// <param name="isGone">Whether the receiver wants to be told nothing more.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    internal Task<bool> RecordDeliveryAsync(WebhookDelivery delivery, DeliveryAttempt attempt, TimeSpan? wait, bool isGone, CancellationToken cancellationToken) => WriteAsync(
        change =>
        {
            DeliveryState state = attempt.Error is null ? DeliveryState.Delivered : wait is null ? DeliveryState.Dead : DeliveryState.Pending;
            if (change.Session.Execute(
                "update webhook_deliveries set state = $3, not_before = $4 where number = $1 and attempts = $2 and state = 0",
                delivery.Number, (long)delivery.Attempts, (long)state, change.Now + (long)(wait ?? TimeSpan.Zero).TotalMilliseconds) == 0)
            {
                return false;
            }

            change.Session.Post(
                "insert into webhook_attempts (delivery, attempt, at, duration_ms, status, error) values ($1, $2, $3, $4, $5, $6)",
                delivery.Number, (long)attempt.Number, attempt.At, attempt.DurationMs, (long?)attempt.Status, attempt.Error);
            if (isGone)
            {
                change.Session.Post("update runs set webhook = 0 where number = $1", delivery.Run);
                change.Session.Post("update webhook_deliveries set state = 2 where run = $1 and state = 0", delivery.Run);
            }

            return true;
        },
        cancellationToken);

    /// <summary>Notes where the events of a new run are told.</summary>
    private static void KeepWebhook(Change change, RunRecord run, WebhookTarget? target)
    {
        if (target is not null)
        {
            change.Session.Post("insert into webhooks (run, url, secret, secret_name) values ($1, $2, $3, $4)", run.Number, target.Url, target.Secret, target.SecretName);
        }
    }

    /// <summary>Removes what a run's receivers were told or are to be told.</summary>
    private static void DeleteWebhook(SqlSession session, long run)
    {
        session.Post("delete from webhook_attempts where delivery in (select number from webhook_deliveries where run = $1)", run);
        session.Post("delete from webhook_deliveries where run = $1", run);
        session.Post("delete from webhooks where run = $1", run);
    }

    private static List<string> SecretsOf(Change change, long run)
    {
        (string? secret, string? name, string? project) = change.Session.First(
            "select secret, secret_name, project from webhooks, runs where run = $1 and number = run", static row => (RunRows.Text(row, 0), RunRows.Text(row, 1), RunRows.Text(row, 2)), run);
        return secret is not null ? [secret]
            : name is null ? []
            : change.Session.First(
                "select secret, case when old_until > $3 then old_secret else null end from webhook_secrets where project = $1 and name = $2",
                static row => row.IsDBNull(1) ? new List<string> { row.GetString(0) } : [row.GetString(0), row.GetString(1)], project, name, change.Now) ?? [];
    }

    private static WebhookDelivery ReadDelivery(DbDataReader row) => new(
        row.GetString(1), row.GetString(3), row.GetString(4), row.GetString(5), row.GetString(6), (DeliveryState)row.GetInt64(7), (int)row.GetInt64(8), row.GetInt64(9), row.GetInt64(10))
    {
        Number = row.GetInt64(0),
        Run = row.GetInt64(2),
    };
}

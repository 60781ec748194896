using System.Text.Json;
using HelixFlow.Agents.Hints;
using HelixFlow.Agents.Values;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

/// <summary>The durable journal of all runs: queue, progress, dead letters and results are read from it.</summary>
/// <remarks>
/// Every change is one transaction that appends the event and folds it into the tables. What a worker writes is checked against its lease's fence
/// in that transaction, so that one that was thought dead writes nothing. All members may be called from any thread, and by several processes
/// when the database is PostgreSQL. A call that fails because the database cannot be reached may be repeated: none does its work twice.
/// </remarks>
public sealed partial class Journal(IDatabase database, IBlobStore blobs, TimeProvider time, JournalOptions options) : IRunJournal
{
    /// <summary>Called after a run has become claimable, with its type. A hint: it may come late or never, and several times.</summary>
    public event Action<string>? Ready;

    /// <summary>Called after something was appended to a run, with its id. A hint, as <see cref="Ready"/>.</summary>
    public event Action<string>? Changed;

    /// <summary>Called after somebody has asked that a run under way ends, with its id. A hint, as <see cref="Ready"/>: its worker's next sign of life tells it too.</summary>
    public event Action<string>? Cancelling;

    /// <summary>Called with what this process has changed: for those who tell other processes.</summary>
    public event Action<JournalHint>? Told;

    /// <summary>Added to the clock: tests move time with it, on a server's clock too.</summary>
    internal long ClockSkewMs { get; set; }

    /// <summary>Does a transaction, and tells what it has changed when that is durable.</summary>
    private async Task<T> WriteAsync<T>(Func<Change, T> work, CancellationToken cancellationToken)
    {
        Change? done = null;
        T result = await database.WriteAsync(
            session =>
            {
                var change = new Change(session, database.Dialect, Now(session), options); // a new one each time that the database runs it
                T value = work(change);
                done = change;
                return value;
            },
            cancellationToken).ConfigureAwait(false);
        Tell(done!);
        return result;
    }

    /// <summary>Changes a run whose lease holds. False when the lease is lost: then nothing is written.</summary>
    private Task<bool> ChangeAsync(Lease lease, Action<Change, RunRecord> work, CancellationToken cancellationToken) => WriteAsync(
        change =>
        {
            if (change.Held(lease) is not { } run)
            {
                return false;
            }

            work(change, run);
            return true;
        },
        cancellationToken);

    /// <summary>Passes on what another process has told: the events are raised as if it had happened here, but <see cref="Told"/> is not.</summary>
    public void Hear(JournalHint hint) => (hint.Kind switch
    {
        JournalHintKind.Ready => Ready,
        JournalHintKind.Changed => Changed,
        _ => Cancelling,
    })?.Invoke(hint.Text);

    private void Tell(Change change)
    {
        Tell(JournalHintKind.Ready, change.Ready); // first, as the first one goes out to other processes at once
        Tell(JournalHintKind.Cancelling, change.Cancelling);
        Tell(JournalHintKind.Changed, change.Changed);
        change.TellCounts();
        if (change.IsDeliveryDue)
        {
            DeliveryDue?.Invoke();
        }
    }

    private void Tell(JournalHintKind kind, IReadOnlyList<string> texts)
    {
        foreach (string text in texts)
        {
            var hint = new JournalHint(kind, text);
            Hear(hint);
            Told?.Invoke(hint);
        }
    }

    private static byte[] CanonicalOf(ReadOnlyMemory<byte> json)
    {
        try
        {
            return CanonicalJson.Of(json);
        }
        catch (JsonException exception)
        {
            throw new FormatException($"The input is no JSON: {exception.Message}", exception);
        }
    }

    // Processes that share a server must share its clock: their own may differ.
    private long Now(SqlSession session) => ClockSkewMs + (database.Dialect == SqlDialect.Postgres
        ? session.Number("select (extract(epoch from clock_timestamp()) * 1000)::bigint")
        : time.GetUtcNow().ToUnixTimeMilliseconds());

    private static string? Json(RunError? error) => error is null ? null : JsonSerializer.Serialize(error, JournalJson.Default.RunError);
}

using HelixFlow.Agents.Webhooks;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

/// <summary>A transaction on the journal, and what is to be told when it is done.</summary>
/// <remarks>
/// Rows of runs are read under a lock and carry the number of their last event, which <see cref="Append"/> counts up: whoever appends writes it
/// back with the row.
/// </remarks>
internal sealed class Change(SqlSession session, SqlDialect dialect, long now, JournalOptions options)
{
    private List<string>? _ready;
    private List<string>? _changed;
    private List<string>? _cancelling;
    private List<Action<JournalMetrics>>? _counts;

    public SqlSession Session => session;

    /// <summary>Milliseconds since 1970, the same throughout.</summary>
    public long Now => now;

    public bool IsPostgres => dialect == SqlDialect.Postgres;

    /// <summary>Whether something is to be told to a receiver.</summary>
    public bool IsDeliveryDue { get; set; }

    /// <summary>A project's share relative to others.</summary>
    public double WeightOf(string project) => options.Weights.TryGetValue(project, out double weight) && weight > 0 ? weight : 1;

    /// <summary>Types of which a run has become claimable.</summary>
    public IReadOnlyList<string> Ready => _ready ?? [];

    /// <summary>Runs to which something was appended.</summary>
    public IReadOnlyList<string> Changed => _changed ?? [];

    /// <summary>Runs under way that are to end.</summary>
    public IReadOnlyList<string> Cancelling => _cancelling ?? [];

    /// <summary>The run with a number, locked against other writers where the database has several.</summary>
    public RunRecord? Lock(long number) => session.First(
        $"select {RunRows.Columns} from runs where number = $1{(IsPostgres ? " for update" : "")}", RunRows.Read, number);

    /// <summary>The run with an id, locked; null when the project has none.</summary>
    public RunRecord? Lock(string project, string id) => session.First(
        $"select {RunRows.Columns} from runs where id = $1 and project = $2{(IsPostgres ? " for update" : "")}", RunRows.Read, id, project);

    /// <summary>The run of a lease that still holds, locked; null when somebody else has it, or nobody.</summary>
    public RunRecord? Held(Lease lease) => session.First(
        $"select {RunRows.Columns} from runs where number = $1 and fence = $2 and state = 2{(IsPostgres ? " for update" : "")}", RunRows.Read, lease.Run, lease.Fence);

    /// <summary>Appends an event to a locked run; its number.</summary>
    public long Append(RunRecord run, JournalEvent happened)
    {
        run.LastEvent++;
        session.Post(
            "insert into events (run, seq, at, kind, version, body) values ($1, $2, $3, $4, $5, $6)",
            run.Number, run.LastEvent, now, happened.Kind, JournalEvent.CurrentVersion, happened.ToJson());
        Tell(ref _changed, run.Id);
        if ((run.Webhook & WebhookTarget.EventOf(happened)) != WebhookEvents.None)
        {
            Enqueue(run, happened);
        }

        return run.LastEvent;
    }

    /// <summary>Puts an event into the outbox, in the transaction in which it happens.</summary>
    private void Enqueue(RunRecord run, JournalEvent happened)
    {
        session.Post(
            """
            insert into webhook_deliveries (id, project, run, job, kind, url, body, state, attempts, tried_before, not_before, created_at)
            select $2, $3, run, $4, $5, url, $6, 0, 0, 0, $7, $7 from webhooks where run = $1
            """,
            run.Number, $"msg_{run.Id}_{run.LastEvent}", run.Project, run.Id, WebhookBody.KindOf(happened), WebhookBody.Of(run, new NumberedEvent(run.LastEvent, now, happened)), now);
        IsDeliveryDue = true;
    }

    /// <summary>Writes back the number of the last event of a run of which nothing else has changed.</summary>
    public void Save(RunRecord run) => session.Post("update runs set last_event = $2 where number = $1", run.Number, run.LastEvent);

    /// <summary>Counts something when the transaction is durable.</summary>
    public void Count(Action<JournalMetrics> count)
    {
        if (options.Metrics is not null)
        {
            (_counts ??= []).Add(count);
        }
    }

    /// <summary>The transaction is durable.</summary>
    public void TellCounts()
    {
        if (_counts is not null)
        {
            _counts.ForEach(count => count(options.Metrics!));
        }
    }

    public void TellReady(string type) => Tell(ref _ready, type);

    public void TellCancelling(string id) => Tell(ref _cancelling, id);

    private static void Tell(ref List<string>? list, string name)
    {
        list ??= [];
        if (list.Count == 0 || list[^1] != name)
        {
            list.Add(name);
        }
    }
}

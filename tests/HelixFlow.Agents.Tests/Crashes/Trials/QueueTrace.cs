using System.Globalization;
using HelixFlow.Agents.Journal;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Tests.Crashes.Trials;

/// <summary>A run's place in the queue, as a trigger has noted it with each change of its row.</summary>
/// <param name="Position">Rises with each note; the notes of a run are in the order in which it was changed.</param>
/// <param name="Run">The run's number.</param>
/// <param name="State">Its state after the change.</param>
/// <param name="Priority">Its class in the queue, into which it may have risen.</param>
/// <param name="Share">Its start tag within the class.</param>
/// <param name="QueuedAt">Since when it waits in its class.</param>
/// <param name="Transaction">PostgreSQL: the number of the transaction.</param>
/// <param name="Seen">PostgreSQL: what the transaction could see at its beginning.</param>
/// <param name="SeenNow">PostgreSQL: what it could see when it made the note.</param>
/// <param name="Others">PostgreSQL: other transactions under way at that moment.</param>
internal sealed record QueueNote(
    long Position, long Run, RunState State, RunPriority Priority, long Share, long QueuedAt, long Transaction, Snapshot? Seen, Snapshot? SeenNow,
    IReadOnlyList<long> Others)
{
    /// <summary>A lower one goes first.</summary>
    public (RunPriority Priority, long Share, long Run) Rank => (Priority, Share, Run);
}

/// <summary>Which transactions one could see: all below the end but those that were under way.</summary>
internal sealed record Snapshot(long End, IReadOnlySet<long> UnderWay)
{
    public bool Sees(long transaction) => transaction < End && !UnderWay.Contains(transaction);

    /// <summary>Reads PostgreSQL's form: <c>xmin:xmax:xip,xip</c>.</summary>
    public static Snapshot? Parse(string? text) => string.IsNullOrEmpty(text) ? null
        : new Snapshot(Number(text.Split(':')[1]), text.Split(':')[2].Split(',', StringSplitOptions.RemoveEmptyEntries).Select(Number).ToHashSet());

    public static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}

/// <summary>Triggers that note each run's place in the queue in a table of the test's own.</summary>
/// <remarks>The journal's events do not tell in which order different runs were claimed.</remarks>
internal static class QueueTrace
{
    private static readonly string[] _sqlite =
    [
        "create table trace (position integer primary key autoincrement, run bigint, state bigint, priority bigint, share bigint, queued_at bigint)",
        """
        create trigger trace_insert after insert on runs begin
          insert into trace (run, state, priority, share, queued_at) values (new.number, new.state, new.priority, new.share, new.queued_at); end
        """,
        """
        create trigger trace_update after update of state, priority, share, queued_at on runs begin
          insert into trace (run, state, priority, share, queued_at) values (new.number, new.state, new.priority, new.share, new.queued_at); end
        """,
    ];

    private static readonly string[] _postgres =
    [
        """
        create table trace (position bigint generated always as identity primary key, run bigint, state bigint, priority bigint, share bigint, queued_at bigint,
          transaction bigint, seen text, seen_now text, others text)
        """,
        """
        create function trace_run() returns trigger language plpgsql as $$
        declare
          under_way text;
        begin
          if tg_op = 'UPDATE' then
            if old.state = 1 and new.state = 2 then
              perform pg_stat_clear_snapshot();
              select string_agg(backend_xid::text, ',') into under_way from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid();
            end if;
          end if;
          insert into trace (run, state, priority, share, queued_at, transaction, seen, seen_now, others) values (
            new.number, new.state, new.priority, new.share, new.queued_at,
            pg_current_xact_id()::text::bigint, current_setting('crash.seen', true), pg_current_snapshot()::text, under_way);
          return null;
        end $$
        """,
        "create trigger trace_insert after insert on runs for each row execute function trace_run()",
        "create trigger trace_update after update on runs for each row execute function trace_run()", // whoever changes a row has it locked
    ];

    public static Task InstallAsync(IDatabase database) => database.WriteAsync(
        session =>
        {
            foreach (string statement in database.Dialect == SqlDialect.Sqlite ? _sqlite : _postgres)
            {
                session.Execute(statement);
            }

            return 0;
        },
        TestContext.Current.CancellationToken);

    public static List<QueueNote> Load(SqlSession session, SqlDialect dialect) => session.Query(
        $"""
        select position, run, state, priority, share, queued_at, {(dialect == SqlDialect.Sqlite ? "0, null, null, null" : "transaction, seen, seen_now, others")}
        from trace order by position
        """,
        static row => new QueueNote(
            row.GetInt64(0), row.GetInt64(1), (RunState)row.GetInt64(2), (RunPriority)row.GetInt64(3), row.GetInt64(4), row.GetInt64(5), row.GetInt64(6),
            Snapshot.Parse(RunRows.Text(row, 7)), Snapshot.Parse(RunRows.Text(row, 8)),
            [.. (RunRows.Text(row, 9) ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries).Select(Snapshot.Number)]));
}

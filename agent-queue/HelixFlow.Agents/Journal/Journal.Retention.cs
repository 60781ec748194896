using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

/// <summary>A place among the runs that have ended, in the order in which they did.</summary>
internal readonly record struct EndedPlace(long EndedAt, long Number);

public sealed partial class Journal
{
    // Rows of a run that go in one transaction: others wait for it meanwhile.
    private const int MostRowsAtOnce = 2_000;

    /// <summary>The shortest time for which some rule keeps a run; null when all are kept for ever.</summary>
    private TimeSpan? ShortestRetention => options.Retention.SelectMany(static rule => (TimeSpan?[])[rule.Succeeded, rule.Failed]).Min();

    /// <summary>Runs after a place whose time is up and that no other run needs, and the place up to which was looked; no place when that was the end.</summary>
    internal async Task<(List<RunRecord> Expired, EndedPlace? Next)> ExpiredAsync(EndedPlace after, int most, CancellationToken cancellationToken)
    {
        if (ShortestRetention is not { } shortest)
        {
            return ([], null);
        }

        return await database.ReadAsync<(List<RunRecord>, EndedPlace?)>(
            session =>
            {
                long now = Now(session);
                List<RunRecord> page = session.Query(
                    $"""
                    select {RunRows.Columns} from runs where state in (4, 5, 6) and (ended_at, number) > ($1, $2) and ended_at <= $3 order by ended_at, number limit $4
                    """,
                    RunRows.Read, after.EndedAt, after.Number, now - (long)shortest.TotalMilliseconds, most);
                return (page.FindAll(run => IsExpired(session, run, now)), page.Count < most ? null : new EndedPlace(page[^1].EndedAt, page[^1].Number));
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Deletes a run if its time is up still, and nobody has begun to need it.</summary>
    internal Task<bool> ExpireAsync(RunRecord expired, CancellationToken cancellationToken) => WriteAsync(
        change =>
        {
            if (change.Lock(expired.Number) is not { HasEnded: true } run || !IsExpired(change.Session, run, change.Now))
            {
                return false;
            }

            Delete(change.Session, run);
            return true;
        },
        cancellationToken);

    /// <summary>Deletes some of the rows that runs have left; whether there may be more.</summary>
    internal Task<bool> DeleteRestAsync(CancellationToken cancellationToken) => WriteAsync(
        static change =>
        {
            if (change.Session.Number("select min(run) from doomed_runs") is not (> 0 and var run))
            {
                return false;
            }

            int deleted = change.Session.Execute(
                "delete from events where run = $1 and seq < (select min(seq) from events where run = $1) + $2", run, (long)MostRowsAtOnce);
            deleted += change.Session.Execute(
                "delete from steps where run = $1 and address in (select address from steps where run = $1 limit $2)", run, (long)MostRowsAtOnce);
            if (deleted == 0)
            {
                DeleteRows(change.Session, run);
                change.Session.Post("delete from doomed_runs where run = $1", run);
            }

            return true;
        },
        cancellationToken);

    private bool IsExpired(SqlSession session, RunRecord run, long now)
    {
        if (options.Retention.FirstOrDefault(rule => rule.Matches(run)) is not { } rule || rule.For(run.State) is not { } time || now - run.EndedAt < (long)time.TotalMilliseconds)
        {
            return false;
        }

        bool isAmongLast = rule.KeepLast > 0 && session.Number(
            "select count(*) from (select 1 as one from runs where project = $1 and number > $2 and type = $3 and state in (4, 5, 6) limit $4) newer",
            run.Project, run.Number, run.Type, (long)rule.KeepLast) < rule.KeepLast;
        return !isAmongLast && session.Number("select count(*) from runs where number = $1 and parent is not null", run.Number) == 0 && !IsInUse(session, run);
    }

    /// <summary>Whether a run that has not ended waits for a run, is its child, or uses what it recorded.</summary>
    private static bool IsInUse(SqlSession session, RunRecord run) =>
        // Forks and children belong to the same project and are younger: the index by project and number finds them.
        session.Number("select count(*) from runs where project = $1 and number > $2 and state < 4 and (parent = $2 or forked_from = $2)", run.Project, run.Number) > 0
        || session.Number("select count(*) from runs, dependencies where dependencies.on_run = $1 and runs.number = dependencies.run and runs.state < 4", run.Number) > 0;

    /// <summary>Deletes a run; its rows too, or later when they are many. Forks and children forget where they came from.</summary>
    private static void Delete(SqlSession session, RunRecord run)
    {
        session.Post("update runs set parent = null where project = $1 and number > $2 and parent = $2", run.Project, run.Number);
        session.Post("update runs set forked_from = null, fork_limit = 0 where project = $1 and number > $2 and forked_from = $2", run.Project, run.Number);
        session.Post("delete from dependencies where run = $1 or on_run = $1", run.Number);
        DeleteWebhook(session, run.Number);
        session.Post("delete from runs where number = $1", run.Number);
        if (run.LastEvent > MostRowsAtOnce)
        {
            session.Post("insert into doomed_runs (run) values ($1)", run.Number);
        }
        else
        {
            DeleteRows(session, run.Number);
        }
    }

    private static void DeleteRows(SqlSession session, long run)
    {
        session.Post("delete from signals where run = $1", run);
        session.Post("delete from questions where run = $1", run);
        session.Post("delete from steps where run = $1", run);
        session.Post("delete from artifacts where run = $1", run);
        session.Post("delete from kept where run = $1", run);
        session.Post("delete from events where run = $1", run);
    }
}

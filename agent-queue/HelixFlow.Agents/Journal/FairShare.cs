using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

/// <summary>Weighted fair queueing between projects, within a priority class: start-time fair queueing (Goyal, Vin and Cheng, 1996).</summary>
/// <remarks>
/// Each run gets a start tag: the finish tag of its project's run before it, or how far the class has come if that is later. Runs are claimed in
/// the order of their tags, so that over time each project with work waiting gets its weight's share, however much another one has queued.
/// </remarks>
internal static class FairShare
{
    private const long Unit = 1_000_000;

    /// <summary>The start tag of a run that begins to wait now.</summary>
    public static long Tag(SqlSession session, RunPriority priority, string project, double weight)
    {
        long cost = Math.Max(1, (long)(Unit / weight));
        long finish = session.Number(
            """
            insert into shares (priority, project, finish) values ($1, $2, (select come_to from queues where queues.priority = $1) + $3)
            on conflict (priority, project) do update set finish = case when shares.finish + $3 > excluded.finish then shares.finish + $3 else excluded.finish end
            returning finish
            """,
            (long)priority, project, cost);
        return finish - cost;
    }

    /// <summary>Notes that runs up to a tag have been claimed. Where another process notes the same at this moment it is left to it: who claims must wait for nobody.</summary>
    public static void Advance(SqlSession session, bool isPostgres, RunPriority priority, long tag) => session.Post(
        isPostgres
            ? "update queues set come_to = $2 where priority = (select priority from queues where priority = $1 and come_to < $2 for update skip locked)"
            : "update queues set come_to = $2 where priority = $1 and come_to < $2",
        (long)priority, tag);
}

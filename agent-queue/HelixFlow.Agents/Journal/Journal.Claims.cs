using System.Data.Common;
using HelixFlow.Agents.Values;

namespace HelixFlow.Agents.Journal;

/// <summary>A run that a worker has claimed.</summary>
/// <param name="Lease">What it writes with.</param>
/// <param name="Run">The run as it stands now.</param>
/// <param name="Input">Its input as canonical JSON; null when it is large: then it is read by what refers to it.</param>
public sealed record Claim(Lease Lease, RunRecord Run, byte[]? Input);

/// <summary>What a worker's sign of life came to.</summary>
public enum LeaseState
{
    /// <summary>The run is still the worker's.</summary>
    Held,

    /// <summary>It is, and somebody wants it to end.</summary>
    CancelRequested,

    /// <summary>It is not: nothing that the worker writes will be taken.</summary>
    Lost,
}

public sealed partial class Journal
{
    private const long LimitsLock = 0x48656C6979; // a number of PostgreSQL's advisory locks that nothing else uses

    /// <summary>Claims runs for a worker: by priority, then each project's share, then first in first out.</summary>
    /// <param name="worker">The worker's name, for people.</param>
    /// <param name="types">The types that it can do.</param>
    /// <param name="most">The most that it can take now.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    public Task<IReadOnlyList<Claim>> ClaimAsync(string worker, IReadOnlyCollection<string> types, int most, CancellationToken cancellationToken) =>
        ClaimAsync(worker, types.ToDictionary(static type => type, _ => most, StringComparer.Ordinal), most, cancellationToken);

    /// <summary>Claims runs for a worker that has less room for some types than for others.</summary>
    /// <param name="worker">The worker's name.</param>
    /// <param name="types">The types that it can do, each with the most that it can take of it now.</param>
    /// <param name="most">The most that it can take altogether.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    public Task<IReadOnlyList<Claim>> ClaimAsync(string worker, IReadOnlyDictionary<string, int> types, int most, CancellationToken cancellationToken) =>
        ClaimAsync(worker, types, most, null, cancellationToken);

    /// <summary>As the other one, for a worker that does the runs of one project alone; null for those of all projects.</summary>
    internal async Task<IReadOnlyList<Claim>> ClaimAsync(string worker, IReadOnlyDictionary<string, int> types, int most, string? project, CancellationToken cancellationToken)
    {
        long beganAt = time.GetTimestamp();
        List<Claim> claims = await WriteAsync(change => Claim(change, worker, types, most, project), cancellationToken).ConfigureAwait(false);
        if (project is null)
        {
            TellLooked(types, most, claims, beganAt);
        }

        return claims;
    }

    /// <summary>Says that a worker lives, and how far its run is. Never extends an attempt beyond its own time limit.</summary>
    public Task<LeaseState> ExtendAsync(Lease lease, CancellationToken cancellationToken) => WriteAsync(
        change =>
        {
            if (change.Held(lease) is not { } run)
            {
                return LeaseState.Lost;
            }

            change.Session.Post(
                "update runs set lease_until = case when end_by > 0 and end_by < $2 then end_by else $2 end where number = $1", run.Number, change.Now + run.Options.LeaseMs);
            return run.CancelRequested ? LeaseState.CancelRequested : LeaseState.Held;
        },
        cancellationToken);

    private List<Claim> Claim(Change change, string worker, IReadOnlyDictionary<string, int> types, int most, string? project)
    {
        if (change.IsPostgres && options.MostOfType.Count + options.MostOfProject.Count > 0)
        {
            change.Session.Execute("select pg_advisory_xact_lock($1)", LimitsLock); // who counts must not be overtaken by another who counts
        }

        var found = new List<Candidate>();
        foreach ((string type, int mostOfType) in types)
        {
            int room = Math.Min(most, mostOfType);
            if (options.MostOfType.TryGetValue(type, out int limit))
            {
                room = (int)Math.Min(room, limit - change.Session.Number("select count(*) from runs where type = $1 and state = 2", type));
            }

            if (room > 0)
            {
                found.AddRange(Candidates(change, type, room, project));
            }
        }

        if (types.Count > 1)
        {
            found.Sort();
        }

        if (options.MostOfProject.Count > 0)
        {
            found = WithinLimits(change, found);
        }

        if (found.Count > most)
        {
            found.RemoveRange(most, found.Count - most);
        }

        List<Claim> claims = found.ConvertAll(candidate => Claim(change, worker, candidate));
        foreach (IGrouping<RunPriority, Candidate> group in found.GroupBy(static candidate => candidate.Run.Priority))
        {
            long share = group.Max(static candidate => candidate.Share);
            FairShare.Advance(change.Session, change.IsPostgres, group.Key, project is null ? share : Math.Min(share, FirstLeft(change, group)));
        }

        return claims;
    }

    /// <summary>The share of the first run of other projects that a worker of one project has passed over: the class has come no further than to it.</summary>
    private static long FirstLeft(Change change, IGrouping<RunPriority, Candidate> claimed) => claimed.Select(static candidate => candidate.Run.Type).Distinct(StringComparer.Ordinal).Min(type =>
        change.Session.Query(
            "select share from runs where type = $1 and state = 1 and priority = $2 order by share, number limit 1", static row => row.GetInt64(0), type, (long)claimed.Key) is [var share] ? share : long.MaxValue);

    private List<Candidate> Candidates(Change change, string type, int most, string? project)
    {
        if (options.MostOfProject.Count == 0)
        {
            return Page(change, type, new Candidate(null!, null, long.MinValue), -1, most, project);
        }

        // Projects at their limit are passed over, page by page, until there are enough or no more.
        Dictionary<string, long> running = RunningByProject(change);
        var chosen = new List<Candidate>();
        Candidate after = new(null!, null, long.MinValue);
        long priority = -1;
        while (chosen.Count < most)
        {
            List<Candidate> page = Page(change, type, after, priority, Math.Max(64, most), project);
            if (page.Count == 0)
            {
                break;
            }

            chosen.AddRange(page.Where(candidate => MayRun(running, candidate)).Take(most - chosen.Count));
            after = page[^1];
            priority = (long)after.Run.Priority;
        }

        return chosen;
    }

    private static List<Candidate> Page(Change change, string type, Candidate after, long priority, int most, string? project) => change.Session.Query(
        $"""
        select {RunRows.Columns}, share, case when substr(input, 1, 1) <> '=' then (select content from blobs where hash = input) end, queued_at from runs
        where type = $1 and state = 1 and (priority, share, number) > ($2, $3, $4) and not exists (select 1 from paused_types where name = $1)
          {(project is null ? "" : "and project = $6")} order by priority, share, number limit $5{(change.IsPostgres ? " for update of runs skip locked" : "")}
        """,
        Candidate.Read, [type, priority, after.Share, after.Run?.Number ?? 0, most, .. project is null ? (object[])[] : [project]]);

    // Each type was looked at by itself; together they may be too many for a project.
    private List<Candidate> WithinLimits(Change change, List<Candidate> found)
    {
        Dictionary<string, long> running = RunningByProject(change);
        return found.FindAll(candidate => MayRun(running, candidate));
    }

    private static Dictionary<string, long> RunningByProject(Change change) => change.Session.Query(
        "select project, count(*) from runs where state = 2 group by project", static row => (row.GetString(0), row.GetInt64(1))).ToDictionary(StringComparer.Ordinal);

    private bool MayRun(Dictionary<string, long> running, Candidate candidate)
    {
        string project = candidate.Run.Project;
        long count = running.GetValueOrDefault(project);
        if (options.MostOfProject.TryGetValue(project, out int limit) && count >= limit)
        {
            return false;
        }

        running[project] = count + 1;
        return true;
    }

    private static Claim Claim(Change change, string worker, Candidate candidate)
    {
        long now = change.Now;
        RunOptions limits = candidate.Run.Options;
        long endBy = limits.AttemptTimeoutMs > 0 ? now + limits.AttemptTimeoutMs : 0;
        RunRecord run = candidate.Run with
        {
            State = RunState.Running, Attempt = candidate.Run.Attempt + 1, Fence = candidate.Run.Fence + 1, Worker = worker, StartedAt = now, EndBy = endBy,
        };
        change.Append(run, new JournalEvent.AttemptStarted(run.Attempt, run.Fence, worker));
        change.Count(metrics => metrics.Claimed(run.Type, now - candidate.QueuedAt));
        change.Session.Post(
            """
            update runs set state = 2, attempt = $2, fence = $3, worker = $4, lease_until = $5, end_by = $6, started_at = $7, start_by = 0, last_event = $8 where number = $1
            """,
            run.Number, run.Attempt, run.Fence, worker, endBy > 0 ? Math.Min(endBy, now + limits.LeaseMs) : now + limits.LeaseMs, endBy, now, run.LastEvent);
        return new Claim(new Lease(run.Number, run.Id, run.Fence, worker), run, candidate.Input);
    }

    private sealed record Candidate(RunRecord Run, byte[]? Input, long Share, long QueuedAt = 0) : IComparable<Candidate>
    {
        public static Candidate Read(DbDataReader row)
        {
            RunRecord run = RunRows.Read(row);
            return new(run, ValueReference.ValueOf(run.Input) ?? (row.IsDBNull(RunRows.Count + 1) ? null : row.GetFieldValue<byte[]>(RunRows.Count + 1)), row.GetInt64(RunRows.Count), row.GetInt64(RunRows.Count + 2));
        }

        public int CompareTo(Candidate? other) =>
            other is null ? 1 : (Run.Priority, Share, Run.Number).CompareTo((other.Run.Priority, other.Share, other.Run.Number));
    }
}

using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

/// <summary>A run that a worker has claimed.</summary>
/// <param name="Lease">What it writes with.</param>
/// <param name="Run">The run as it stands now.</param>
/// <param name="Input">Its input as canonical JSON; null when it is large: then it is read by its hash.</param>
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
    /// <summary>Claims runs for a worker: by priority, then each project's share, then first in first out.</summary>
    /// <param name="worker">The worker's name, for people.</param>
    /// <param name="types">The types that it can do.</param>
    /// <param name="most">The most that it can take now.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    public async Task<IReadOnlyList<Claim>> ClaimAsync(string worker, IReadOnlyCollection<string> types, int most, CancellationToken cancellationToken)
    {
        IReadOnlyList<Claim> claims = await database.WriteAsync(session => Claim(session, worker, types, most), cancellationToken).ConfigureAwait(false);
        foreach (Claim claim in claims)
        {
            Changed?.Invoke(claim.Run.Id);
        }

        return claims;
    }

    /// <summary>Says that a worker lives, and how far its run is. Never extends an attempt beyond its own time limit.</summary>
    public Task<LeaseState> ExtendAsync(Lease lease, CancellationToken cancellationToken) => database.WriteAsync(
        session =>
        {
            long now = Now(session);
            RunRecord? run = Held(session, lease);
            if (run is null)
            {
                return LeaseState.Lost;
            }

            session.Execute(
                "update runs set lease_until = case when end_by > 0 and end_by < $2 then end_by else $2 end where number = $1", run.Number, now + run.Options.LeaseMs);
            return run.CancelRequested ? LeaseState.CancelRequested : LeaseState.Held;
        },
        cancellationToken);

    private List<Claim> Claim(SqlSession session, string worker, IReadOnlyCollection<string> types, int most)
    {
        long now = Now(session);
        var found = new List<Candidate>();
        foreach (string type in types)
        {
            int room = options.MostOfType.TryGetValue(type, out int limit)
                ? (int)Math.Clamp(limit - session.Number("select count(*) from runs where type = $1 and state = 2", type), 0, most)
                : most;
            if (room > 0)
            {
                found.AddRange(Candidates(session, type, room));
            }
        }

        found.Sort();
        if (found.Count > most)
        {
            found.RemoveRange(most, found.Count - most);
        }

        var claims = new List<Claim>(found.Count);
        foreach (Candidate candidate in found)
        {
            claims.Add(Claim(session, worker, candidate.Number, now));
        }

        foreach (IGrouping<long, Candidate> group in found.GroupBy(static candidate => candidate.Priority))
        {
            FairShare.Advance(session, (RunPriority)group.Key, group.Max(static candidate => candidate.Share));
        }

        return claims;
    }

    private List<Candidate> Candidates(SqlSession session, string type, int most)
    {
        string locked = database.Dialect == SqlDialect.Postgres ? " for update skip locked" : "";
        if (options.MostOfProject.Count == 0)
        {
            return session.Query(
                $"select priority, share, number, project from runs where type = $1 and state = 1 order by priority, share, number limit $2{locked}", Candidate.Read, type, most);
        }

        // Projects at their limit are passed over, page by page, until there are enough or no more.
        Dictionary<string, long> running = session.Query(
            "select project, count(*) from runs where state = 2 group by project", static row => (row.GetString(0), row.GetInt64(1))).ToDictionary(StringComparer.Ordinal);
        var chosen = new List<Candidate>();
        Candidate after = new(-1, long.MinValue, 0, "");
        while (chosen.Count < most)
        {
            List<Candidate> page = session.Query(
                $"""
                select priority, share, number, project from runs where type = $1 and state = 1 and (priority, share, number) > ($2, $3, $4)
                order by priority, share, number limit $5{locked}
                """,
                Candidate.Read, type, after.Priority, after.Share, after.Number, Math.Max(64, most));
            if (page.Count == 0)
            {
                break;
            }

            foreach (Candidate candidate in page.TakeWhile(_ => chosen.Count < most))
            {
                long count = running.GetValueOrDefault(candidate.Project);
                if (!options.MostOfProject.TryGetValue(candidate.Project, out int limit) || count < limit)
                {
                    running[candidate.Project] = count + 1;
                    chosen.Add(candidate);
                }
            }

            after = page[^1];
        }

        return chosen;
    }

    private static Claim Claim(SqlSession session, string worker, long number, long now)
    {
        RunOptions limits = System.Text.Json.JsonSerializer.Deserialize(
            session.First("select options from runs where number = $1", static row => row.GetString(0), number)!, JournalJson.Default.RunOptions)!;
        long endBy = limits.AttemptTimeoutMs > 0 ? now + limits.AttemptTimeoutMs : 0;
        (RunRecord run, long fence) = session.First(
            $"""
            update runs set state = 2, attempt = attempt + 1, fence = fence + 1, worker = $2, lease_until = $3, end_by = $4, started_at = $5, start_by = 0, last_event = last_event + 1
            where number = $1 returning {RunRows.Columns}, fence
            """,
            static row => (RunRows.Read(row), row.GetInt64(24)), number, worker, endBy > 0 ? Math.Min(endBy, now + limits.LeaseMs) : now + limits.LeaseMs, endBy, now);
        Append(session, number, run.LastEvent, now, new JournalEvent.AttemptStarted(run.Attempt, fence, worker));
        return new Claim(new Lease(number, run.Id, fence, worker), run, Inline(session, run.Input));
    }

    /// <summary>The run of a lease that still holds; null when somebody else has it, or nobody.</summary>
    private RunRecord? Held(SqlSession session, Lease lease) => session.First(
        $"select {RunRows.Columns} from runs where number = $1 and fence = $2 and state = 2{(database.Dialect == SqlDialect.Postgres ? " for update" : "")}",
        RunRows.Read, lease.Run, lease.Fence);

    private readonly record struct Candidate(long Priority, long Share, long Number, string Project) : IComparable<Candidate>
    {
        public static Candidate Read(System.Data.Common.DbDataReader row) => new(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetString(3));

        public int CompareTo(Candidate other) => (Priority, Share, Number).CompareTo((other.Priority, other.Share, other.Number));
    }
}

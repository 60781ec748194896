namespace HelixFlow.Agents.Journal;

/// <summary>Runs of a type in a state.</summary>
/// <param name="Type">The type.</param>
/// <param name="State">Where they are.</param>
/// <param name="Count">How many there are.</param>
/// <param name="OldestMs">Of those that can be claimed: for how long the first of them could be, or since it rose in priority.</param>
public sealed record RunCount(string Type, RunState State, long Count, long OldestMs);

/// <summary>How much there is in a journal at a moment.</summary>
/// <param name="Runs">Those that have not ended, and dead letters.</param>
/// <param name="Workers">Workers that have been heard of lately.</param>
/// <param name="Deliveries">Messages to webhooks that wait to be sent, or to be sent again.</param>
/// <param name="OldestDeliveryMs">For how long the first of them has waited.</param>
public sealed record JournalCounts(IReadOnlyList<RunCount> Runs, long Workers, long Deliveries, long OldestDeliveryMs);

public sealed partial class Journal
{
    // Each in a query of its own: an index knows the runs of a state.
    private static readonly RunState[] _countedStates = [RunState.Waiting, RunState.Ready, RunState.Running, RunState.Parked, RunState.Dead];

    /// <summary>Counts what there is, over all projects.</summary>
    public Task<JournalCounts> CountsAsync(CancellationToken cancellationToken) => database.ReadAsync(
        session =>
        {
            long now = Now(session);
            var runs = new List<RunCount>();
            foreach (RunState state in _countedStates)
            {
                runs.AddRange(session.Query(
                    $"select type, count(*), min({(state == RunState.Ready ? "queued_at" : "0")}) from runs where state = {(int)state} group by type order by type",
                    row => new RunCount(row.GetString(0), state, row.GetInt64(1), state == RunState.Ready ? Math.Max(0, now - row.GetInt64(2)) : 0)));
            }

            (long deliveries, long oldest) = session.First(
                "select count(*), coalesce(min(created_at), 0) from webhook_deliveries where state = 0", static row => (row.GetInt64(0), row.GetInt64(1)));
            return new JournalCounts(
                runs, session.Number("select count(*) from workers where seen_at > $1", now - WorkerSilenceMs), deliveries, deliveries > 0 ? Math.Max(0, now - oldest) : 0);
        },
        cancellationToken);
}

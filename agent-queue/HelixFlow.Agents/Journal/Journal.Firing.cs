using System.Globalization;
using HelixFlow.Agents.Schedules;

namespace HelixFlow.Agents.Journal;

public sealed partial class Journal
{
    // Of how many changes of a schedule the times are kept. What is fired for is known by its run's key too.
    private const int KeptChanges = 1000;

    /// <summary>Asks for the runs of schedules whose times have come.</summary>
    /// <returns>Whether there may be more to do at once.</returns>
    private async Task<bool> FireAsync(int most, CancellationToken cancellationToken)
    {
        (long now, List<Schedule> due) = await database.ReadAsync(
            session =>
            {
                long time = Now(session);
                return (time, session.Query(
                    $"select {ScheduleRows.Columns} from schedules where state = 0 and (next_fire <= $1 or planned_at > $1) order by next_fire limit $2", ScheduleRows.Read, time, most));
            },
            cancellationToken).ConfigureAwait(false);
        await Task.WhenAll(due.Where(schedule => schedule.NextFire <= now || FirePlan.IsFromTheFuture(schedule, now)).Select(schedule => FireAsync(schedule, now, cancellationToken)))
            .ConfigureAwait(false); // they share a commit
        return due.Count >= most;
    }

    private async Task FireAsync(Schedule schedule, long now, CancellationToken cancellationToken)
    {
        FirePlan plan;
        try
        {
            plan = FirePlan.Of(schedule, now);
        }
        catch (FormatException)
        {
            // Its time zone is not known here. It must not hold up the others; who looks after it sees that it is paused.
            await PauseScheduleAsync(schedule.Definition.Project, schedule.Id, cancellationToken).ConfigureAwait(false);
            return;
        }

        await FireAsync(schedule, plan, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Does what was planned in one transaction, unless somebody else was first.</summary>
    private async Task FireAsync(Schedule schedule, FirePlan plan, CancellationToken cancellationToken)
    {
        byte[] input = InputOf(schedule);
        StoredValue value = plan.Fires.Count > 0 ? await StoreAsync(input, cancellationToken).ConfigureAwait(false) : default;
        HashSet<string> files = ArtifactReference.In(input);
        await WriteAsync(
            change =>
            {
                if (!Advance(change, schedule, plan))
                {
                    return false;
                }

                foreach (long time in plan.Fires)
                {
                    Fire(change, schedule, time, value, files);
                }

                if (plan.Missed is { } missed && !IsKnown(change, schedule, missed))
                {
                    Note(change, schedule, new ScheduleFire(missed, change.Now, FireOutcome.Missed, null));
                }

                change.Session.Post("delete from schedule_fires where schedule = $1 and version < $2", schedule.Id, schedule.Version - KeptChanges);
                return true;
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Moves a schedule on to its next time. Of several processes that planned the same, one succeeds.</summary>
    private static bool Advance(Change change, Schedule schedule, FirePlan plan) => change.Session.Execute(
        """
        update schedules set next_fire = $3, planned_at = $4, state = $5, last_fire = coalesce($6, last_fire), version = version + 1 where id = $1 and version = $2
        """,
        schedule.Id, schedule.Version, plan.Next, change.Now, (long)(plan.Next is null ? ScheduleState.Finished : ScheduleState.Active),
        plan.Fires.Count > 0 ? plan.Fires[^1] : null) > 0;

    private void Fire(Change change, Schedule schedule, long time, StoredValue input, HashSet<string> files)
    {
        if (IsKnown(change, schedule, time))
        {
            return; // the clock was put back
        }

        OverlapPolicy overlap = schedule.Definition.Overlap;
        List<string> open = overlap == OverlapPolicy.Allow ? [] : change.Session.Query(
            "select id from runs where schedule = $1 and state < 4 order by number limit 2", static row => row.GetString(0), schedule.Id);
        if (open.Count > (overlap == OverlapPolicy.BufferOne ? 1 : 0))
        {
            Note(change, schedule, new ScheduleFire(time, change.Now, FireOutcome.Skipped, null));
            return;
        }

        RunRequest request = RequestOf(schedule) with { Key = string.Create(CultureInfo.InvariantCulture, $"{schedule.Id}/{time}") };
        string digest = DigestOf(request, input.Reference);
        if (open.Count > 0)
        {
            request = request with { DependsOn = open, Options = request.Options with { RunAfterFailure = true } };
        }

        RunStart start = Insert(change, request, digest, input, files);
        FireOutcome outcome = start.Kind is not (RunStartKind.Created or RunStartKind.Existing) ? FireOutcome.Refused : open.Count > 0 ? FireOutcome.Buffered : FireOutcome.Started;
        Note(change, schedule, new ScheduleFire(time, change.Now, outcome, outcome == FireOutcome.Refused ? null : start.Run!.Id));
    }

    /// <summary>Whether it was decided what becomes of a time. That it was missed may have been a wrong clock's view.</summary>
    private static bool IsKnown(Change change, Schedule schedule, long time) => change.Session.Number(
        "select count(*) from schedule_fires where schedule = $1 and fire_at = $2 and outcome <> 3", schedule.Id, time) > 0;

    private static void Note(Change change, Schedule schedule, ScheduleFire fire)
    {
        change.Count(metrics => metrics.Fired(fire));
        change.Session.Execute(
            """
            insert into schedule_fires (schedule, fire_at, at, outcome, run, version) values ($1, $2, $3, $4, $5, $6)
            on conflict (schedule, fire_at) do update set at = excluded.at, outcome = excluded.outcome, run = excluded.run, version = excluded.version
            """,
            schedule.Id, fire.FireAt, fire.At, (long)fire.Outcome, fire.Run, schedule.Version + 1);
    }
}

namespace HelixFlow.Agents.Schedules;

/// <summary>What is to be done about a schedule now.</summary>
/// <param name="Fires">The times to ask for runs for, in order.</param>
/// <param name="Missed">The first of the times that nothing is asked for; null when there is none.</param>
/// <param name="Next">When to look again; null when there are no times left.</param>
internal sealed record FirePlan(IReadOnlyList<long> Fires, long? Missed, long? Next)
{
    // Clocks of servers are put right by less than this all the time.
    private const long ClockToleranceMs = 1000;

    /// <summary>A plan for a schedule that is due, or was planned at a time that has not come yet.</summary>
    public static FirePlan Of(Schedule schedule, long now)
    {
        ScheduleDefinition wanted = schedule.Definition;
        Timing timing = wanted.Timing;
        if (IsFromTheFuture(schedule, now))
        {
            // The clock was put back. What was fired for already is known by its time; what comes next is to be found anew, or nothing would come for as long as it was ahead.
            return new FirePlan([], null, timing.After(Math.Max(now, schedule.ActiveFrom)));
        }

        if (schedule.NextFire is not { } due || due > now)
        {
            return new FirePlan([], null, schedule.NextFire);
        }

        bool isLate = due < now - wanted.GraceMs;
        List<long> fires = (isLate, wanted.Misfire) switch
        {
            (true, MisfirePolicy.Skip) => timing.Latest(Math.Max(due, now - wanted.GraceMs) - 1, now, wanted.MostMissed),
            (true, MisfirePolicy.Once) => timing.Latest(due - 1, now, 1),
            _ => timing.Latest(due - 1, now, wanted.MostMissed),
        };
        return new FirePlan(fires, fires.Count > 0 && fires[0] == due ? null : due, timing.After(now));
    }

    public static bool IsFromTheFuture(Schedule schedule, long now) => schedule.PlannedAt > now + ClockToleranceMs;
}

namespace HelixFlow.Agents.Schedules;

/// <summary>At what times a schedule fires: by a cron expression, at a fixed interval, or once.</summary>
/// <remarks>A function of its fields alone: every process that asks gets the same times, in whole milliseconds since 1970.</remarks>
public sealed record Timing
{
    private Timing()
    {
    }

    /// <summary>The cron expression, or null.</summary>
    public string? Cron { get; private init; }

    /// <summary>The IANA name of the time zone whose clocks <see cref="Cron"/> means.</summary>
    public string? TimeZone { get; private init; }

    /// <summary>The interval; 0 for none.</summary>
    public long EveryMs { get; private init; }

    /// <summary>The one time; 0 for none.</summary>
    public long At { get; private init; }

    /// <summary>Nothing before this time, from which intervals are counted; 0 for no such time.</summary>
    public long StartsAt { get; private init; }

    /// <summary>Nothing after this time; 0 for no such time.</summary>
    public long EndsAt { get; private init; }

    private CronTimes? Expression { get; init; }

    /// <summary>Why the times of a stored expression cannot be found here; null when they can.</summary>
    private FormatException? Problem { get; init; }

    /// <summary>By a cron expression.</summary>
    /// <exception cref="FormatException">The expression or the time zone is wrong; the message says how.</exception>
    public static Timing OfCron(string expression, string zone, long startsAt = 0, long endsAt = 0) =>
        new() { Cron = expression, TimeZone = zone, StartsAt = startsAt, EndsAt = endsAt, Expression = CronTimes.Parse(expression, ZoneOf(zone)) };

    /// <summary>By a cron expression that was right when it was stored. When it is not right here, for example as the machine has no time zones, asking for times fails.</summary>
    internal static Timing OfStoredCron(string expression, string zone, long startsAt, long endsAt)
    {
        try
        {
            return OfCron(expression, zone, startsAt, endsAt);
        }
        catch (FormatException exception)
        {
            return new() { Cron = expression, TimeZone = zone, StartsAt = startsAt, EndsAt = endsAt, Problem = exception };
        }
    }

    /// <summary>Every so many milliseconds from a time on, which is the first one.</summary>
    public static Timing OfInterval(long everyMs, long startsAt, long endsAt = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(everyMs, 1);
        return new() { EveryMs = everyMs, StartsAt = startsAt, EndsAt = endsAt };
    }

    /// <summary>Once.</summary>
    public static Timing OfTime(long at) => new() { At = at };

    /// <summary>The first time after another one; null when there is none.</summary>
    /// <exception cref="FormatException">It was stored where its time zone was known, and is not known here.</exception>
    public long? After(long time)
    {
        if (Problem is not null)
        {
            throw new FormatException(Problem.Message, Problem);
        }

        long from = Math.Max(time, StartsAt - 1);
        long? next = this switch
        {
            { Expression: { } cron } => cron.After(DateTimeOffset.FromUnixTimeMilliseconds(from))?.ToUnixTimeMilliseconds(),
            { EveryMs: > 0 } => from < StartsAt ? StartsAt : StartsAt + ((((from - StartsAt) / EveryMs) + 1) * EveryMs),
            _ => At > from ? At : null,
        };
        return EndsAt > 0 && next > EndsAt ? null : next;
    }

    /// <summary>The last of the times after <paramref name="after"/>, up to <paramref name="upTo"/>, at most so many and in order.</summary>
    /// <remarks>Halves the span until it holds not many more than are wanted: it takes about as long for a year as for a minute.</remarks>
    public List<long> Latest(long after, long upTo, int most)
    {
        List<long> found = Between(after, upTo, 2 * most, out bool areAll);
        (long low, long high) = (after, upTo);
        while (!areAll && high - low > 1)
        {
            long middle = low + ((high - low) / 2);
            List<long> half = Between(middle, upTo, 2 * most, out bool areAllOfHalf);
            (low, high) = areAllOfHalf ? (low, middle) : (middle, high);
            if (areAllOfHalf && half.Count >= most)
            {
                (found, areAll) = (half, true);
            }
        }

        return found.Count > most ? found[^most..] : found;
    }

    /// <summary>The first times of a span; all of them when they are fewer than <paramref name="most"/>.</summary>
    private List<long> Between(long after, long upTo, int most, out bool areAll)
    {
        var times = new List<long>();
        while (times.Count < most && After(times.Count == 0 ? after : times[^1]) is { } time && time <= upTo)
        {
            times.Add(time);
        }

        areAll = times.Count < most;
        return times;
    }

    private static TimeZoneInfo ZoneOf(string name)
    {
        try
        {
            return TimeZoneInfo.FindSystemTimeZoneById(name);
        }
        catch (Exception exception) when (exception is TimeZoneNotFoundException or InvalidTimeZoneException or System.Security.SecurityException or UnauthorizedAccessException)
        {
            throw new FormatException($"There is no time zone '{name}': name one as the IANA database does, for example 'Europe/Berlin'.", exception);
        }
    }
}

using System.Globalization;
using Quartz;

namespace HelixFlow.Agents.Schedules;

/// <summary>When a cron expression is true, by the clocks of a time zone. Immutable.</summary>
/// <remarks>
/// <para>
/// Takes the five fields of crontab(5) (minute, hour, day of month, month, day of week), six with seconds in front, and <c>@hourly</c> and its like. Days of the
/// week are 0 to 7 in both forms, where 0 and 7 are Sunday, or names; when the day of the month and the day of the week are both restricted, either one is enough.
/// </para>
/// <para>
/// Quartz reads and calculates. When clocks are put forward, what would have come in the hour that is left out comes once, at its end. When they are put back, an expression
/// with a fixed hour and minute comes in the first of the two hours only, and one that repeats (its hour or minute begins with <c>*</c>) in both.
/// </para>
/// </remarks>
internal sealed class CronTimes
{
    private readonly CronExpression _expression;

    private CronTimes(CronExpression expression) => _expression = expression;

    /// <summary>Reads an expression.</summary>
    /// <exception cref="FormatException">It is none, or is never true; the message says what is wrong.</exception>
    public static CronTimes Parse(string text, TimeZoneInfo zone)
    {
        string[] fields = text.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        CronExpression expression = fields.Length switch
        {
            1 when fields[0].StartsWith('@') => Read(fields[0]),
            5 => Read(string.Join(' ', fields)),
            // Quartz counts the days of the week from 1 when there are seconds. They must mean the same here as without.
            6 => new CronExpression($"{fields[0]} {Read(string.Join(' ', fields[1..])).CronExpressionString[2..]}"),
            _ => throw new FormatException(
                $"A cron expression has five fields, or six with seconds in front; this one has {fields.Length.ToString(CultureInfo.InvariantCulture)}."),
        };
        expression = expression.WithTimeZone(zone);
        return expression.GetNextValidTimeAfter(DateTimeOffset.UnixEpoch) is null ? throw new FormatException("The expression is never true.") : new CronTimes(expression);
    }

    /// <summary>The first time after another one, in whole seconds; null when there is none.</summary>
    public DateTimeOffset? After(DateTimeOffset time) => _expression.GetNextValidTimeAfter(time);

    private static CronExpression Read(string text) => CronExpression.Parse(text.Replace('?', '*'), CronFormat.Unix);
}

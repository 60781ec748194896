using System.Globalization;
using HelixFlow.Agents.Schedules;

namespace HelixFlow.Agents.Tests.Schedules;

public sealed class TimingTests
{
    private const string Berlin = "Europe/Berlin"; // 29 March 2026, 02:00 becomes 03:00; 25 October 2026, 03:00 becomes 02:00

    [Theory]
    [InlineData("0 9 * * 1-5", "2026-10-23T12:00Z", "2026-10-26T08:00Z 2026-10-27T08:00Z")]
    [InlineData("0 9 * * 0", "2026-10-23T12:00Z", "2026-10-25T08:00Z 2026-11-01T08:00Z")]
    [InlineData("0 9 * * 7", "2026-10-23T12:00Z", "2026-10-25T08:00Z 2026-11-01T08:00Z")]
    [InlineData("0 0 9 * * MON", "2026-10-23T12:00Z", "2026-10-26T08:00Z 2026-11-02T08:00Z")]
    [InlineData("30 0 9 ? * 1", "2026-10-23T12:00Z", "2026-10-26T08:00:30Z 2026-11-02T08:00:30Z")]
    [InlineData("0 12 13 * 5", "2026-11-07T00:00Z", "2026-11-13T11:00Z 2026-11-20T11:00Z")] // either the 13th or a Friday
    [InlineData("0 9 L * *", "2027-02-01T00:00Z", "2027-02-28T08:00Z 2027-03-31T07:00Z")]
    [InlineData("0 9 29 2 *", "2026-01-01T00:00Z", "2028-02-29T08:00Z 2032-02-29T08:00Z")]
    [InlineData("@monthly", "2026-10-23T12:00Z", "2026-10-31T23:00Z 2026-11-30T23:00Z")]
    public void A_cron_expression_means_what_crontab_says(string expression, string after, string expected) =>
        Assert.Equal(expected, Show(Timing.OfCron(expression, Berlin), after, 2));

    [Theory]
    [InlineData("30 2 * * *", "2026-03-28T12:00Z", "2026-03-29T01:00Z 2026-03-30T00:30Z")] // at the end of the hour that is left out
    [InlineData("*/20 2 * * *", "2026-03-28T12:00Z", "2026-03-29T01:00Z 2026-03-30T00:00Z")]
    [InlineData("*/30 * * * *", "2026-03-29T00:15Z", "2026-03-29T00:30Z 2026-03-29T01:00Z 2026-03-29T01:30Z")]
    [InlineData("30 2 * * *", "2026-10-24T12:00Z", "2026-10-25T00:30Z 2026-10-26T01:30Z")] // in the first of the two hours only
    [InlineData("*/30 * * * *", "2026-10-24T23:45Z", "2026-10-25T00:00Z 2026-10-25T00:30Z 2026-10-25T01:00Z 2026-10-25T01:30Z 2026-10-25T02:00Z")] // in both
    public void Clocks_that_are_put_forward_or_back_lose_nothing_and_double_nothing(string expression, string after, string expected) =>
        Assert.Equal(expected, Show(Timing.OfCron(expression, Berlin), after, expected.Split(' ').Length));

    [Theory]
    [InlineData("* * * *", "five fields")]
    [InlineData("* * * * * * *", "five fields")]
    [InlineData("", "five fields")]
    [InlineData("60 * * * *", "")]
    [InlineData("* 24 * * *", "")]
    [InlineData("* * 0 * *", "")]
    [InlineData("* * * 13 *", "")]
    [InlineData("* * * * 8", "")]
    [InlineData("70 0 9 * * 1", "")]
    [InlineData("a b c d e", "")]
    [InlineData("@reboot", "")]
    [InlineData("0 9 31 2 *", "never")]
    public void What_is_no_cron_expression_is_refused_with_a_reason(string expression, string reason) =>
        Assert.Contains(reason, Assert.ThrowsAny<FormatException>(() => Timing.OfCron(expression, "UTC")).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("Europe/Nowhere")]
    [InlineData("../../etc/passwd")]
    [InlineData("")]
    public void What_is_no_time_zone_is_refused(string zone) =>
        Assert.Contains("time zone", Assert.Throws<FormatException>(() => Timing.OfCron("* * * * *", zone)).Message, StringComparison.Ordinal);

    [Fact]
    public void Random_texts_are_read_or_refused_and_nothing_else()
    {
        var random = new Random(7);
        string[] pieces = ["*", "?", "/", "-", ",", "L", "W", "#", "0", "1", "7", "59", "SUN", "JAN", " ", " ", "@daily", "é", "H", "\t"];
        int read = 0;
        for (int i = 0; i < 20_000; i++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(1, 14)).Select(_ => pieces[random.Next(pieces.Length)]));
            try
            {
                Timing.OfCron(text, "UTC");
                read++;
            }
            catch (FormatException)
            {
            }
        }

        Assert.True(read > 10, $"{read}");
    }

    [Fact]
    public void An_interval_is_counted_from_its_beginning_and_ends_when_it_should()
    {
        var timing = Timing.OfInterval(100, 1000, 1250);

        Assert.Equal([1000L, 1100L, 1200L], Walk(timing, 0));
        Assert.Equal([1100L, 1200L], Walk(timing, 1000));
        Assert.Equal([1200L], timing.Latest(1000, 5000, 1));
        Assert.Equal(5L, Timing.OfTime(5).After(4));
        Assert.Null(Timing.OfTime(5).After(5));
    }

    [Fact]
    public void The_latest_times_are_the_last_of_all()
    {
        var random = new Random(11);
        string[] expressions = ["*/7 * * * *", "30 2 * * *", "*/20 1-3 * * *", "0 */2 * * *", "15 1,2,3 * * 6,0", "10 0 2 28-31 3,10 *"];
        for (int i = 0; i < 400; i++)
        {
            long from = DateTimeOffset.Parse(i % 2 == 0 ? "2026-03-27T00:00Z" : "2026-10-23T00:00Z", CultureInfo.InvariantCulture).ToUnixTimeMilliseconds() + random.Next(86_400_000);
            long upTo = from + random.Next(4 * 86_400_000);
            Timing timing = i % 7 == 0
                ? Timing.OfInterval(random.Next(1, 10_000_000), from - random.Next(10_000_000), upTo - random.Next(1_000_000))
                : Timing.OfCron(expressions[random.Next(expressions.Length)], Berlin, random.Next(2) == 0 ? 0 : from + random.Next(10_000_000), random.Next(2) == 0 ? 0 : upTo - random.Next(10_000_000));
            List<long> all = Walk(timing, from, upTo);
            int most = random.Next(1, 20);

            long between = from + (long)(random.NextDouble() * (upTo - from));

            Assert.Equal(all.TakeLast(most), timing.Latest(from, upTo, most));
            Assert.Equal(all.Where(time => time > between), Walk(timing, between, upTo)); // wherever one begins to look
        }
    }

    private static List<long> Walk(Timing timing, long after, long upTo = long.MaxValue)
    {
        var times = new List<long>();
        while (timing.After(times.Count == 0 ? after : times[^1]) is { } time && time <= upTo)
        {
            times.Add(time);
        }

        return times;
    }

    private static string Show(Timing timing, string after, int count)
    {
        var times = new List<string>();
        long last = DateTimeOffset.Parse(after, CultureInfo.InvariantCulture).ToUnixTimeMilliseconds();
        for (int i = 0; i < count; i++)
        {
            last = timing.After(last)!.Value;
            var time = DateTimeOffset.FromUnixTimeMilliseconds(last);
            times.Add(time.ToString(time.Second == 0 ? "yyyy-MM-dd'T'HH:mm'Z'" : "yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
        }

        return string.Join(' ', times);
    }
}

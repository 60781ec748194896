using System.Globalization;

namespace HelixFlow.Gateway.Limits;

/// <summary>Durations as OpenAI writes them in headers and texts, which is as Go does: <c>0s</c>, <c>20ms</c>, <c>1.5s</c>, <c>6m0s</c>, <c>1h0m2s</c>.</summary>
internal static class ResetDuration
{
    /// <summary>A duration, rounded up to whole milliseconds.</summary>
    public static string Text(TimeSpan duration)
    {
        long milliseconds = (long)Math.Ceiling(Math.Max(0, duration.TotalMilliseconds) - 1e-6);
        if (milliseconds is > 0 and < 1000)
        {
            return string.Create(CultureInfo.InvariantCulture, $"{milliseconds}ms");
        }

        (long minutes, long rest) = Math.DivRem(milliseconds, 60_000);
        (long hours, minutes) = Math.DivRem(minutes, 60);
        string seconds = (rest / 1000.0).ToString("0.###", CultureInfo.InvariantCulture) + "s";
        return hours > 0 ? string.Create(CultureInfo.InvariantCulture, $"{hours}h{minutes}m{seconds}")
            : minutes > 0 ? string.Create(CultureInfo.InvariantCulture, $"{minutes}m{seconds}")
            : seconds;
    }
}

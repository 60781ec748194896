using System.Globalization;

namespace HelixFlow.Cli.Bench;

/// <summary>Durations as people write them: 250ms, 1.5s, 2m, 1h.</summary>
internal static class DurationText
{
    /// <summary>The duration; null when the text is none, or not above zero, or longer than a year.</summary>
    public static TimeSpan? Parse(string text)
    {
        (string suffix, double seconds)[] units = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600)];
        foreach ((string suffix, double seconds) in units)
        {
            if (text.EndsWith(suffix, StringComparison.Ordinal)
                && double.TryParse(text.AsSpan(0, text.Length - suffix.Length), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double amount))
            {
                double total = amount * seconds;
                return total > 0 && total < TimeSpan.FromDays(366).TotalSeconds ? TimeSpan.FromSeconds(total) : null;
            }
        }

        return null;
    }
}

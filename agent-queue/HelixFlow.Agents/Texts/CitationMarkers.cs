using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace HelixFlow.Agents.Texts;

/// <summary>Numbers in brackets, such as [2] and [1, 3], with which a text names its sources.</summary>
internal static partial class CitationMarkers
{
    /// <summary>Replaces the numbers one by one; those without another are removed, and brackets in which none is left.</summary>
    public static string Rewrite(string text, Func<int, int?> number) => Marker().Replace(text, match =>
    {
        var numbers = new List<int>();
        foreach (string part in match.Groups["numbers"].Value.Split(','))
        {
            int old = int.Parse(part, NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture);
            if (number(old) is { } other && !numbers.Contains(other))
            {
                numbers.Add(other);
            }
        }

        string left = string.Join(", ", numbers.Select(static one => one.ToString(CultureInfo.InvariantCulture)));
        return numbers.Count == 0 ? "" : $"{match.Groups["space"].Value}[{left}]";
    });

    /// <summary>
    /// The same text with round brackets where they are no such numbers: whatever is removed then, no number comes to stand in brackets that did not.
    /// </summary>
    public static string Isolate(string text)
    {
        var isolated = new StringBuilder(text.Length);
        int at = 0;
        foreach (ValueMatch marker in Marker().EnumerateMatches(text))
        {
            isolated.Append(Rounded(text.AsSpan(at..marker.Index))).Append(text, marker.Index, marker.Length);
            at = marker.Index + marker.Length;
        }

        return isolated.Append(Rounded(text.AsSpan(at))).ToString();

        static string Rounded(ReadOnlySpan<char> part) => part.ToString().Replace('[', '(').Replace(']', ')');
    }

    /// <summary>All numbers that a text names.</summary>
    public static HashSet<int> In(string text)
    {
        var numbers = new HashSet<int>();
        Rewrite(text, number => numbers.Add(number) ? number : null);
        return numbers;
    }

    /// <summary>Whether there is one.</summary>
    public static bool Any(string text) => Marker().IsMatch(text);

    /// <summary>The same text with round brackets, so that it names nothing.</summary>
    public static string Hide(string text) => Marker().Replace(text, static match => $"{match.Groups["space"].Value}({match.Groups["numbers"].Value})");

    // Not RegexOptions.NonBacktracking, which misses the second of three adjacent markers; no part of the pattern can match in two ways, so it takes
    // linear time as it is.
    [GeneratedRegex(@"(?<space>\s?)\[(?<numbers>\s*[0-9]{1,9}(?:\s*,\s*[0-9]{1,9})*\s*)\]")]
    private static partial Regex Marker();
}

using System.Globalization;

namespace HelixFlow.InferenceNode.Devices;

/// <summary>A properties file of the AMD driver: lines of a name, a space and an unsigned number.</summary>
internal static class KfdProperties
{
    /// <summary>Reads what is of that form and passes over everything else; of a name that comes again the last counts.</summary>
    public static Dictionary<string, ulong> Parse(ReadOnlySpan<char> text)
    {
        var properties = new Dictionary<string, ulong>(StringComparer.Ordinal);
        foreach (ReadOnlySpan<char> line in text.EnumerateLines())
        {
            int space = line.IndexOf(' ');
            if (space > 0 && ulong.TryParse(line[(space + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out ulong value))
            {
                properties[line[..space].ToString()] = value;
            }
        }

        return properties;
    }
}

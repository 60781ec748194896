using System.Globalization;
using System.Text.Json;
using HelixFlow.Cli.Commands;

namespace HelixFlow.Cli.Jobs;

/// <summary>The result of a research job as people read it: the report, then what its numbers stand for.</summary>
internal static class ResearchReport
{
    /// <summary>Writes it; false when the result is not that of a research job.</summary>
    public static bool TryWrite(TextWriter output, JsonElement result)
    {
        if (result.ValueKind != JsonValueKind.Object || !result.TryGetProperty("report", out JsonElement report)
            || !result.TryGetProperty("citations", out JsonElement citations) || !result.TryGetProperty("notes", out JsonElement notes))
        {
            return false;
        }

        foreach (string line in report.GetString()!.Split('\n'))
        {
            output.WriteLine(Terminal.Printable(line, int.MaxValue));
        }

        foreach (JsonElement citation in citations.EnumerateArray())
        {
            output.WriteLine();
            int number = citation.GetProperty("number").GetInt32();
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"[{number}] {Text(citation, "title")}  {Text(citation, "url")}"));
            output.WriteLine($"    \"{Text(citation, "quote")}\"");
        }

        foreach (JsonElement note in notes.EnumerateArray())
        {
            output.WriteLine();
            output.WriteLine($"({Text(note, "message")})");
        }

        return true;
    }

    private static string Text(JsonElement element, string name) => Terminal.Printable(element.GetProperty(name).GetString()!, 1000);
}

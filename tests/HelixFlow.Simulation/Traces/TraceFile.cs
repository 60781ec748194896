using System.Globalization;
using System.Text;

namespace HelixFlow.Simulation.Traces;

/// <summary>Recorded traces as comma-separated values (RFC 4180), one request a line below the header.</summary>
public static class TraceFile
{
    public const string Header = "time_s,model,prompt_tokens,output_tokens,project,priority";

    // Thirty years: what is beyond is a Unix time in milliseconds, or a mistake.
    private const double LongestSeconds = 1e9;

    /// <summary>Reads a trace; lines may be in any order of time, and those of the same time stay in theirs. Empty lines are skipped.</summary>
    /// <exception cref="FormatException">A line is wrong; the message says which and how.</exception>
    public static IReadOnlyList<TraceRequest> Read(TextReader reader)
    {
        if (reader.ReadLine() is not { } header || !string.Equals(header.Trim().TrimStart('\uFEFF'), Header, StringComparison.Ordinal))
        {
            throw new FormatException($"line 1: the first line has to be '{Header}'");
        }

        var requests = new List<TraceRequest>();
        var names = new Dictionary<string, string>(StringComparer.Ordinal); // one string for each name
        var fields = new List<string>();
        for (int number = 2; reader.ReadLine() is { } line; number++)
        {
            if (string.IsNullOrWhiteSpace(line))
            {
                continue;
            }

            Split(line, number, fields);
            requests.Add(Parse(fields, number, names));
        }

        return [.. requests.OrderBy(static request => request.At)];
    }

    /// <summary>Writes a trace such that <see cref="Read"/> gives the same one.</summary>
    public static void Write(TextWriter writer, IEnumerable<TraceRequest> requests)
    {
        writer.Write(Header);
        writer.Write('\n');
        foreach (TraceRequest request in requests)
        {
            decimal seconds = (decimal)request.At.Ticks / TimeSpan.TicksPerSecond;
            writer.Write(string.Create(
                CultureInfo.InvariantCulture,
                $"{seconds:0.#######},{Quote(request.Model)},{request.PromptTokens},{request.OutputTokens},{Quote(request.Project)},{request.Priority}\n"));
        }
    }

    private static TraceRequest Parse(List<string> fields, int number, Dictionary<string, string> names)
    {
        if (fields.Count != 6)
        {
            throw new FormatException($"line {number}: {fields.Count} fields instead of 6 ({Header})");
        }

        if (!decimal.TryParse(fields[0], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal seconds) || seconds > (decimal)LongestSeconds)
        {
            throw new FormatException($"line {number}: time_s is '{fields[0]}', not a number of seconds from 0 to {LongestSeconds:0}");
        }

        if (fields[1].Length == 0)
        {
            throw new FormatException($"line {number}: model is empty");
        }

        return new TraceRequest(
            new TimeSpan((long)Math.Round(seconds * TimeSpan.TicksPerSecond)),
            Same(fields[1]),
            Count(fields[2], "prompt_tokens", number),
            Count(fields[3], "output_tokens", number),
            Same(fields[4]),
            int.TryParse(fields[5], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int priority)
                ? priority
                : throw new FormatException($"line {number}: priority is '{fields[5]}', not a whole number"));

        string Same(string name)
        {
            names.TryAdd(name, name);
            return names[name];
        }
    }

    private static int Count(string text, string what, int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value)
            ? value
            : throw new FormatException($"line {number}: {what} is '{text}', not a whole number of at least 0");

    private static void Split(string line, int number, List<string> fields)
    {
        fields.Clear();
        var field = new StringBuilder();
        int at = 0;
        while (true)
        {
            field.Clear();
            if (at < line.Length && line[at] == '"')
            {
                at = Quoted(line, at, number, field);
            }
            else
            {
                int end = line.IndexOf(',', at);
                end = end < 0 ? line.Length : end;
                field.Append(line.AsSpan(at, end - at).Trim());
                at = end;
            }

            fields.Add(field.ToString());
            if (at == line.Length)
            {
                return;
            }

            at++; // the comma
        }
    }

    /// <summary>Reads a field in quotes; a quote within it stands twice.</summary>
    /// <returns>The place behind it: a comma or the line's end.</returns>
    private static int Quoted(string line, int at, int number, StringBuilder field)
    {
        while (true)
        {
            int end = line.IndexOf('"', at + 1);
            if (end < 0)
            {
                throw new FormatException($"line {number}: a quote is not closed");
            }

            field.Append(line.AsSpan(at + 1, end - at - 1));
            if (end + 1 < line.Length && line[end + 1] == '"')
            {
                field.Append('"');
                at = end + 1;
            }
            else if (end + 1 == line.Length || line[end + 1] == ',')
            {
                return end + 1;
            }
            else
            {
                throw new FormatException($"line {number}: '{line[end + 1]}' stands behind a closing quote, where a comma has to be");
            }
        }
    }

    private static string Quote(string text)
    {
        if (text.AsSpan().IndexOfAny('\r', '\n') >= 0)
        {
            throw new ArgumentException($"A name with a line break cannot be written: '{text}'.", nameof(text));
        }

        bool plain = text.AsSpan().IndexOfAny('"', ',') < 0 && text.Length == text.AsSpan().Trim().Length;
        return plain ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }
}

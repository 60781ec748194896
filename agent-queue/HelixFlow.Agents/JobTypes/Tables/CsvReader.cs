using System.Text;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.JobTypes.Tables;

/// <summary>Comma-separated values as RFC 4180 has them, with any delimiter and any line ends.</summary>
internal static class CsvReader
{
    /// <summary>The delimiter that the first line has most of, outside quotes; a comma when it has none.</summary>
    public static char DelimiterOf(string text)
    {
        Span<int> counts = stackalloc int[4];
        const string Candidates = ",;\t|";
        bool isQuoted = false;
        foreach (char c in text)
        {
            if (c == '"')
            {
                isQuoted = !isQuoted;
            }
            else if (!isQuoted && c is '\n' or '\r')
            {
                break;
            }
            else if (!isQuoted && Candidates.IndexOf(c, StringComparison.Ordinal) is >= 0 and var i)
            {
                counts[i]++;
            }
        }

        int best = 0;
        for (int i = 1; i < counts.Length; i++)
        {
            best = counts[i] > counts[best] ? i : best;
        }

        return Candidates[best];
    }

    /// <summary>The records; lines with nothing at all are passed over.</summary>
    /// <exception cref="JobFailedException">A quoted field does not end, or goes on after its end.</exception>
    public static List<string[]> Read(string text, char delimiter)
    {
        var records = new List<string[]>();
        var fields = new List<string>();
        var field = new StringBuilder();
        int at = text.StartsWith('\ufeff') ? 1 : 0;
        while (at < text.Length)
        {
            field.Clear();
            bool wasQuoted = text[at] == '"';
            at = wasQuoted ? Quoted(text, at, field, records.Count + 1) : Plain(text, at, delimiter, field);
            fields.Add(field.ToString());
            if (at < text.Length && text[at] == delimiter)
            {
                at++;
                if (at == text.Length)
                {
                    fields.Add("");
                }

                if (at == text.Length || text[at] is not ('\n' or '\r'))
                {
                    continue;
                }

                fields.Add("");
            }

            if (at < text.Length && text[at] is not ('\n' or '\r'))
            {
                throw new JobFailedException("invalid_data", $"In record {records.Count + 1} something follows the end of a quoted field.");
            }

            at += at + 1 < text.Length && text[at] == '\r' && text[at + 1] == '\n' ? 2 : 1;
            End(records, fields, wasQuoted);
        }

        End(records, fields, false);
        return records;
    }

    private static void End(List<string[]> records, List<string> fields, bool wasQuoted)
    {
        if (fields.Count > 1 || (fields.Count == 1 && (fields[0].Length > 0 || wasQuoted)))
        {
            records.Add([.. fields]);
        }

        fields.Clear();
    }

    private static int Plain(string text, int at, char delimiter, StringBuilder field)
    {
        int end = text.AsSpan(at).IndexOfAny(delimiter, '\r', '\n') is >= 0 and var length ? at + length : text.Length;
        field.Append(text, at, end - at);
        return end;
    }

    private static int Quoted(string text, int at, StringBuilder field, int record)
    {
        while (true)
        {
            int end = text.IndexOf('"', at + 1);
            if (end < 0)
            {
                throw new JobFailedException("invalid_data", $"In record {record} a quoted field does not end.");
            }

            field.Append(text, at + 1, end - at - 1);
            if (end + 1 >= text.Length || text[end + 1] != '"')
            {
                return end + 1;
            }

            field.Append('"'); // two quotes stand for one
            at = end + 1;
        }
    }
}

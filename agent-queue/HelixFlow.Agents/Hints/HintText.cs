using System.Text;

namespace HelixFlow.Agents.Hints;

/// <summary>Hints as text: the sender's name, then a hint a line, the letter of its kind and its text.</summary>
internal static class HintText
{
    private const string Letters = "rcx"; // [JournalHintKind]

    /// <summary>The hints in as many messages as it takes.</summary>
    /// <param name="sender">The process that tells them.</param>
    /// <param name="hints">May be none.</param>
    /// <param name="mostBytes">The longest message, in bytes of UTF-8.</param>
    public static IEnumerable<string> Write(string sender, IEnumerable<JournalHint> hints, int mostBytes)
    {
        var message = new StringBuilder(sender);
        int empty = Encoding.UTF8.GetByteCount(sender);
        int bytes = empty;
        foreach (JournalHint hint in hints)
        {
            int more = 2 + Encoding.UTF8.GetByteCount(hint.Text);
            if (bytes + more > mostBytes && bytes > empty)
            {
                yield return message.ToString();
                message.Clear().Append(sender);
                bytes = empty;
            }

            message.Append('\n').Append(Letters[(int)hint.Kind]).Append(hint.Text);
            bytes += more;
        }

        if (bytes > empty)
        {
            yield return message.ToString();
        }
    }

    /// <summary>The hints of another process; none of those that <paramref name="self"/> has sent. Lines that are no hints are left out.</summary>
    public static IEnumerable<JournalHint> Read(string message, string self)
    {
        string[] lines = message.Split('\n');
        if (lines[0] == self)
        {
            yield break;
        }

        foreach (string line in lines.Skip(1))
        {
            if (line.Length > 0 && Letters.IndexOf(line[0], StringComparison.Ordinal) is >= 0 and var kind) // a newer process may know more kinds
            {
                yield return new JournalHint((JournalHintKind)kind, line[1..]);
            }
        }
    }
}

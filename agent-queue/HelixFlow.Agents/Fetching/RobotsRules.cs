using System.Globalization;
using System.Text;

namespace HelixFlow.Agents.Fetching;

/// <summary>What a host's robots.txt says to us (RFC 9309). Immutable.</summary>
/// <remarks>
/// The groups that name our product are one group; without one those of <c>*</c> are. Of the rules that match a path the longest one holds, and
/// <c>allow</c> where two are
/// equally long. <c>Crawl-delay</c> is no part of the standard, but obeyed.
/// </remarks>
internal sealed class RobotsRules
{
    /// <summary>How much of a file is read: what the standard asks for at least.</summary>
    public const int MaxBytes = 500 << 10;

    private readonly List<(string Pattern, bool Allows)> _rules;

    private RobotsRules(List<(string Pattern, bool Allows)> rules, TimeSpan delay)
    {
        _rules = rules;
        Delay = delay;
    }

    /// <summary>Of a host without a file.</summary>
    public static RobotsRules AllowAll { get; } = new([], TimeSpan.Zero);

    /// <summary>Of a host whose file cannot be had at this moment.</summary>
    public static RobotsRules RefuseAll { get; } = new([("/", false)], TimeSpan.Zero);

    /// <summary>How long it wants to rest between requests; zero when it does not say.</summary>
    public TimeSpan Delay { get; }

    /// <summary>Reads a file; what it says in no known form is skipped.</summary>
    /// <param name="file">Its text, or the beginning of it.</param>
    /// <param name="product">Our product token.</param>
    public static RobotsRules Parse(string file, string product)
    {
        var ours = new Group();
        var anybodys = new Group();
        var current = new List<Group>();
        bool isNamed = false; // whether a group names us, with or without rules
        bool isHead = false; // among the lines that say whom a group is for
        foreach (ReadOnlySpan<char> each in file.AsSpan().TrimStart('\uFEFF').EnumerateLines())
        {
            ReadOnlySpan<char> line = each.IndexOf('#') is >= 0 and var comment ? each[..comment] : each;
            if (line.IndexOf(':') is not (> 0 and var colon))
            {
                continue;
            }

            ReadOnlySpan<char> key = line[..colon].Trim(), value = line[(colon + 1)..].Trim();
            if (key.Equals("user-agent", StringComparison.OrdinalIgnoreCase))
            {
                if (!isHead)
                {
                    current.Clear();
                    isHead = true;
                }

                if (value is "*")
                {
                    current.Add(anybodys);
                }
                else if (TokenOf(value).Equals(product, StringComparison.OrdinalIgnoreCase))
                {
                    current.Add(ours);
                    isNamed = true;
                }
            }
            else if (key.Equals("crawl-delay", StringComparison.OrdinalIgnoreCase))
            {
                if (double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds) && seconds <= 86_400)
                {
                    current.ForEach(group => group.Delay = TimeSpan.FromSeconds(seconds));
                }
            }
            else if (key.Equals("allow", StringComparison.OrdinalIgnoreCase) || key.Equals("disallow", StringComparison.OrdinalIgnoreCase))
            {
                isHead = false;
                if (value.Length > 0 && current.Count > 0)
                {
                    (string, bool) rule = (Normalized(value), key.Length == "allow".Length);
                    current.ForEach(group => group.Rules.Add(rule));
                }
            }
        }

        Group applies = isNamed ? ours : anybodys;
        return new RobotsRules(applies.Rules, applies.Delay);
    }

    /// <summary>Whether a page may be read.</summary>
    /// <param name="pathAndQuery">Begins with a slash.</param>
    public bool Allows(string pathAndQuery)
    {
        string path = Normalized(pathAndQuery);
        if (path == "/robots.txt")
        {
            return true;
        }

        (string Pattern, bool Allows) best = ("", true);
        foreach ((string Pattern, bool Allows) rule in _rules)
        {
            bool isStronger = rule.Pattern.Length > best.Pattern.Length || (rule.Pattern.Length == best.Pattern.Length && rule.Allows);
            if (isStronger && Matches(rule.Pattern, path))
            {
                best = rule;
            }
        }

        return best.Allows;
    }

    /// <summary>Whether a path begins as a pattern says: <c>*</c> stands for anything, <c>$</c> at the end for the path's end.</summary>
    internal static bool Matches(ReadOnlySpan<char> pattern, ReadOnlySpan<char> path)
    {
        bool isAnchored = pattern is [.., '$'];
        if (isAnchored)
        {
            pattern = pattern[..^1];
        }

        bool isFirst = true;
        while (true)
        {
            int star = pattern.IndexOf('*');
            ReadOnlySpan<char> piece = star < 0 ? pattern : pattern[..star];
            if (star < 0 && isAnchored)
            {
                return isFirst ? path.SequenceEqual(piece) : path.EndsWith(piece, StringComparison.Ordinal);
            }

            int at = isFirst ? (path.StartsWith(piece, StringComparison.Ordinal) ? 0 : -1) : path.IndexOf(piece, StringComparison.Ordinal);
            if (at < 0 || star < 0)
            {
                return at >= 0;
            }

            path = path[(at + piece.Length)..];
            pattern = pattern[(star + 1)..];
            isFirst = false;
        }
    }

    private static ReadOnlySpan<char> TokenOf(ReadOnlySpan<char> agent)
    {
        int end = 0;
        while (end < agent.Length && (char.IsAsciiLetter(agent[end]) || agent[end] is '-' or '_'))
        {
            end++;
        }

        return agent[..end];
    }

    /// <summary>One form for each path: octets of characters outside ASCII as %XX, unreserved characters (RFC 3986) as they are.</summary>
    private static string Normalized(ReadOnlySpan<char> path)
    {
        var normal = new StringBuilder(path.Length);
        byte[] octets = Encoding.UTF8.GetBytes(path.ToString());
        for (int i = 0; i < octets.Length; i++)
        {
            byte octet = octets[i];
            bool isEscaped = octet == '%' && i + 2 < octets.Length && char.IsAsciiHexDigit((char)octets[i + 1]) && char.IsAsciiHexDigit((char)octets[i + 2]);
            if (isEscaped)
            {
                octet = Convert.FromHexString([(char)octets[i + 1], (char)octets[i + 2]])[0];
                i += 2;
            }

            bool isUnreserved = char.IsAsciiLetterOrDigit((char)octet) || octet is (byte)'-' or (byte)'.' or (byte)'_' or (byte)'~';
            if (octet >= 0x80 || (isEscaped && !isUnreserved))
            {
                normal.Append('%').Append(octet.ToString("X2", CultureInfo.InvariantCulture));
            }
            else
            {
                normal.Append((char)octet);
            }
        }

        return normal.ToString();
    }

    private sealed class Group
    {
        public List<(string Pattern, bool Allows)> Rules { get; } = [];

        public TimeSpan Delay { get; set; }
    }
}

using System.Text;

namespace HelixFlow.Engine.Tokenization.PreTokenizers;

/// <summary>Rewrites a regular expression of Oniguruma or Rust for .NET.</summary>
internal static class RegexSyntax
{
    /// <exception cref="NotSupportedException">The pattern uses something that .NET understands differently.</exception>
    public static string Translate(string pattern)
    {
        var output = new StringBuilder(pattern.Length + 16);
        var groups = new Stack<int>();
        var atom = 0; // where the last atom starts in the output
        for (var at = 0; at < pattern.Length;)
        {
            switch (pattern[at])
            {
                case '(':
                    groups.Push(output.Length);
                    output.Append(pattern[at++]);
                    break;
                case ')':
                    atom = groups.Count > 0 ? groups.Pop() : throw new NotSupportedException("a bracket is not open");
                    output.Append(pattern[at++]);
                    break;
                case '[':
                    atom = output.Length;
                    at = CopyClass(pattern, at, output);
                    break;
                case '\\':
                    atom = output.Length;
                    at = CopyEscape(pattern, at, output);
                    break;
                case '*' or '+' or '?' when at > 0 && pattern[at - 1] != '(':
                    output.Append(pattern[at++]);
                    if (at < pattern.Length && pattern[at] == '+')
                    {
                        // A possessive quantifier is an atomic group.
                        output.Insert(atom, "(?>").Append(')');
                        at++;
                    }

                    break;
                case '}' when at + 1 < pattern.Length && pattern[at + 1] == '+':
                    throw new NotSupportedException("{…}+ means different things in different dialects");
                case >= '\uD800' and <= '\uDFFF':
                    throw new NotSupportedException("a character beyond U+FFFF");
                default:
                    if (pattern[at] is not ('{' or '}' or '|' or '^' or '$' or ',') && !IsInBraces(output))
                    {
                        atom = output.Length;
                    }

                    output.Append(pattern[at++]);
                    break;
            }
        }

        return output.ToString();
    }

    private static bool IsInBraces(StringBuilder output)
    {
        for (var at = output.Length - 1; at >= 0 && (char.IsAsciiDigit(output[at]) || output[at] is ',' or '{'); at--)
        {
            if (output[at] == '{')
            {
                return true;
            }
        }

        return false;
    }

    private static int CopyClass(string pattern, int at, StringBuilder output)
    {
        output.Append(pattern[at++]);
        var first = true;
        while (at < pattern.Length)
        {
            var value = pattern[at];
            switch (value)
            {
                case '\\':
                    at = CopyEscape(pattern, at, output);
                    break;
                case ']' when !first:
                    output.Append(value);
                    return at + 1;
                case '[':
                    throw new NotSupportedException("a character class inside another");
                case '&' when at + 1 < pattern.Length && pattern[at + 1] == '&':
                    throw new NotSupportedException("an intersection of character classes");
                default:
                    if (char.IsSurrogate(value))
                    {
                        throw new NotSupportedException("a character beyond U+FFFF in a character class");
                    }

                    output.Append(value);
                    at++;
                    break;
            }

            first = first && value == '^';
        }

        throw new NotSupportedException("a character class has no end");
    }

    private static int CopyEscape(string pattern, int at, StringBuilder output)
    {
        if (at + 1 >= pattern.Length)
        {
            throw new NotSupportedException("it ends in a backslash");
        }

        var letter = pattern[at + 1];
        if (letter is 'x' or 'u' && at + 2 < pattern.Length && pattern[at + 2] == '{')
        {
            var close = pattern.IndexOf('}', at);
            return close > 0 && int.TryParse(pattern.AsSpan((at + 3)..close), System.Globalization.NumberStyles.AllowHexSpecifier, null, out var code) && code <= char.MaxValue
                ? Append($"\\u{code:X4}", close + 1)
                : throw new NotSupportedException("a character escape that is not in the basic plane");
        }

        if (letter is 'p' or 'P')
        {
            // \pL is another spelling of \p{L}.
            if (at + 2 < pattern.Length && pattern[at + 2] != '{')
            {
                return Append($"\\{letter}{{{pattern[at + 2]}}}", at + 3);
            }

            var close = pattern.IndexOf('}', at);
            return close > at + 3
                ? Append(pattern[at..(close + 1)], close + 1)
                : throw new NotSupportedException("a property has no end");
        }

        // \h is a hexadecimal digit in Oniguruma and a space elsewhere; anchors have other names.
        return letter is 'h' or 'H' or 'R' or 'X' or 'K' or 'O' or 'N'
            ? throw new NotSupportedException($"the escape \\{letter}")
            : Append(pattern.Substring(at, 2), at + 2);

        int Append(string text, int next)
        {
            output.Append(text);
            return next;
        }
    }
}

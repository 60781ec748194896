using System.Globalization;
using System.Text;

namespace HelixFlow.Engine.Templates;

/// <summary>Python's two ways to put values into a text: "…%s…" % value and "…{}…".format(value).</summary>
internal static class StringFormat
{
    /// <summary>%s, %r, %d, %f with digits, %x and %%.</summary>
    public static string Percent(string format, object? value)
    {
        TemplateList values = value is TemplateList { IsTuple: true } tuple ? tuple : new TemplateList([value]);
        var result = new StringBuilder();
        int next = 0;
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%')
            {
                result.Append(format[i]);
                continue;
            }

            int spec = i + 1;
            while (spec < format.Length && (char.IsAsciiDigit(format[spec]) || format[spec] is '.' or '-' or '+'))
            {
                spec++;
            }

            if (spec >= format.Length)
            {
                throw new TemplateFault("a format ends in the middle of a placeholder");
            }

            string options = format[(i + 1)..spec];
            i = spec;
            if (format[spec] == '%')
            {
                result.Append('%');
                continue;
            }

            if (next >= values.Count)
            {
                throw new TemplateFault("a format has more placeholders than values");
            }

            result.Append(Placeholder(format[spec], options, values[next++]));
        }

        return next < values.Count && value is TemplateList { IsTuple: true } ? throw new TemplateFault("a format has fewer placeholders than values") : result.ToString();
    }

    /// <summary>{}, {0}, {name}, with a number format such as {:.2f} or {:>8}.</summary>
    public static string Braces(string format, CallArguments arguments)
    {
        var result = new StringBuilder();
        int next = 0;
        for (int i = 0; i < format.Length; i++)
        {
            char c = format[i];
            if (c is '{' or '}' && i + 1 < format.Length && format[i + 1] == c)
            {
                result.Append(c);
                i++;
                continue;
            }

            if (c != '{')
            {
                result.Append(c == '}' ? throw new TemplateFault("a single '}' in a format") : c);
                continue;
            }

            int end = format.IndexOf('}', i);
            if (end < 0)
            {
                throw new TemplateFault("a placeholder of a format has no '}'");
            }

            string[] parts = format[(i + 1)..end].Split(':', 2);
            object? value = parts[0].Length == 0 ? Positional(arguments, next++)
                : int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int index) ? Positional(arguments, index)
                : arguments.Named.TryGetValue(parts[0], out object? named) ? named : throw new TemplateFault($"the format's '{parts[0]}' is not given");
            result.Append(parts.Length == 1 ? PythonText.Str(value) : Spec(parts[1], value));
            i = end;
        }

        return result.ToString();
    }

    private static object? Positional(CallArguments arguments, int index) =>
        index < arguments.Positional.Count ? arguments.Positional[index] : throw new TemplateFault("a format has more placeholders than values");

    private static string Spec(string spec, object? value)
    {
        int at = spec.Length > 0 && spec[0] is '<' or '>' ? 1 : 0;
        int dot = spec.IndexOf('.', at);
        char kind = spec.Length > at && char.IsAsciiLetter(spec[^1]) ? spec[^1] : 's';
        string digits = dot < 0 ? "" : new string([.. spec[(dot + 1)..].TakeWhile(char.IsAsciiDigit)]);
        string width = new([.. spec[at..].TakeWhile(char.IsAsciiDigit)]);
        string text = Placeholder(kind == 's' && PythonValue.Number(value) is not null && dot >= 0 ? 'f' : kind, dot < 0 ? "" : "." + digits, value);
        int total = width.Length == 0 ? 0 : Math.Min(int.Parse(width, CultureInfo.InvariantCulture), 10000);
        bool left = at == 1 ? spec[0] == '<' : value is string;
        return left ? text.PadRight(total) : text.PadLeft(total, width.StartsWith('0') ? '0' : ' ');
    }

    private static string Placeholder(char kind, string options, object? value)
    {
        int dot = options.IndexOf('.');
        int digits = dot < 0 ? 6 : dot + 1 == options.Length ? 0 : Math.Min(int.Parse(options.AsSpan(dot + 1), NumberStyles.None, CultureInfo.InvariantCulture), 100);
        string text = kind switch
        {
            's' => PythonText.Str(value),
            'r' => PythonText.Repr(value),
            'd' or 'i' => Whole(value).ToString(CultureInfo.InvariantCulture),
            'x' => Whole(value).ToString("x", CultureInfo.InvariantCulture),
            'f' or 'F' => (PythonValue.Number(value) ?? throw new TemplateFault("a number is expected for %f")).ToString("F" + digits, CultureInfo.InvariantCulture),
            _ => throw new TemplateFault($"the format '{kind}' is not supported"),
        };
        string width = dot < 0 ? options : options[..dot];
        bool left = width.StartsWith('-');
        width = width.TrimStart('-', '+');
        int total = width.Length == 0 || !int.TryParse(width, NumberStyles.None, CultureInfo.InvariantCulture, out int parsed) ? 0 : Math.Min(parsed, 10000);
        return left ? text.PadRight(total) : text.PadLeft(total, width.StartsWith('0') && kind != 's' ? '0' : ' ');
    }

    private static long Whole(object? value) => value is double number && Math.Abs(number) < 9e18
        ? (long)number
        : PythonValue.Integer(value) ?? throw new TemplateFault("a number is expected for %d");
}

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
            bool isNamed = spec < format.Length && format[spec] == '(';
            object? named = null;
            if (isNamed)
            {
                int close = format.IndexOf(')', spec);
                named = close > 0 && value is OrderedDictionary<string, object?> map && map.TryGetValue(format[(spec + 1)..close], out object? found)
                    ? found
                    : throw new TemplateFault("a format names a value that is not given");
                spec = close + 1;
                i = close;
            }

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

            RenderContext.CheckLength(result.Length);
            if (isNamed)
            {
                result.Append(Placeholder(format[spec], options, named));
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
            RenderContext.CheckLength(result.Length);
            result.Append(parts.Length == 1 ? PythonText.Str(value) : Spec(parts[1], value));
            i = end;
        }

        return result.ToString();
    }

    private static object? Positional(CallArguments arguments, int index) =>
        index < arguments.Positional.Count ? arguments.Positional[index] : throw new TemplateFault("a format has more placeholders than values");

    // [[fill]align][sign][#][0][width][,][.precision][type]
    private static string Spec(string spec, object? value)
    {
        int at = 0;
        char filler = ' ';
        char align = value is string ? '<' : '>';
        if (spec.Length > 1 && spec[1] is '<' or '>' or '^' or '=')
        {
            (filler, align, at) = (spec[0], spec[1], 2);
        }
        else if (spec.Length > 0 && spec[0] is '<' or '>' or '^' or '=')
        {
            (align, at) = (spec[0], 1);
        }

        char sign = at < spec.Length && spec[at] is '+' or '-' or ' ' ? spec[at++] : '-';
        if (at < spec.Length && spec[at] == '0' && value is not string)
        {
            (filler, align) = align == '>' && filler == ' ' ? ('0', '=') : (filler, align);
            at++;
        }

        long width = Digits(spec, ref at) ?? 0;
        bool grouped = at < spec.Length && spec[at] is ',' or '_';
        char separator = grouped ? spec[at++] : ',';
        long? precision = null;
        if (at < spec.Length && spec[at] == '.')
        {
            at++;
            precision = Math.Min(Digits(spec, ref at) ?? throw new TemplateFault($"'{spec}' is no format"), 100);
        }

        char kind = at < spec.Length ? spec[at++] : value is long ? 'd' : value is double ? precision is null ? 'r' : 'g' : 's';
        if (at != spec.Length)
        {
            throw new TemplateFault($"'{spec}' is no format");
        }

        string text = kind == 's' && value is string whole && precision is { } most ? string.Concat(PythonValue.Items(whole).Take((int)most))
            : kind == 'g' && precision is not null && value is double number ? PythonText.Float(number)
            : kind == '%' ? Placeholder('f', $".{precision ?? 6}", (PythonValue.Number(value) ?? 0) * 100) + "%"
            : Placeholder(kind, precision is { } digits ? $".{digits}" : "", value);
        if (PythonValue.Number(value) is not null && value is not bool)
        {
            text = grouped ? Grouped(text, separator) : text;
            text = !text.StartsWith('-') && sign is '+' or ' ' && !text.StartsWith('-') ? sign + text : text;
            if (align == '=')
            {
                string mark = text.Length > 0 && text[0] is '-' or '+' or ' ' ? text[..1] : "";
                return mark + Methods.Pad(text[mark.Length..], width - mark.Length, filler, atStart: true);
            }
        }

        long missing = width - PythonValue.Length(text);
        return align switch
        {
            '<' => Methods.Pad(text, width, filler, atStart: false),
            '^' when missing > 0 => Methods.Pad(Methods.Pad(text, width - missing + (missing / 2), filler, atStart: true), width, filler, atStart: false),
            _ => Methods.Pad(text, width, filler, atStart: true),
        };
    }

    private static long? Digits(string text, ref int at)
    {
        int start = at;
        while (at < text.Length && char.IsAsciiDigit(text[at]) && at - start < 10)
        {
            at++;
        }

        return at > start ? long.Parse(text.AsSpan(start, at - start), NumberStyles.None, CultureInfo.InvariantCulture) : null;
    }

    private static string Grouped(string number, char separator)
    {
        int first = number.StartsWith('-') ? 1 : 0;
        int end = number.IndexOf('.') is >= 0 and var point ? point : number.Length;
        for (int at = end - 3; at > first; at -= 3)
        {
            number = number.Insert(at, separator.ToString());
        }

        return number;
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
            'X' => Whole(value).ToString("X", CultureInfo.InvariantCulture),
            'o' => Convert.ToString(Whole(value), 8),
            'b' => Convert.ToString(Whole(value), 2),
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

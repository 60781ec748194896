using System.Globalization;
using System.Text;

namespace HelixFlow.Engine.Templates;

/// <summary>How Python writes values as text.</summary>
internal static class PythonText
{
    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\x1c' and <= '\x1f';

    /// <summary>str(value): strings as they are, everything else as repr.</summary>
    public static string Str(object? value) => value switch
    {
        string text => text,
        Undefined => "",
        _ => Repr(value),
    };

    public static string Repr(object? value)
    {
        var text = new StringBuilder();
        WriteRepr(text, value, 0);
        return text.ToString();
    }

    public static string Float(double value)
    {
        if (double.IsNaN(value))
        {
            return "nan";
        }

        if (double.IsInfinity(value))
        {
            return value > 0 ? "inf" : "-inf";
        }

        string text = value.ToString("R", CultureInfo.InvariantCulture);
        int exponent = text.IndexOf('E');
        if (exponent < 0)
        {
            return text.Contains('.') ? text : text + ".0";
        }

        // .NET writes 1E+16 and 1E-05, Python 1e+16 and 1e-05, with plain digits in between.
        int power = int.Parse(text.AsSpan(exponent + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        return power is >= -4 and < 16
            ? ((decimal)value).ToString(CultureInfo.InvariantCulture) is var plain && plain.Contains('.') ? plain : (decimal)value + ".0"
            : $"{text[..exponent]}e{(power < 0 ? '-' : '+')}{Math.Abs(power):00}";
    }

    private static void WriteRepr(StringBuilder text, object? value, int depth)
    {
        if (depth > TemplateLimits.Default.MaxDepth)
        {
            throw new TemplateFault("a value is nested too deeply to be written", isLimit: true);
        }

        switch (value)
        {
            case null:
                text.Append("None");
                break;
            case Undefined:
                text.Append("Undefined");
                break;
            case bool flag:
                text.Append(flag ? "True" : "False");
                break;
            case long integer:
                text.Append(integer.ToString(CultureInfo.InvariantCulture));
                break;
            case double number:
                text.Append(Float(number));
                break;
            case string s:
                WriteString(text, s);
                break;
            case TemplateList list:
                WriteList(text, list, depth);
                break;
            case OrderedDictionary<string, object?> map:
                WriteMap(text, map, depth);
                break;
            default:
                text.Append('<').Append(PythonValue.TypeName(value)).Append('>');
                break;
        }
    }

    private static void WriteList(StringBuilder text, TemplateList list, int depth)
    {
        text.Append(list.IsTuple ? '(' : '[');
        for (int i = 0; i < list.Count; i++)
        {
            text.Append(i > 0 ? ", " : "");
            WriteRepr(text, list[i], depth + 1);
        }

        text.Append(list.IsTuple ? list.Count == 1 ? ",)" : ")" : "]");
    }

    private static void WriteMap(StringBuilder text, OrderedDictionary<string, object?> map, int depth)
    {
        text.Append('{');
        bool first = true;
        foreach ((string key, object? item) in map)
        {
            text.Append(first ? "" : ", ");
            first = false;
            WriteString(text, key);
            text.Append(": ");
            WriteRepr(text, item, depth + 1);
        }

        text.Append('}');
    }

    private static void WriteString(StringBuilder text, string value)
    {
        char quote = value.Contains('\'') && !value.Contains('"') ? '"' : '\'';
        text.Append(quote);
        foreach (char c in value)
        {
            _ = c switch
            {
                '\\' => text.Append("\\\\"),
                '\n' => text.Append("\\n"),
                '\r' => text.Append("\\r"),
                '\t' => text.Append("\\t"),
                _ when c == quote => text.Append('\\').Append(c),
                < ' ' or (>= '\x7f' and <= '\xa0') or '\xad' => text.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}"),
                _ => text.Append(c),
            };
        }

        text.Append(quote);
    }
}

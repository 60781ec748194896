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

        // The shortest digits, and the power of ten of the first; Python writes powers from -4 to 15 in full.
        string shortest = value.ToString("R", CultureInfo.InvariantCulture);
        string sign = shortest.StartsWith('-') ? "-" : "";
        int mark = shortest.IndexOf('E');
        string mantissa = shortest[sign.Length..(mark < 0 ? shortest.Length : mark)];
        int point = mantissa.IndexOf('.');
        string all = mantissa.Replace(".", "", StringComparison.Ordinal);
        string digits = all.Trim('0');
        if (digits.Length == 0)
        {
            return sign + "0.0";
        }

        int power = (point < 0 ? mantissa.Length : point) - 1 - (all.Length - all.TrimStart('0').Length)
            + (mark < 0 ? 0 : int.Parse(shortest.AsSpan(mark + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture));
        return power switch
        {
            < -4 or > 15 => $"{sign}{digits[0]}{(digits.Length > 1 ? "." + digits[1..] : "")}e{(power < 0 ? '-' : '+')}{Math.Abs(power):00}",
            < 0 => sign + "0." + new string('0', -power - 1) + digits,
            _ when digits.Length <= power + 1 => sign + digits.PadRight(power + 1, '0') + ".0",
            _ => $"{sign}{digits[..(power + 1)]}.{digits[(power + 1)..]}",
        };
    }

    private static void WriteRepr(StringBuilder text, object? value, int depth)
    {
        if (depth > TemplateLimits.Default.MaxDepth)
        {
            throw new TemplateFault("a value is nested too deeply to be written", isLimit: true);
        }

        // A small list can hold itself many times over and be huge when written.
        RenderContext.Charge();
        RenderContext.CheckLength(text.Length);

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
            case TemplateNamespace { IsFixed: false } space:
                text.Append("<Namespace ");
                WriteMap(text, space.Attributes, depth);
                text.Append('>');
                break;
            default:
                text.Append('<').Append(PythonValue.TypeName(value)).Append('>');
                break;
        }
    }

    private static void WriteList(StringBuilder text, TemplateList list, int depth)
    {
        if (list.View is { } view && view.StartsWith('r'))
        {
            text.Append(view);
            return;
        }

        text.Append(list.View is null ? "" : list.View + "(").Append(list.IsTuple ? '(' : '[');
        for (int i = 0; i < list.Count; i++)
        {
            text.Append(i > 0 ? ", " : "");
            WriteRepr(text, list[i], depth + 1);
        }

        text.Append(list.IsTuple ? list.Count == 1 ? ",)" : ")" : "]").Append(list.View is null ? "" : ")");
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
        foreach (Rune rune in value.EnumerateRunes())
        {
            _ = rune.Value switch
            {
                '\\' => text.Append("\\\\"),
                '\n' => text.Append("\\n"),
                '\r' => text.Append("\\r"),
                '\t' => text.Append("\\t"),
                _ when rune.Value == quote => text.Append('\\').Append(quote),
                _ when IsPrintable(rune) => text.Append(rune.ToString()),
                < 0x100 => text.Append(CultureInfo.InvariantCulture, $"\\x{rune.Value:x2}"),
                < 0x10000 => text.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}"),
                _ => text.Append(CultureInfo.InvariantCulture, $"\\U{rune.Value:x8}"),
            };
        }

        text.Append(quote);
    }

    // Python's rule: no control, format, unassigned, private or surrogate character, and no separator but the space.
    private static bool IsPrintable(Rune rune) => rune.Value == ' ' || Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.OtherNotAssigned or UnicodeCategory.PrivateUse or UnicodeCategory.Surrogate or UnicodeCategory.SpaceSeparator
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
}

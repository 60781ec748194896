using System.Globalization;
using System.Text;

namespace HelixFlow.Engine.Templates;

/// <summary>json.dumps as Hugging Face's tojson calls it: ", " and ": " between, nothing escaped for HTML, and other alphabets as they are.</summary>
internal static class TemplateJson
{
    public static string Write(object? value, long? indent, bool ensureAscii, bool sortKeys)
    {
        var text = new StringBuilder();
        Write(text, value, indent is { } width ? new string(' ', (int)Math.Clamp(width, 0, 100)) : null, ensureAscii, sortKeys, 0);
        return text.ToString();
    }

    private static void Write(StringBuilder text, object? value, string? indent, bool ensureAscii, bool sortKeys, int depth)
    {
        if (depth > TemplateLimits.Default.MaxDepth)
        {
            throw new TemplateFault("a value is nested too deeply to be written as JSON", isLimit: true);
        }

        switch (value)
        {
            case null:
                text.Append("null");
                break;
            case bool flag:
                text.Append(flag ? "true" : "false");
                break;
            case long integer:
                text.Append(integer.ToString(CultureInfo.InvariantCulture));
                break;
            case double number:
                text.Append(double.IsNaN(number) ? "NaN" : double.IsPositiveInfinity(number) ? "Infinity" : double.IsNegativeInfinity(number) ? "-Infinity" : PythonText.Float(number));
                break;
            case string s:
                WriteString(text, s, ensureAscii);
                break;
            case TemplateList list:
                WriteAll(text, '[', ']', list, indent, depth, item => Write(text, item, indent, ensureAscii, sortKeys, depth + 1));
                break;
            case OrderedDictionary<string, object?> map:
                IEnumerable<KeyValuePair<string, object?>> entries = sortKeys ? map.OrderBy(entry => entry.Key, StringComparer.Ordinal) : map;
                WriteAll(text, '{', '}', [.. entries], indent, depth, entry =>
                {
                    WriteString(text, entry.Key, ensureAscii);
                    text.Append(": ");
                    Write(text, entry.Value, indent, ensureAscii, sortKeys, depth + 1);
                });
                break;
            default:
                throw new TemplateFault($"{PythonValue.TypeName(value)} cannot be written as JSON");
        }
    }

    private static void WriteAll<T>(StringBuilder text, char open, char close, List<T> items, string? indent, int depth, Action<T> write)
    {
        text.Append(open);
        for (int i = 0; i < items.Count; i++)
        {
            if (indent is null)
            {
                text.Append(i > 0 ? ", " : "");
            }
            else
            {
                text.Append(i > 0 ? ",\n" : "\n").Insert(text.Length, indent, depth + 1);
            }

            write(items[i]);
        }

        if (indent is not null && items.Count > 0)
        {
            text.Append('\n').Insert(text.Length, indent, depth);
        }

        text.Append(close);
    }

    private static void WriteString(StringBuilder text, string value, bool ensureAscii)
    {
        text.Append('"');
        foreach (char c in value)
        {
            _ = c switch
            {
                '"' => text.Append("\\\""),
                '\\' => text.Append("\\\\"),
                '\n' => text.Append("\\n"),
                '\r' => text.Append("\\r"),
                '\t' => text.Append("\\t"),
                '\b' => text.Append("\\b"),
                '\f' => text.Append("\\f"),
                < ' ' => text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                > '~' when ensureAscii => text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => text.Append(c),
            };
        }

        text.Append('"');
    }
}

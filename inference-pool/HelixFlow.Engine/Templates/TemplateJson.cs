using System.Globalization;
using System.Text;

namespace HelixFlow.Engine.Templates;

/// <summary>json.dumps as Hugging Face's tojson calls it: ", " and ": " between, nothing escaped for HTML, and other alphabets as they are.</summary>
internal static class TemplateJson
{
    public static string Write(object? value, object? indent, object? separators, bool ensureAscii, bool sortKeys)
    {
        var text = new StringBuilder();
        string? margin = indent as string ?? (PythonValue.Integer(indent) is { } width ? new string(' ', (int)Math.Clamp(width, 0, 100)) : null);
        (string between, string behindKey) = separators switch
        {
            null => (margin is null ? ", " : ",", ": "),
            TemplateList { Count: 2 } pair when pair[0] is string first && pair[1] is string second => (first, second),
            _ => throw new TemplateFault("separators should be two strings"),
        };
        new Writer(text, margin, between, behindKey, ensureAscii, sortKeys).Write(value, 0);
        return text.ToString();
    }

    private sealed record Writer(StringBuilder Text, string? Indent, string Between, string BehindKey, bool EnsureAscii, bool SortKeys)
    {
        public void Write(object? value, int depth) => TemplateJson.Write(this, value, depth);
    }

    private static void Write(Writer writer, object? value, int depth)
    {
        StringBuilder text = writer.Text;
        if (depth > TemplateLimits.Default.MaxDepth)
        {
            throw new TemplateFault("a value is nested too deeply to be written as JSON", isLimit: true);
        }

        RenderContext.Charge();
        RenderContext.CheckLength(text.Length);

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
                WriteString(text, s, writer.EnsureAscii);
                break;
            case TemplateList { View: null } list:
                WriteAll(writer, '[', ']', list, depth, item => writer.Write(item, depth + 1));
                break;
            case OrderedDictionary<string, object?> map:
                IEnumerable<KeyValuePair<string, object?>> entries = writer.SortKeys ? map.OrderBy(entry => entry.Key, StringComparer.Ordinal) : map;
                WriteAll(writer, '{', '}', [.. entries], depth, entry =>
                {
                    WriteString(text, entry.Key, writer.EnsureAscii);
                    text.Append(writer.BehindKey);
                    writer.Write(entry.Value, depth + 1);
                });
                break;
            default:
                throw new TemplateFault($"{PythonValue.TypeName(value)} cannot be written as JSON");
        }
    }

    private static void WriteAll<T>(Writer writer, char open, char close, List<T> items, int depth, Action<T> write)
    {
        (StringBuilder text, string? indent, string between) = (writer.Text, writer.Indent, writer.Between);
        text.Append(open);
        for (int i = 0; i < items.Count; i++)
        {
            text.Append(i > 0 ? between : "");
            if (indent is not null)
            {
                text.Append('\n').Insert(text.Length, indent, depth + 1);
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
                > '\x7f' when ensureAscii => text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => text.Append(c),
            };
        }

        text.Append('"');
    }
}

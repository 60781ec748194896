using System.Buffers;
using System.Globalization;
using System.Text;

namespace HelixFlow.Engine.Templates;

/// <summary>Python's methods of strings, dictionaries and lists.</summary>
internal static class Methods
{
    private static readonly SearchValues<char> LineEnds = SearchValues.Create("\n\r\v\f\u001c\u001d\u001e\u0085\u2028\u2029");

    private static readonly Dictionary<string, Func<string, CallArguments, object?>> OfString = new(StringComparer.Ordinal)
    {
        ["strip"] = (s, a) => Strip(s, a.Get(0, "chars") as string, left: true, right: true),
        ["lstrip"] = (s, a) => Strip(s, a.Get(0, "chars") as string, left: true, right: false),
        ["rstrip"] = (s, a) => Strip(s, a.Get(0, "chars") as string, left: false, right: true),
        ["split"] = (s, a) => Split(s, a.Get(0, "sep") as string, PythonValue.Integer(a.Get(1, "maxsplit")) ?? -1),
        ["rsplit"] = (s, a) => RightSplit(s, a.Get(0, "sep") as string, PythonValue.Integer(a.Get(1, "maxsplit")) ?? -1),
        ["splitlines"] = (s, a) => SplitLines(s, PythonValue.Truth(a.Get(0, "keepends", false))),
        ["partition"] = (s, a) => Partition(s, Argument(a, 0), s.IndexOf(Argument(a, 0), StringComparison.Ordinal), fromEnd: false),
        ["rpartition"] = (s, a) => Partition(s, Argument(a, 0), s.LastIndexOf(Argument(a, 0), StringComparison.Ordinal), fromEnd: true),
        ["startswith"] = (s, a) => Part(s, a, out _) is { } part && AnyAffix(a.Required(0, "prefix"), affix => part.StartsWith(affix, StringComparison.Ordinal)),
        ["endswith"] = (s, a) => Part(s, a, out _) is { } part && AnyAffix(a.Required(0, "suffix"), affix => part.EndsWith(affix, StringComparison.Ordinal)),
        ["removeprefix"] = (s, a) => Argument(a, 0) is var prefix && s.StartsWith(prefix, StringComparison.Ordinal) ? s[prefix.Length..] : s,
        ["removesuffix"] = (s, a) => Argument(a, 0) is var suffix && s.EndsWith(suffix, StringComparison.Ordinal) ? s[..^suffix.Length] : s,
        ["replace"] = (s, a) => Replace(s, Argument(a, 0), Argument(a, 1), PythonValue.Integer(a.Get(2, "count")) ?? -1),
        ["upper"] = (s, _) => Upper(s),
        ["lower"] = (s, _) => Lower(s),
        ["casefold"] = (s, _) => Lower(s).Replace("ß", "ss", StringComparison.Ordinal),
        ["swapcase"] = (s, _) => string.Concat(s.Select(c => char.IsUpper(c) ? Lower(c.ToString()) : Upper(c.ToString()))),
        ["title"] = (s, _) => Title(s),
        ["capitalize"] = (s, _) => Capitalize(s),
        ["join"] = (s, a) => Join(s, PythonValue.Items(a.Required(0, "iterable")).Select(item =>
            item as string ?? throw new TemplateFault($"join takes strings, not {PythonValue.TypeName(item)}"))),
        ["find"] = (s, a) => FindIn(s, a, fromEnd: false),
        ["rfind"] = (s, a) => FindIn(s, a, fromEnd: true),
        ["index"] = (s, a) => FindIn(s, a, fromEnd: false) is >= 0 and var at ? at : throw new TemplateFault("substring not found"),
        ["rindex"] = (s, a) => FindIn(s, a, fromEnd: true) is >= 0 and var at ? at : throw new TemplateFault("substring not found"),
        ["count"] = (s, a) => Part(s, a, out _) is not { } part ? 0L : Argument(a, 0) is { Length: > 0 } wanted ? CountOf(part, wanted) : PythonValue.Length(part) + 1,
        ["isdigit"] = (s, _) => All(s, rune => CharUnicodeInfo.GetDigitValue(rune.ToString(), 0) >= 0),
        ["isdecimal"] = (s, _) => All(s, Rune.IsDigit),
        ["isnumeric"] = (s, _) => All(s, rune => Rune.IsNumber(rune) || CharUnicodeInfo.GetNumericValue(rune.ToString(), 0) >= 0),
        ["isalpha"] = (s, _) => All(s, Rune.IsLetter),
        ["isalnum"] = (s, _) => All(s, rune => Rune.IsLetter(rune) || Rune.IsNumber(rune)),
        ["isascii"] = (s, _) => System.Text.Ascii.IsValid(s),
        ["isidentifier"] = (s, _) => s.Length > 0 && !char.IsDigit(s[0]) && All(s, rune => rune.Value == '_' || Rune.IsLetterOrDigit(rune)),
        ["istitle"] = (s, _) => s.Any(char.IsLetter) && Title(s) == s,
        ["expandtabs"] = (s, a) => TextLayout.ExpandTabs(s, (int)Math.Clamp(PythonValue.Integer(a.Get(0, "tabsize")) ?? 8, 0, 1000)),
        ["isspace"] = (s, _) => s.Length > 0 && s.All(PythonText.IsSpace),
        ["isupper"] = (s, _) => s.Any(char.IsLetter) && !s.Any(char.IsLower),
        ["islower"] = (s, _) => s.Any(char.IsLetter) && !s.Any(char.IsUpper),
        ["format"] = StringFormat.Braces,
        ["zfill"] = (s, a) => s.Length > 0 && s[0] is '-' or '+'
            ? s[0] + Pad(s[1..], Width(a) - 1, '0', atStart: true)
            : Pad(s, Width(a), '0', atStart: true),
        ["ljust"] = (s, a) => Pad(s, Width(a), Filler(a), atStart: false),
        ["rjust"] = (s, a) => Pad(s, Width(a), Filler(a), atStart: true),
        ["center"] = (s, a) => Center(s, Width(a), Filler(a), isFilter: false),
    };

    private static readonly Dictionary<string, Func<OrderedDictionary<string, object?>, CallArguments, object?>> OfMap = new(StringComparer.Ordinal)
    {
        ["items"] = (map, _) => Filters.Pairs(map),
        ["keys"] = (map, _) => new TemplateList(map.Keys) { View = "dict_keys" },
        ["values"] = (map, _) => new TemplateList(map.Values) { View = "dict_values" },
        ["get"] = (map, a) => a.Required(0, "key") is string key && map.TryGetValue(key, out object? value) ? value : a.Get(1, "default"),
        ["copy"] = (map, _) => new OrderedDictionary<string, object?>(map),
    };

    private static readonly Dictionary<string, Func<TemplateList, CallArguments, object?>> OfList = new(StringComparer.Ordinal)
    {
        ["index"] = (list, a) => list.FindIndex(item => PythonValue.Same(item, a.Required(0, "item"))) is >= 0 and var at ? (long)at : throw new TemplateFault("the item is not in the list"),
        ["count"] = (list, a) => (long)list.Count(item => PythonValue.Same(item, a.Required(0, "item"))),
        ["copy"] = (list, _) => new TemplateList(list) { IsTuple = list.IsTuple },
    };

    // What would change a list or a dictionary: transformers renders in Jinja's immutable sandbox, which refuses these.
    private static readonly HashSet<string> Changing = new(StringComparer.Ordinal)
    {
        "append", "clear", "extend", "insert", "pop", "popitem", "remove", "reverse", "setdefault", "sort", "update",
    };

    /// <summary>A method of the value, bound to it; null when there is none of that name.</summary>
    public static TemplateFunction? Find(object? value, string name) => value switch
    {
        string text when OfString.TryGetValue(name, out var method) => (context, arguments) =>
        {
            object? result = method(text, arguments);
            return result is string made ? context.Made(made) : result;
        },
        OrderedDictionary<string, object?> map when OfMap.TryGetValue(name, out var method) => (_, arguments) => method(map, arguments),
        TemplateList or OrderedDictionary<string, object?> when Changing.Contains(name) && IsMethodOf(value, name) =>
            (_, _) => throw new TemplateFault($"a template must not change values: '{name}' of a {PythonValue.TypeName(value)} is refused"),
        TemplateList list when OfList.TryGetValue(name, out var method) => (context, arguments) =>
        {
            context.Step();
            return method(list, arguments);
        },
        _ => null,
    };

    public static string Join(string separator, IEnumerable<string> parts)
    {
        List<string> all = [.. parts];
        RenderContext.Charge(all.Count);
        RenderContext.CheckLength(all.Sum(part => (double)part.Length) + ((double)separator.Length * Math.Max(0, all.Count - 1)));
        return string.Join(separator, all);
    }

    public static string Lower(string text) => text.ToLowerInvariant().Replace("İ", "i\u0307", StringComparison.Ordinal);

    /// <summary>Python's str.center puts an odd space to the left of an even width; Jinja's filter is str.center too.</summary>
    public static string Center(string text, long width, char filler, bool isFilter)
    {
        long missing = width - PythonValue.Length(text);
        if (missing <= 0)
        {
            return text;
        }

        RenderContext.CheckLength(width);
        long left = (missing / 2) + (missing & width & 1);
        return new string(isFilter ? ' ' : filler, (int)left) + text + new string(isFilter ? ' ' : filler, (int)(missing - left));
    }

    public static string Pad(string text, long width, char filler, bool atStart)
    {
        long missing = width - PythonValue.Length(text);
        if (missing <= 0)
        {
            return text;
        }

        RenderContext.CheckLength(width);
        var padding = new string(filler, (int)missing);
        return atStart ? padding + text : text + padding;
    }

    private static bool IsMethodOf(object? value, string name) => value is TemplateList { IsTuple: false, View: null }
        ? name is not ("popitem" or "setdefault" or "update")
        : value is OrderedDictionary<string, object?> && name is "clear" or "pop" or "popitem" or "setdefault" or "update";

    private static long Width(CallArguments arguments) => PythonValue.Integer(arguments.Required(0, "width")) ?? throw new TemplateFault("a width is an integer");

    private static char Filler(CallArguments arguments) =>
        arguments.Text(1, "fillchar", " ") is { Length: 1 } filler ? filler[0] : throw new TemplateFault("a fill character is one character");

    private static bool All(string text, Func<Rune, bool> test)
    {
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (!test(rune))
            {
                return false;
            }
        }

        return text.Length > 0;
    }

    // The part of a text between the second and the third argument, which count characters as Python does; null when it starts behind the end.
    private static string? Part(string text, CallArguments arguments, out long start)
    {
        start = 0;
        if (arguments.Get(1, "start") is null && arguments.Get(2, "end") is null)
        {
            return text;
        }

        TemplateList characters = PythonValue.Items(text);
        long count = characters.Count;
        long Bound(object? bound, long otherwise) => bound is null ? otherwise
            : PythonValue.Integer(bound) is { } at ? Math.Clamp(at < 0 ? at + count : at, 0, count + 1) : throw new TemplateFault("a position is an integer");
        start = Bound(arguments.Get(1, "start"), 0);
        long end = Math.Min(Bound(arguments.Get(2, "end"), count), count);
        return start > count ? null : string.Concat(characters.GetRange((int)start, (int)Math.Max(0, end - start)));
    }

    private static long FindIn(string text, CallArguments arguments, bool fromEnd)
    {
        string wanted = Argument(arguments, 0);
        if (Part(text, arguments, out long start) is not { } part)
        {
            return -1;
        }

        int found = fromEnd ? part.LastIndexOf(wanted, StringComparison.Ordinal) : part.IndexOf(wanted, StringComparison.Ordinal);
        return found < 0 ? -1 : start + PythonValue.Length(part[..found]);
    }

    private static long CountOf(string text, string wanted)
    {
        long count = 0;
        for (int at = 0; (at = text.IndexOf(wanted, at, StringComparison.Ordinal)) >= 0; at += wanted.Length)
        {
            count++;
        }

        return count;
    }

    private static TemplateList Partition(string text, string separator, int at, bool fromEnd) => separator.Length == 0
        ? throw new TemplateFault("empty separator")
        : new TemplateList(at >= 0 ? [text[..at], separator, text[(at + separator.Length)..]] : fromEnd ? ["", "", text] : [text, "", ""]) { IsTuple = true };

    private static TemplateList SplitLines(string text, bool keepsEnds)
    {
        var lines = new TemplateList();
        for (int start = 0; start < text.Length;)
        {
            int end = text.AsSpan(start).IndexOfAny(LineEnds) is >= 0 and var found ? start + found : text.Length;
            int next = end == text.Length ? end : end + (text[end] == '\r' && end + 1 < text.Length && text[end + 1] == '\n' ? 2 : 1);
            lines.Add(text[start..(keepsEnds ? next : end)]);
            start = next;
        }

        return lines;
    }

    public static string Strip(string text, string? characters, bool left, bool right)
    {
        bool Goes(char c) => characters is null ? PythonText.IsSpace(c) : characters.Contains(c);
        int start = 0;
        int end = text.Length;
        while (left && start < end && Goes(text[start]))
        {
            start++;
        }

        while (right && end > start && Goes(text[end - 1]))
        {
            end--;
        }

        return text[start..end];
    }

    public static string Replace(string text, string old, string with, long count)
    {
        if (count < 0 && old.Length > 0)
        {
            RenderContext.CheckLength(with.Length <= old.Length ? 0 : text.Length + ((double)CountOf(text, old) * (with.Length - old.Length)));
            return text.Replace(old, with, StringComparison.Ordinal);
        }

        var result = new StringBuilder();
        int at = 0;
        while (count != 0)
        {
            int found = old.Length == 0 ? (at <= text.Length ? at : -1) : text.IndexOf(old, at, StringComparison.Ordinal);
            if (found < 0)
            {
                break;
            }

            RenderContext.CheckLength(result.Length + (double)with.Length);
            result.Append(text, at, found - at).Append(with);
            at = found + old.Length;
            count--;
            if (old.Length == 0)
            {
                if (at < text.Length)
                {
                    result.Append(text[at]);
                }

                at++;
            }
        }

        return at < text.Length ? result.Append(text, at, text.Length - at).ToString() : result.ToString();
    }

    /// <summary>Python's full case mapping, where it differs in length: the sharp s.</summary>
    public static string Upper(string text) => text.ToUpperInvariant().Replace("ß", "SS", StringComparison.Ordinal);

    public static string Capitalize(string text) => text.Length == 0 ? "" : text[..1].ToUpperInvariant() + text[1..].ToLowerInvariant();

    public static string Title(string text)
    {
        var result = new StringBuilder(text.Length);
        bool inWord = false;
        foreach (char c in text)
        {
            result.Append(inWord ? char.ToLowerInvariant(c) : char.ToUpperInvariant(c));
            inWord = char.IsLetter(c);
        }

        return result.ToString();
    }

    private static string Argument(CallArguments arguments, int index) =>
        arguments.Required(index, $"argument {index + 1}") is string text ? text : throw new TemplateFault($"argument {index + 1} must be a string");

    private static bool AnyAffix(object? affixes, Func<string, bool> test) => affixes switch
    {
        string affix => test(affix),
        TemplateList list => list.OfType<string>().Any(test),
        _ => throw new TemplateFault("a string or a tuple of strings is expected"),
    };

    private static TemplateList Split(string text, string? separator, long most)
    {
        int count = most < 0 ? int.MaxValue : (int)Math.Min(most + 1, int.MaxValue);
        if (separator is not null)
        {
            return separator.Length == 0 ? throw new TemplateFault("empty separator") : new TemplateList(text.Split(separator, count));
        }

        // Without a separator, runs of blanks separate, and the rest keeps its blanks when the limit is reached.
        var parts = new TemplateList();
        int at = 0;
        while (true)
        {
            while (at < text.Length && PythonText.IsSpace(text[at]))
            {
                at++;
            }

            if (at == text.Length)
            {
                return parts;
            }

            int end = at;
            while (end < text.Length && !PythonText.IsSpace(text[end]))
            {
                end++;
            }

            if (parts.Count == count - 1)
            {
                parts.Add(Strip(text[at..], null, left: false, right: true));
                return parts;
            }

            parts.Add(text[at..end]);
            at = end;
        }
    }

    private static TemplateList RightSplit(string text, string? separator, long most)
    {
        if (separator is null)
        {
            return RightSplitBlanks(text, most);
        }

        TemplateList parts = Split(text, separator, -1);
        if (most < 0 || parts.Count <= most + 1)
        {
            return parts;
        }

        int joined = parts.Count - (int)most;
        return new TemplateList([string.Join(separator, parts.Take(joined)), .. parts.Skip(joined)]);
    }

    private static TemplateList RightSplitBlanks(string text, long most)
    {
        var parts = new TemplateList();
        int end = text.Length;
        while (true)
        {
            while (end > 0 && PythonText.IsSpace(text[end - 1]))
            {
                end--;
            }

            if (end == 0)
            {
                break;
            }

            int start = end;
            while (start > 0 && !PythonText.IsSpace(text[start - 1]))
            {
                start--;
            }

            if (most >= 0 && parts.Count == most)
            {
                parts.Add(Strip(text[..end], null, left: true, right: false));
                break;
            }

            parts.Add(text[start..end]);
            end = start;
        }

        parts.Reverse();
        return parts;
    }
}

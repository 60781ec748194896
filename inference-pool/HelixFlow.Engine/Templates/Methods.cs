using System.Text;

namespace HelixFlow.Engine.Templates;

/// <summary>Python's methods of strings, dictionaries and lists.</summary>
internal static class Methods
{
    private static readonly Dictionary<string, Func<string, CallArguments, object?>> OfString = new(StringComparer.Ordinal)
    {
        ["strip"] = (s, a) => Strip(s, a.Get(0, "chars") as string, left: true, right: true),
        ["lstrip"] = (s, a) => Strip(s, a.Get(0, "chars") as string, left: true, right: false),
        ["rstrip"] = (s, a) => Strip(s, a.Get(0, "chars") as string, left: false, right: true),
        ["split"] = (s, a) => Split(s, a.Get(0, "sep") as string, PythonValue.Integer(a.Get(1, "maxsplit")) ?? -1),
        ["rsplit"] = (s, a) => RightSplit(s, a.Get(0, "sep") as string, PythonValue.Integer(a.Get(1, "maxsplit")) ?? -1),
        ["splitlines"] = (s, _) => new TemplateList((s.EndsWith('\n') ? s[..^1] : s).Split('\n')),
        ["startswith"] = (s, a) => AnyAffix(a.Required(0, "prefix"), affix => s.StartsWith(affix, StringComparison.Ordinal)),
        ["endswith"] = (s, a) => AnyAffix(a.Required(0, "suffix"), affix => s.EndsWith(affix, StringComparison.Ordinal)),
        ["removeprefix"] = (s, a) => Argument(a, 0) is var prefix && s.StartsWith(prefix, StringComparison.Ordinal) ? s[prefix.Length..] : s,
        ["removesuffix"] = (s, a) => Argument(a, 0) is var suffix && s.EndsWith(suffix, StringComparison.Ordinal) ? s[..^suffix.Length] : s,
        ["replace"] = (s, a) => Replace(s, Argument(a, 0), Argument(a, 1), PythonValue.Integer(a.Get(2, "count")) ?? -1),
        ["upper"] = (s, _) => Upper(s),
        ["lower"] = (s, _) => s.ToLowerInvariant(),
        ["title"] = (s, _) => Title(s),
        ["capitalize"] = (s, _) => Capitalize(s),
        ["join"] = (s, a) => string.Join(s, PythonValue.Items(a.Required(0, "iterable")).Select(PythonText.Str)),
        ["find"] = (s, a) => (long)s.IndexOf(Argument(a, 0), StringComparison.Ordinal),
        ["rfind"] = (s, a) => (long)s.LastIndexOf(Argument(a, 0), StringComparison.Ordinal),
        ["index"] = (s, a) => s.IndexOf(Argument(a, 0), StringComparison.Ordinal) is >= 0 and var at ? (long)at : throw new TemplateFault("substring not found"),
        ["count"] = (s, a) => Argument(a, 0) is { Length: > 0 } part ? (long)(s.Split(part).Length - 1) : s.Length + 1L,
        ["isdigit"] = (s, _) => s.Length > 0 && s.All(char.IsDigit),
        ["isalpha"] = (s, _) => s.Length > 0 && s.All(char.IsLetter),
        ["isalnum"] = (s, _) => s.Length > 0 && s.All(char.IsLetterOrDigit),
        ["isspace"] = (s, _) => s.Length > 0 && s.All(PythonText.IsSpace),
        ["isupper"] = (s, _) => s.Any(char.IsLetter) && !s.Any(char.IsLower),
        ["islower"] = (s, _) => s.Any(char.IsLetter) && !s.Any(char.IsUpper),
        ["format"] = StringFormat.Braces,
        ["zfill"] = (s, a) => s.PadLeft((int)Math.Clamp(PythonValue.Integer(a.Required(0, "width")) ?? 0, 0, 10000), '0'),
        ["ljust"] = (s, a) => s.PadRight((int)Math.Clamp(PythonValue.Integer(a.Required(0, "width")) ?? 0, 0, 10000)),
        ["rjust"] = (s, a) => s.PadLeft((int)Math.Clamp(PythonValue.Integer(a.Required(0, "width")) ?? 0, 0, 10000)),
    };

    private static readonly Dictionary<string, Func<OrderedDictionary<string, object?>, CallArguments, object?>> OfMap = new(StringComparer.Ordinal)
    {
        ["items"] = (map, _) => Filters.Pairs(map),
        ["keys"] = (map, _) => new TemplateList(map.Keys),
        ["values"] = (map, _) => new TemplateList(map.Values),
        ["get"] = (map, a) => a.Required(0, "key") is string key && map.TryGetValue(key, out object? value) ? value : a.Get(1, "default"),
        ["copy"] = (map, _) => new OrderedDictionary<string, object?>(map),
        ["update"] = (map, a) => Update(map, a),
        ["pop"] = (map, a) => Pop(map, a),
        ["setdefault"] = (map, a) => map.TryGetValue(Argument(a, 0), out object? value) ? value : map[Argument(a, 0)] = a.Get(1, "default"),
    };

    private static readonly Dictionary<string, Func<TemplateList, CallArguments, object?>> OfList = new(StringComparer.Ordinal)
    {
        ["append"] = (list, a) => Change(() => list.Add(a.Required(0, "item"))),
        ["extend"] = (list, a) => Change(() => list.AddRange(PythonValue.Items(a.Required(0, "items")).ToList())),
        ["insert"] = (list, a) => Change(() => list.Insert((int)Math.Clamp(PythonValue.Integer(a.Required(0, "index")) ?? 0, 0, list.Count), a.Required(1, "item"))),
        ["pop"] = PopAt,
        ["index"] = (list, a) => list.FindIndex(item => PythonValue.Same(item, a.Required(0, "item"))) is >= 0 and var at ? (long)at : throw new TemplateFault("the item is not in the list"),
        ["count"] = (list, a) => (long)list.Count(item => PythonValue.Same(item, a.Required(0, "item"))),
        ["copy"] = (list, _) => new TemplateList(list),
        ["reverse"] = (list, _) => Change(list.Reverse),
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
        TemplateList list when OfList.TryGetValue(name, out var method) => (context, arguments) =>
        {
            context.Step();
            return method(list, arguments);
        },
        _ => null,
    };

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
        TemplateList parts = Split(text, separator, -1);
        if (most < 0 || parts.Count <= most + 1)
        {
            return parts;
        }

        if (separator is null)
        {
            throw new TemplateFault("rsplit with a limit needs a separator");
        }

        int joined = parts.Count - (int)most;
        return new TemplateList([string.Join(separator, parts.Take(joined)), .. parts.Skip(joined)]);
    }

    private static object? Change(Action change)
    {
        change();
        return null;
    }

    private static object? Update(OrderedDictionary<string, object?> map, CallArguments arguments)
    {
        if (arguments.Get(0, "other") is OrderedDictionary<string, object?> other)
        {
            foreach ((string key, object? value) in other)
            {
                map[key] = value;
            }
        }

        foreach ((string key, object? value) in arguments.Named)
        {
            map[key] = value;
        }

        return null;
    }

    private static object? Pop(OrderedDictionary<string, object?> map, CallArguments arguments)
    {
        string key = Argument(arguments, 0);
        if (map.Remove(key, out object? value))
        {
            return value;
        }

        return arguments.Positional.Count > 1 ? arguments.Positional[1] : throw new TemplateFault($"the dict has no '{key}'");
    }

    private static object? PopAt(TemplateList list, CallArguments arguments)
    {
        long at = PythonValue.Integer(arguments.Get(0, "index", -1L)) ?? -1;
        at += at < 0 ? list.Count : 0;
        if (at < 0 || at >= list.Count)
        {
            throw new TemplateFault("pop index out of range");
        }

        object? item = list[(int)at];
        list.RemoveAt((int)at);
        return item;
    }
}

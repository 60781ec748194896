using System.Globalization;

namespace HelixFlow.Engine.Templates;

/// <summary>The filters of Jinja that chat templates use.</summary>
internal static class Filters
{
    private static readonly Dictionary<string, Func<RenderContext, CallArguments, object?>> All = new(StringComparer.Ordinal)
    {
        ["abs"] = (_, a) => Value(a) is double number ? (object)Math.Abs(number) : Magnitude(IntegerOf(Value(a))),
        ["attr"] = (_, a) => PythonText.Str(a.Required(1, "name")) is var name && Value(a) is TemplateNamespace ? Attribute(Value(a), name) : (object?)Methods.Find(Value(a), name) ?? new Undefined(name),
        ["batch"] = Batch,
        ["center"] = (_, a) => Methods.Center(Text(a), PythonValue.Integer(a.Get(1, "width")) ?? 80, ' ', isFilter: true),
        ["capitalize"] = (_, a) => Methods.Capitalize(Text(a)),
        ["count"] = (_, a) => PythonValue.Length(Value(a)),
        ["d"] = Default,
        ["default"] = Default,
        ["dictsort"] = DictSort,
        ["e"] = (_, a) => Escape(Text(a)),
        ["escape"] = (_, a) => Escape(Text(a)),
        ["filesizeformat"] = (_, a) => FileSize(Value(a), PythonValue.Truth(a.Get(1, "binary", false))),
        ["first"] = (_, a) => PythonValue.Items(Value(a)) is { Count: > 0 } items ? items[0] : new Undefined("the first item"),
        ["float"] = (_, a) => ToFloat(Value(a), a.Get(1, "default", 0.0)),
        ["forceescape"] = (_, a) => Escape(Text(a)),
        ["format"] = (_, a) => StringFormat.Percent(Text(a), a.Named.Count > 0 ? new OrderedDictionary<string, object?>(a.Named) : new TemplateList(a.Positional.Skip(1)) { IsTuple = true }),
        ["groupby"] = GroupBy,
        ["indent"] = Indent,
        ["int"] = (_, a) => ToInteger(Value(a), a.Get(1, "default", 0L), PythonValue.Integer(a.Get(2, "base")) ?? 10),
        ["items"] = (_, a) => Value(a) is Undefined ? new TemplateList() : new TemplateList(Pairs(Value(a))),
        ["join"] = (_, a) => Methods.Join(
            PythonText.Str(a.Get(1, "d", "")), PythonValue.Items(Value(a)).Select(item => PythonText.Str(a.Get(2, "attribute") is string name ? Attribute(item, name) : item))),
        ["last"] = (_, a) => PythonValue.Items(Value(a)) is { Count: > 0 } items ? items[^1] : new Undefined("the last item"),
        ["length"] = (_, a) => PythonValue.Length(Value(a)),
        ["list"] = (_, a) => new TemplateList(PythonValue.Items(Value(a))),
        ["lower"] = (_, a) => Methods.Lower(Text(a)),
        ["map"] = Map,
        ["max"] = (_, a) => Extreme(a, 1),
        ["min"] = (_, a) => Extreme(a, -1),
        ["pprint"] = (_, a) => PythonText.Repr(Value(a)),
        ["reject"] = (_, a) => Select(a, attribute: false, keep: false),
        ["rejectattr"] = (_, a) => Select(a, attribute: true, keep: false),
        ["replace"] = (_, a) => Methods.Replace(
            Text(a), PythonText.Str(a.Required(1, "old")), PythonText.Str(a.Required(2, "new")), PythonValue.Integer(a.Get(3, "count")) ?? -1),
        ["reverse"] = (_, a) => Value(a) is string text ? string.Concat(PythonValue.Items(text).AsEnumerable().Reverse()) : new TemplateList(PythonValue.Items(Value(a)).AsEnumerable().Reverse()),
        ["round"] = (_, a) => RoundsToInteger(a) ? (object)(long)RoundNumber(a) : RoundNumber(a),
        ["safe"] = (_, a) => Value(a),
        ["select"] = (_, a) => Select(a, attribute: false, keep: true),
        ["selectattr"] = (_, a) => Select(a, attribute: true, keep: true),
        ["slice"] = Slice,
        ["sort"] = Sort,
        ["string"] = (_, a) => Text(a),
        ["striptags"] = (_, a) => StripTags(Text(a)),
        ["sum"] = (_, a) => PythonValue.Items(Value(a)).Select(item => a.Get(1, "attribute") is string name ? Attribute(item, name) : item)
            .Aggregate(a.Get(2, "start", 0L), Plus),
        ["title"] = (_, a) => Title(Text(a)),
        ["tojson"] = (_, a) => TemplateJson.Write(Value(a), a.Get(2, "indent"), a.Get(3, "separators"), PythonValue.Truth(a.Get(1, "ensure_ascii", false)), PythonValue.Truth(a.Get(4, "sort_keys", false))),
        ["trim"] = (_, a) => Methods.Strip(Text(a), a.Get(1, "chars") as string, left: true, right: true),
        ["truncate"] = (_, a) => Truncate(Text(a), a),
        ["unique"] = Unique,
        ["upper"] = (_, a) => Methods.Upper(Text(a)),
        ["urlencode"] = (_, a) => UrlEncode(Value(a)),
        ["wordcount"] = (_, a) => WordCount(Text(a)),
        ["wordwrap"] = (_, a) => TextLayout.Wrap(Text(a), (int)Math.Clamp(PythonValue.Integer(a.Get(1, "width")) ?? 79, 1, 1_000_000), PythonValue.Truth(a.Get(2, "break_long_words", true)), a.Text(3, "wrapstring", "\n")),
    };

    public static bool IsKnown(string name) => All.ContainsKey(name);

    public static Func<RenderContext, CallArguments, object?> Find(string name) =>
        All.TryGetValue(name, out Func<RenderContext, CallArguments, object?>? filter) ? filter : throw new TemplateFault($"there is no filter '{name}'");

    /// <summary>An attribute by its name, or by names with dots between them.</summary>
    public static object? Attribute(object? value, string path)
    {
        foreach (string name in path.Split('.'))
        {
            value = value switch
            {
                OrderedDictionary<string, object?> map => map.TryGetValue(name, out object? item) ? item : new Undefined(name),
                TemplateNamespace space => space.Attributes.TryGetValue(name, out object? item) ? item : new Undefined(name),
                TemplateList list when long.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out long i) && i < list.Count => list[(int)i],
                _ => new Undefined(name),
            };
        }

        return value;
    }

    public static TemplateList Pairs(object? value) => value is OrderedDictionary<string, object?> map
        ? new TemplateList(map.Select(entry => (object?)new TemplateList([entry.Key, entry.Value]) { IsTuple = true }))
        {
            View = "dict_items",
        }
        : throw new TemplateFault($"{PythonValue.TypeName(value)} has no items; a dict is expected");

    private static object? Value(CallArguments arguments) => arguments.Positional[0];

    private static string Text(CallArguments arguments) => PythonText.Str(Value(arguments));

    private static long IntegerOf(object? value) => PythonValue.Integer(value) ?? throw new TemplateFault($"{PythonValue.TypeName(value)} is no number");

    private static object? Default(RenderContext context, CallArguments arguments) =>
        Value(arguments) is Undefined || (PythonValue.Truth(arguments.Get(2, "boolean", false)) && !PythonValue.Truth(Value(arguments)))
            ? arguments.Get(1, "default_value", "")
            : Value(arguments);

    private static string Escape(string text) => text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal).Replace("'", "&#39;", StringComparison.Ordinal).Replace("\"", "&#34;", StringComparison.Ordinal);

    // The filter, unlike the method, begins a word only behind blanks, dashes and opening brackets.
    private static string Title(string text)
    {
        char[] result = text.ToLowerInvariant().ToCharArray();
        for (int i = 0; i < result.Length; i++)
        {
            bool begins = i == 0 || PythonText.IsSpace(result[i - 1]) || result[i - 1] is '-' or '(' or '{' or '[' or '<';
            result[i] = begins ? char.ToUpperInvariant(result[i]) : result[i];
        }

        return new string(result);
    }

    private static long WordCount(string text)
    {
        long words = 0;
        bool inWord = false;
        foreach (char c in text)
        {
            bool isWord = char.IsLetterOrDigit(c) || c == '_';
            words += isWord && !inWord ? 1 : 0;
            inWord = isWord;
        }

        return words;
    }

    private static object? ToInteger(object? value, object? fallback, long numberBase) => value switch
    {
        double number when double.IsFinite(number) && Math.Abs(number) < 9e18 => (long)number,
        string text when ParseInteger(text, numberBase) is { } integer => integer,
        string text when PythonNumber.TryParse(text, out double number) && Math.Abs(number) < 9e18 => (long)number,
        _ => PythonValue.Integer(value) ?? fallback,
    };

    // Python's int(text, base): a sign, a prefix that names the base, digits with single underscores between.
    private static long? ParseInteger(string text, long numberBase)
    {
        string digits = text.Trim().ToLowerInvariant();
        bool negative = digits.StartsWith('-');
        digits = digits.TrimStart('-', '+') is var rest && rest.Length >= digits.Length - 1 ? rest : "";
        string? prefix = numberBase switch { 16 => "0x", 8 => "0o", 2 => "0b", _ => null };
        digits = prefix is not null && digits.StartsWith(prefix, StringComparison.Ordinal) ? digits[2..] : digits;
        if (digits.Length == 0 || digits[0] == '_' || digits[^1] == '_' || digits.Contains("__", StringComparison.Ordinal) || numberBase is < 2 or > 36)
        {
            return null;
        }

        decimal result = 0;
        foreach (char c in digits.Replace("_", "", StringComparison.Ordinal))
        {
            int digit = char.IsAsciiDigit(c) ? c - '0' : char.IsAsciiLetter(c) ? c - 'a' + 10 : int.MaxValue;
            if (digit >= numberBase || result > long.MaxValue)
            {
                return null;
            }

            result = (result * numberBase) + digit;
        }

        return result > long.MaxValue ? null : (long)(negative ? -result : result);
    }

    private static object? ToFloat(object? value, object? fallback) => value switch
    {
        string text => PythonNumber.TryParse(text, out double number) ? number : fallback,
        _ => PythonValue.Number(value) ?? fallback,
    };

    private static object? Plus(object? a, object? b) => PythonValue.Integer(a) is { } i && PythonValue.Integer(b) is { } j
        ? (object)checked(i + j)
        : (PythonValue.Number(a) + PythonValue.Number(b)) ?? throw new TemplateFault("sum takes numbers");

    private static long Magnitude(long value) => value == long.MinValue ? throw new TemplateFault("an integer grows beyond 64 bits") : Math.Abs(value);

    private static TemplateList Unique(RenderContext context, CallArguments arguments)
    {
        bool caseSensitive = PythonValue.Truth(arguments.Get(1, "case_sensitive", false));
        object? attribute = arguments.Get(2, "attribute");
        var kept = new TemplateList();
        var keys = new TemplateList();
        foreach (object? item in PythonValue.Items(Value(arguments)))
        {
            object? key = Key(item, attribute, caseSensitive);
            if (!keys.Exists(other => PythonValue.Same(other, key)))
            {
                keys.Add(key);
                kept.Add(item);
            }
        }

        return kept;
    }

    // What sorting, grouping and comparing look at: an attribute, in lower case unless case counts.
    private static object? Key(object? item, object? attribute, bool caseSensitive)
    {
        object? key = attribute is null ? item : Attribute(item, PythonText.Str(attribute));
        return key is string text && !caseSensitive ? Methods.Lower(text) : key;
    }

    private static TemplateList Sorted(IEnumerable<object?> items, Func<object?, object?> key, bool reverse)
    {
        try
        {
            // Stable in both directions, as Python's.
            return new TemplateList(reverse ? items.OrderByDescending(key, Order) : items.OrderBy(key, Order));
        }
        catch (InvalidOperationException exception) when (exception.InnerException is TemplateFault fault)
        {
            throw new TemplateFault(fault.Message, fault.IsRaised, fault.IsLimit);
        }
    }

    private static TemplateList DictSort(RenderContext context, CallArguments arguments)
    {
        bool caseSensitive = PythonValue.Truth(arguments.Get(1, "case_sensitive", false));
        int place = arguments.Text(2, "by", "key") switch
        {
            "key" => 0,
            "value" => 1,
            _ => throw new TemplateFault("dictsort sorts by 'key' or 'value'"),
        };
        return Sorted(Pairs(Value(arguments)), pair => Key(((TemplateList)pair!)[place], null, caseSensitive), PythonValue.Truth(arguments.Get(3, "reverse", false)));
    }

    private static TemplateList Slice(RenderContext context, CallArguments arguments)
    {
        TemplateList items = PythonValue.Items(Value(arguments));
        long slices = PythonValue.Integer(arguments.Required(1, "slices")) is > 0 and var given ? given : throw new TemplateFault("slice takes a number above 0");
        object? fill = arguments.Get(2, "fill_with");
        context.Step(slices);
        var result = new TemplateList();
        (long size, long longer) = (items.Count / slices, items.Count % slices);
        for (long i = 0, at = 0; i < slices; i++)
        {
            long length = size + (i < longer ? 1 : 0);
            var part = new TemplateList(items.GetRange((int)at, (int)length));
            at += length;
            if (fill is not null && i >= longer)
            {
                part.Add(fill);
            }

            result.Add(part);
        }

        return result;
    }

    private static string UrlEncode(object? value)
    {
        static string Part(object? item) => Uri.EscapeDataString(PythonText.Str(item));
        return value is OrderedDictionary<string, object?> map
            ? string.Join('&', map.Select(entry => $"{Part(entry.Key)}={Part(entry.Value)}")).Replace("%20", "+", StringComparison.Ordinal)
            : Part(value).Replace("%2F", "/", StringComparison.Ordinal);
    }

    private static string StripTags(string text)
    {
        var plain = new System.Text.StringBuilder();
        for (int at = 0; at < text.Length;)
        {
            int open = text.IndexOf('<', at);
            int close = open < 0 ? -1 : text.IndexOf('>', open);
            if (close < 0)
            {
                plain.Append(text, at, text.Length - at);
                break;
            }

            plain.Append(text, at, open - at);
            at = close + 1;
        }

        return string.Join(' ', plain.ToString().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }

    private static string Truncate(string text, CallArguments arguments)
    {
        long length = PythonValue.Integer(arguments.Get(1, "length")) ?? 255;
        bool cutsWords = PythonValue.Truth(arguments.Get(2, "killwords", false));
        string end = arguments.Text(3, "end", "...");
        long leeway = PythonValue.Integer(arguments.Get(4, "leeway")) ?? 5;
        TemplateList characters = PythonValue.Items(text);
        if (characters.Count <= length + leeway)
        {
            return text;
        }

        string cut = string.Concat(characters.Take((int)Math.Max(0, length - PythonValue.Length(end))));
        int space = cutsWords ? -1 : cut.LastIndexOf(' ');
        return (space < 0 ? cut : cut[..space]) + end;
    }

    private static string FileSize(object? value, bool binary)
    {
        double bytes = ToFloat(value, 0.0) is double number ? number : 0;
        int unit = binary ? 1024 : 1000;
        if (bytes < unit)
        {
            return bytes == 1 ? "1 Byte" : string.Create(CultureInfo.InvariantCulture, $"{(long)bytes} Bytes");
        }

        int step = 0;
        for (bytes /= unit; bytes >= unit && step < 7; step++)
        {
            bytes /= unit;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{bytes:F1} {"kMGTPEZY"[step] switch { 'k' when binary => 'K', var letter => letter }}{(binary ? "iB" : "B")}");
    }

    private static object? Extreme(CallArguments arguments, int sign)
    {
        TemplateList items = PythonValue.Items(Value(arguments));
        if (items.Count == 0)
        {
            return new Undefined("the extreme of no items");
        }

        bool caseSensitive = PythonValue.Truth(arguments.Get(1, "case_sensitive", false));
        object? attribute = arguments.Get(2, "attribute");
        return items.Aggregate((best, item) => PythonValue.Compare(Key(item, attribute, caseSensitive), Key(best, attribute, caseSensitive)) * sign > 0 ? item : best);
    }

    // Python rounds an integer to an integer.
    private static bool RoundsToInteger(CallArguments arguments) =>
        Value(arguments) is long or bool && arguments.Text(2, "method", "common") == "common" && Math.Abs(RoundNumber(arguments)) < 9e15;

    private static double RoundNumber(CallArguments arguments)
    {
        double number = PythonValue.Number(Value(arguments)) ?? throw new TemplateFault("round takes a number");
        double factor = Math.Pow(10, PythonValue.Integer(arguments.Get(1, "precision")) ?? 0);
        return arguments.Text(2, "method", "common") switch
        {
            "ceil" => Math.Ceiling(number * factor) / factor,
            "floor" => Math.Floor(number * factor) / factor,
            _ => Math.Round(number * factor, MidpointRounding.ToEven) / factor,
        };
    }

    private static TemplateList Map(RenderContext context, CallArguments arguments)
    {
        TemplateList items = PythonValue.Items(Value(arguments));
        if (arguments.Named.TryGetValue("attribute", out object? attribute))
        {
            object? fallback = arguments.Named.GetValueOrDefault("default");
            return new TemplateList(items.Select(item =>
            {
                object? found = Attribute(item, PythonText.Str(attribute));
                return found is Undefined && fallback is not null ? fallback : found;
            }));
        }

        Func<RenderContext, CallArguments, object?> filter = Find(PythonText.Str(arguments.Required(1, "filter")));
        return new TemplateList(items.Select(item => filter(context, new CallArguments([item, .. arguments.Positional.Skip(2)], arguments.Named))));
    }

    private static TemplateList Select(CallArguments arguments, bool attribute, bool keep)
    {
        int next = attribute ? 2 : 1;
        string? name = arguments.Positional.Count > next ? PythonText.Str(arguments.Positional[next]) : null;
        Func<CallArguments, bool>? test = name is null ? null : Tests.Find(name);
        return new TemplateList(PythonValue.Items(Value(arguments)).Where(item =>
        {
            object? tested = attribute ? Attribute(item, PythonText.Str(arguments.Required(1, "attribute"))) : item;
            bool passes = test is null ? PythonValue.Truth(tested) : test(new CallArguments([tested, .. arguments.Positional.Skip(next + 1)], arguments.Named));
            return passes == keep;
        }));
    }

    private static TemplateList Sort(RenderContext context, CallArguments arguments)
    {
        bool caseSensitive = PythonValue.Truth(arguments.Get(2, "case_sensitive", false));
        object? attribute = arguments.Get(3, "attribute");
        return Sorted(PythonValue.Items(Value(arguments)), item => Key(item, attribute, caseSensitive), PythonValue.Truth(arguments.Get(1, "reverse", false)));
    }

    private static readonly Comparer<object?> Order = Comparer<object?>.Create(PythonValue.Compare);

    private static TemplateList GroupBy(RenderContext context, CallArguments arguments)
    {
        object? attribute = arguments.Required(1, "attribute");
        object? fallback = arguments.Get(2, "default");
        bool caseSensitive = PythonValue.Truth(arguments.Get(3, "case_sensitive", false));
        object? Of(object? item, bool asWritten) => Attribute(item, PythonText.Str(attribute)) is Undefined && fallback is not null
            ? fallback
            : Key(item, attribute, asWritten || caseSensitive);
        var groups = new TemplateList();
        foreach (object? item in Sorted(PythonValue.Items(Value(arguments)), item => Of(item, asWritten: false), reverse: false))
        {
            if (groups.Count == 0 || !PythonValue.Same(Of(((TemplateList)((TemplateList)groups[^1]!)[1]!)[0], asWritten: false), Of(item, asWritten: false)))
            {
                groups.Add(new TemplateList([Of(item, asWritten: true), new TemplateList()]) { IsTuple = true, Names = ["grouper", "list"] });
            }

            ((TemplateList)((TemplateList)groups[^1]!)[1]!).Add(item);
        }

        return groups;
    }

    private static TemplateList Batch(RenderContext context, CallArguments arguments)
    {
        long size = PythonValue.Integer(arguments.Required(1, "linecount")) is > 0 and var given ? given : throw new TemplateFault("batch takes a size above 0");
        object? fill = arguments.Get(2, "fill_with");
        return new TemplateList(PythonValue.Items(Value(arguments)).Chunk((int)Math.Min(size, int.MaxValue)).Select(chunk => (object?)Filled(chunk)));

        TemplateList Filled(object?[] chunk)
        {
            if (fill is null || chunk.Length == size)
            {
                return new TemplateList(chunk);
            }

            context.Step(size);
            return new TemplateList([.. chunk, .. Enumerable.Repeat(fill, (int)(size - chunk.Length))]);
        }
    }

    private static string Indent(RenderContext context, CallArguments arguments)
    {
        string indent = arguments.Get(1, "width", 4L) is string text ? text : new string(' ', (int)Math.Clamp(PythonValue.Integer(arguments.Get(1, "width", 4L)) ?? 4, 0, 1000));
        bool first = PythonValue.Truth(arguments.Get(2, "first", false));
        bool blank = PythonValue.Truth(arguments.Get(3, "blank", false));
        string[] lines = Text(arguments).Split('\n');
        RenderContext.CheckLength(((double)lines.Length * indent.Length) + Text(arguments).Length);
        return string.Join('\n', lines.Select((line, i) => (i == 0 ? first : blank || line.Length > 0) ? indent + line : line));
    }
}

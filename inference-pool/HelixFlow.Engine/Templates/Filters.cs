using System.Globalization;

namespace HelixFlow.Engine.Templates;

/// <summary>The filters of Jinja that chat templates use.</summary>
internal static class Filters
{
    private static readonly Dictionary<string, Func<RenderContext, CallArguments, object?>> All = new(StringComparer.Ordinal)
    {
        ["abs"] = (_, a) => Value(a) is double number ? (object)Math.Abs(number) : Math.Abs(IntegerOf(Value(a))),
        ["attr"] = (_, a) => Attribute(Value(a), PythonText.Str(a.Required(1, "name"))),
        ["batch"] = Batch,
        ["capitalize"] = (_, a) => Methods.Capitalize(Text(a)),
        ["count"] = (_, a) => PythonValue.Length(Value(a)),
        ["d"] = Default,
        ["default"] = Default,
        ["dictsort"] = (_, a) => new TemplateList(Pairs(Value(a)).OrderBy(pair => ((TemplateList)pair!)[0], Order(false)).ToList()),
        ["e"] = (_, a) => Escape(Text(a)),
        ["escape"] = (_, a) => Escape(Text(a)),
        ["first"] = (_, a) => PythonValue.Items(Value(a)) is { Count: > 0 } items ? items[0] : new Undefined("the first item"),
        ["float"] = (_, a) => ToFloat(Value(a), a.Get(1, "default", 0.0)),
        ["groupby"] = GroupBy,
        ["indent"] = Indent,
        ["int"] = (_, a) => ToInteger(Value(a), a.Get(1, "default", 0L)),
        ["items"] = (_, a) => Value(a) is Undefined ? new TemplateList() : new TemplateList(Pairs(Value(a))),
        ["join"] = (_, a) => string.Join(
            a.Text(1, "d", ""), PythonValue.Items(Value(a)).Select(item => PythonText.Str(a.Get(2, "attribute") is string name ? Attribute(item, name) : item))),
        ["last"] = (_, a) => PythonValue.Items(Value(a)) is { Count: > 0 } items ? items[^1] : new Undefined("the last item"),
        ["length"] = (_, a) => PythonValue.Length(Value(a)),
        ["list"] = (_, a) => new TemplateList(PythonValue.Items(Value(a))),
        ["lower"] = (_, a) => Text(a).ToLowerInvariant(),
        ["map"] = Map,
        ["max"] = (_, a) => Extreme(a, 1),
        ["min"] = (_, a) => Extreme(a, -1),
        ["reject"] = (_, a) => Select(a, attribute: false, keep: false),
        ["rejectattr"] = (_, a) => Select(a, attribute: true, keep: false),
        ["replace"] = (_, a) => Methods.Replace(
            Text(a), PythonText.Str(a.Required(1, "old")), PythonText.Str(a.Required(2, "new")), PythonValue.Integer(a.Get(3, "count")) ?? -1),
        ["reverse"] = (_, a) => Value(a) is string text ? string.Concat(PythonValue.Items(text).AsEnumerable().Reverse()) : new TemplateList(PythonValue.Items(Value(a)).AsEnumerable().Reverse()),
        ["round"] = (context, a) => Round(context, a),
        ["safe"] = (_, a) => Value(a),
        ["select"] = (_, a) => Select(a, attribute: false, keep: true),
        ["selectattr"] = (_, a) => Select(a, attribute: true, keep: true),
        ["sort"] = Sort,
        ["string"] = (_, a) => Text(a),
        ["sum"] = (_, a) => PythonValue.Items(Value(a)).Select(item => a.Get(1, "attribute") is string name ? Attribute(item, name) : item)
            .Aggregate(a.Get(2, "start", 0L), Plus),
        ["title"] = (_, a) => Title(Text(a)),
        ["tojson"] = (_, a) => TemplateJson.Write(Value(a), PythonValue.Integer(a.Get(1, "indent")), PythonValue.Truth(a.Get(99, "ensure_ascii", false)), PythonValue.Truth(a.Get(99, "sort_keys", false))),
        ["trim"] = (_, a) => Methods.Strip(Text(a), a.Get(1, "chars") as string, left: true, right: true),
        ["unique"] = (_, a) => PythonValue.Items(Value(a)).Aggregate(new TemplateList(), (kept, item) => Keep(kept, item)),
        ["upper"] = (_, a) => Methods.Upper(Text(a)),
        ["urlencode"] = (_, a) => Uri.EscapeDataString(Text(a)).Replace("%2F", "/", StringComparison.Ordinal),
        ["wordcount"] = (_, a) => WordCount(Text(a)),
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
                TemplateList list when long.TryParse(name, CultureInfo.InvariantCulture, out long i) && i < list.Count => list[(int)i],
                _ => new Undefined(name),
            };
        }

        return value;
    }

    public static TemplateList Pairs(object? value) => value is OrderedDictionary<string, object?> map
        ? new TemplateList(map.Select(entry => (object?)new TemplateList([entry.Key, entry.Value]) { IsTuple = true }))
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

    private static object? ToInteger(object? value, object? fallback) => value switch
    {
        double number when double.IsFinite(number) && Math.Abs(number) < 9e18 => (long)number,
        string text when long.TryParse(text.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long integer) => integer,
        string text when double.TryParse(text.Trim(), CultureInfo.InvariantCulture, out double number) && Math.Abs(number) < 9e18 => (long)number,
        _ => PythonValue.Integer(value) ?? fallback,
    };

    private static object? ToFloat(object? value, object? fallback) => value switch
    {
        string text => double.TryParse(text.Trim(), CultureInfo.InvariantCulture, out double number) ? number : fallback,
        _ => PythonValue.Number(value) ?? fallback,
    };

    private static object? Plus(object? a, object? b) => PythonValue.Integer(a) is { } i && PythonValue.Integer(b) is { } j
        ? (object)(i + j)
        : (PythonValue.Number(a) + PythonValue.Number(b)) ?? throw new TemplateFault("sum takes numbers");

    private static TemplateList Keep(TemplateList kept, object? item)
    {
        if (!kept.Exists(other => PythonValue.Same(other, item)))
        {
            kept.Add(item);
        }

        return kept;
    }

    private static object? Extreme(CallArguments arguments, int sign)
    {
        TemplateList items = PythonValue.Items(Value(arguments));
        if (items.Count == 0)
        {
            return new Undefined("the extreme of no items");
        }

        object? Key(object? item) => arguments.Get(2, "attribute") is string name ? Attribute(item, name) : item;
        return items.Aggregate((best, item) => PythonValue.Compare(Key(item), Key(best)) * sign > 0 ? item : best);
    }

    private static double Round(RenderContext context, CallArguments arguments)
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
        bool reverse = PythonValue.Truth(arguments.Get(1, "reverse", false));
        bool caseSensitive = PythonValue.Truth(arguments.Get(2, "case_sensitive", false));
        string? attribute = arguments.Get(3, "attribute") as string;
        object? Key(object? item) => (attribute is null ? item : Attribute(item, attribute)) is var key && key is string text && !caseSensitive ? text.ToLowerInvariant() : key;
        IEnumerable<object?> items = PythonValue.Items(Value(arguments));
        return new TemplateList(reverse ? items.OrderByDescending(Key, Order(true)) : items.OrderBy(Key, Order(true)));
    }

    private static Comparer<object?> Order(bool caseSensitive) => Comparer<object?>.Create((a, b) =>
        a is string x && b is string y && !caseSensitive ? PythonValue.Compare(x.ToLowerInvariant(), y.ToLowerInvariant()) : PythonValue.Compare(a, b));

    private static TemplateList GroupBy(RenderContext context, CallArguments arguments)
    {
        string attribute = PythonText.Str(arguments.Required(1, "attribute"));
        var groups = new TemplateList();
        foreach (object? item in PythonValue.Items(Value(arguments)).OrderBy(item => Attribute(item, attribute), Order(false)))
        {
            object? key = Attribute(item, attribute);
            if (groups.Count == 0 || !PythonValue.Same(((TemplateList)groups[^1]!)[0], key))
            {
                groups.Add(new TemplateList([key, new TemplateList()]) { IsTuple = true });
            }

            ((TemplateList)((TemplateList)groups[^1]!)[1]!).Add(item);
        }

        return groups;
    }

    private static TemplateList Batch(RenderContext context, CallArguments arguments)
    {
        long size = PythonValue.Integer(arguments.Required(1, "linecount")) is > 0 and var given ? given : throw new TemplateFault("batch takes a size above 0");
        return new TemplateList(PythonValue.Items(Value(arguments)).Chunk((int)Math.Min(size, int.MaxValue)).Select(chunk => (object?)new TemplateList(chunk)));
    }

    private static string Indent(RenderContext context, CallArguments arguments)
    {
        string indent = arguments.Get(1, "width", 4L) is string text ? text : new string(' ', (int)Math.Clamp(PythonValue.Integer(arguments.Get(1, "width", 4L)) ?? 4, 0, 1000));
        bool first = PythonValue.Truth(arguments.Get(2, "first", false));
        bool blank = PythonValue.Truth(arguments.Get(3, "blank", false));
        string[] lines = Text(arguments).Split('\n');
        return string.Join('\n', lines.Select((line, i) => (i == 0 ? first : blank || line.Length > 0) ? indent + line : line));
    }
}

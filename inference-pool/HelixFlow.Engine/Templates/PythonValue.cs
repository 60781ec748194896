using System.Text.Json;

namespace HelixFlow.Engine.Templates;

/// <summary>The value of a name or attribute that does not exist: prints as nothing, is false, has no attributes.</summary>
internal sealed class Undefined(string name)
{
    public string Name { get; } = name;
}

/// <summary>A list, or a tuple, which differs only in how it prints.</summary>
internal sealed class TemplateList : List<object?>
{
    public TemplateList()
    {
    }

    public TemplateList(IEnumerable<object?> items)
        : base(items)
    {
    }

    public bool IsTuple { get; init; }

    /// <summary>What Python has instead of a list: <c>dict_items</c>, <c>dict_keys</c>, <c>dict_values</c>, or a range with its bounds.</summary>
    public string? View { get; init; }

    /// <summary>Names of a tuple's items.</summary>
    public string[]? Names { get; init; }

    /// <summary>The items of a dictionary's view have no index.</summary>
    public bool IsIndexable => View is null || View.StartsWith('r');

    /// <summary>An equal kind of list: Python's list, tuple and views are never equal to each other.</summary>
    public bool IsOfKind(TemplateList other) => IsTuple == other.IsTuple && (View is null) == (other.View is null);
}

/// <summary>An object whose attributes a template may set: namespace(); and what a template is given as one.</summary>
internal sealed class TemplateNamespace
{
    /// <summary>What calling the object does, such as a recursive loop; null when it cannot be called.</summary>
    public TemplateFunction? Call { get; init; }

    /// <summary>A template may not set its attributes.</summary>
    public bool IsFixed { get; init; }

    public OrderedDictionary<string, object?> Attributes { get; } = [];
}

/// <summary>The arguments of a call.</summary>
internal sealed record CallArguments(List<object?> Positional, Dictionary<string, object?> Named)
{
    /// <summary>The argument at a position or of a name; <paramref name="fallback"/> when it is not given.</summary>
    public object? Get(int index, string name, object? fallback = null) =>
        index < Positional.Count ? Positional[index] : Named.TryGetValue(name, out object? value) ? value : fallback;

    public string Text(int index, string name, string fallback) => Get(index, name) is string text ? text : fallback;

    public object? Required(int index, string name) =>
        index < Positional.Count || Named.ContainsKey(name) ? Get(index, name) : throw new TemplateFault($"the argument '{name}' is missing");
}

/// <summary>Something that a template can call.</summary>
internal delegate object? TemplateFunction(RenderContext context, CallArguments arguments);

/// <summary>A rendering fault before the line is known; <see cref="RenderContext"/> adds it.</summary>
internal sealed class TemplateFault(string reason, bool isRaised = false, bool isLimit = false) : Exception(reason)
{
    public bool IsRaised { get; } = isRaised;

    public bool IsLimit { get; } = isLimit;
}

/// <summary>Python's rules for values: truth, equality, order, length.</summary>
/// <remarks>Values are null, <see cref="Undefined"/>, bool, long, double, string, <see cref="TemplateList"/>, ordered dictionaries with text keys,
/// <see cref="TemplateNamespace"/> and <see cref="TemplateFunction"/>.</remarks>
internal static class PythonValue
{
    public static bool Truth(object? value) => value switch
    {
        null or Undefined => false,
        bool flag => flag,
        long integer => integer != 0,
        double number => number != 0,
        string text => text.Length > 0,
        TemplateList list => list.Count > 0,
        OrderedDictionary<string, object?> map => map.Count > 0,
        _ => true,
    };

    public static string TypeName(object? value) => value switch
    {
        null => "None",
        Undefined => "undefined",
        bool => "bool",
        long => "int",
        double => "float",
        string => "str",
        TemplateList { View: { } view } => view.StartsWith('r') ? "range" : view,
        TemplateList list => list.IsTuple ? "tuple" : "list",
        OrderedDictionary<string, object?> => "dict",
        TemplateNamespace => "namespace",
        _ => "function",
    };

    public static bool Same(object? a, object? b)
    {
        RenderContext.Charge();
        return IsSame(a, b);
    }

    private static bool IsSame(object? a, object? b) => (a, b) switch
    {
        (null, null) or (Undefined, Undefined) => true,
        (null or Undefined, _) or (_, null or Undefined) => false,
        (string x, string y) => string.Equals(x, y, StringComparison.Ordinal),
        (TemplateList x, TemplateList y) => x.IsOfKind(y) && x.Count == y.Count && x.Zip(y).All(pair => Same(pair.First, pair.Second)),
        (OrderedDictionary<string, object?> x, OrderedDictionary<string, object?> y) =>
            x.Count == y.Count && x.All(entry => y.TryGetValue(entry.Key, out object? other) && Same(entry.Value, other)),
        _ when Number(a) is { } x && Number(b) is { } y => x == y,
        _ => ReferenceEquals(a, b),
    };

    /// <summary>bool, int and float as a number; null for anything else.</summary>
    public static double? Number(object? value) => value switch
    {
        bool flag => flag ? 1 : 0,
        long integer => integer,
        double number => number,
        _ => null,
    };

    public static long? Integer(object? value) => value switch
    {
        bool flag => flag ? 1 : 0,
        long integer => integer,
        _ => null,
    };

    public static int Compare(object? a, object? b) => (a, b) switch
    {
        (string x, string y) => CompareCodePoints(x, y),
        (long x, long y) => x.CompareTo(y),
        (TemplateList x, TemplateList y) => CompareLists(x, y),
        _ when Number(a) is { } x && Number(b) is { } y => x.CompareTo(y),
        _ => throw new TemplateFault($"{TypeName(a)} and {TypeName(b)} cannot be ordered"),
    };

    public static long Length(object? value) => value switch
    {
        string text => text.EnumerateRunes().Count(),
        TemplateList list => list.Count,
        OrderedDictionary<string, object?> map => map.Count,
        Undefined => 0,
        _ => throw new TemplateFault($"{TypeName(value)} has no length"),
    };

    /// <summary>What a for loop, join or list() goes through.</summary>
    public static TemplateList Items(object? value) => value switch
    {
        TemplateList list => list,
        OrderedDictionary<string, object?> map => new TemplateList(map.Keys),
        string text => new TemplateList(text.EnumerateRunes().Select(rune => (object?)rune.ToString())),
        Undefined => [],
        _ => throw new TemplateFault($"{TypeName(value)} cannot be iterated"),
    };

    public static bool Contains(object? container, object? item) => container switch
    {
        string text => item is string part ? text.Contains(part, StringComparison.Ordinal) : throw new TemplateFault($"{TypeName(item)} cannot be in a string"),
        OrderedDictionary<string, object?> map => item is string key && map.ContainsKey(key),
        TemplateList list => list.Exists(element => Same(element, item)),
        Undefined => false,
        _ => throw new TemplateFault($"{TypeName(container)} is no container"),
    };

    public static object? FromJson(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Object => FromObject(json),
        JsonValueKind.Array => new TemplateList(json.EnumerateArray().Select(FromJson)),
        JsonValueKind.String => json.GetString(),
        JsonValueKind.Number => json.TryGetInt64(out long integer) && !json.GetRawText().AsSpan().ContainsAny('.', 'e', 'E') ? (object)integer : json.GetDouble(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => null,
    };

    private static OrderedDictionary<string, object?> FromObject(JsonElement json)
    {
        OrderedDictionary<string, object?> map = [];
        foreach (JsonProperty property in json.EnumerateObject())
        {
            map[property.Name] = FromJson(property.Value);
        }

        return map;
    }

    private static int CompareLists(TemplateList x, TemplateList y)
    {
        RenderContext.Charge();
        for (int i = 0; i < Math.Min(x.Count, y.Count); i++)
        {
            if (!Same(x[i], y[i]))
            {
                return Compare(x[i], y[i]);
            }
        }

        return x.Count.CompareTo(y.Count);
    }

    // UTF-16 order differs from code point order where surrogates meet U+E000 and above.
    private static int CompareCodePoints(string x, string y)
    {
        using var a = x.EnumerateRunes().GetEnumerator();
        using var b = y.EnumerateRunes().GetEnumerator();
        while (true)
        {
            bool more = a.MoveNext();
            if (!b.MoveNext())
            {
                return more ? 1 : 0;
            }

            if (!more)
            {
                return -1;
            }

            int order = a.Current.Value.CompareTo(b.Current.Value);
            if (order != 0)
            {
                return order;
            }
        }
    }
}

using System.Globalization;
using System.Text;
using System.Text.Json;

namespace HelixFlow.Agents.JobTypes.Agents.Tools;

/// <summary>Reads the notation of <see cref="JsonPath"/>.</summary>
internal sealed class JsonPathParser(string text)
{
    private const int Deepest = 32; // of filters within filters
    private const int Longest = 1000;

    private int _at;
    private int _depth;

    /// <summary>The whole text as a path.</summary>
    public IReadOnlyList<JsonPath.Segment> Path()
    {
        if (text.Length > Longest)
        {
            throw new FormatException($"The path has more than {Longest} characters.");
        }

        Need('$');
        List<JsonPath.Segment> segments = Segments();
        return _at == text.Length ? segments : throw Wrong($"'{text[_at]}' cannot stand here");
    }

    private List<JsonPath.Segment> Segments()
    {
        var segments = new List<JsonPath.Segment>();
        while (true)
        {
            int start = _at;
            SkipSpace();
            if (Peek() == '[')
            {
                segments.Add(new JsonPath.Segment(Bracket(), false));
            }
            else if (Peek() == '.')
            {
                _at++;
                bool isDescendant = Take('.');
                segments.Add(new JsonPath.Segment(isDescendant && Peek() == '[' ? Bracket() : [Take('*') ? Wildcard : Named(Name())], isDescendant));
            }
            else
            {
                _at = start;
                return segments;
            }
        }
    }

    private List<JsonPath.Selector> Bracket()
    {
        Need('[');
        var selectors = new List<JsonPath.Selector>();
        do
        {
            SkipSpace();
            selectors.Add(Selector());
            SkipSpace();
        }
        while (Take(','));
        Need(']');
        return selectors;
    }

    private JsonPath.Selector Selector()
    {
        if (Peek() is '\'' or '"')
        {
            return Named(Quoted());
        }

        if (Take('*'))
        {
            return Wildcard;
        }

        if (Take('?'))
        {
            Func<JsonElement, JsonElement, JsonPath.Budget, bool> filter = Or();
            return (value, root, budget) => JsonPath.Children(value).Where(child =>
            {
                budget.Visit();
                return filter(child, root, budget);
            });
        }

        int? start = Integer();
        SkipSpace();
        if (!Take(':'))
        {
            return start is { } index ? At(index) : throw Wrong("a name in quotes, a number, '*' or '?' must stand here");
        }

        SkipSpace();
        int? end = Integer();
        SkipSpace();
        int step = 1;
        if (Take(':'))
        {
            SkipSpace();
            step = Integer() ?? 1;
        }

        return Slice(start, end, step);
    }

    private Func<JsonElement, JsonElement, JsonPath.Budget, bool> Or()
    {
        if (++_depth > Deepest)
        {
            throw Wrong("it is nested too deeply");
        }

        Func<JsonElement, JsonElement, JsonPath.Budget, bool> left = And();
        while (TakeBoth("||"))
        {
            (Func<JsonElement, JsonElement, JsonPath.Budget, bool> before, Func<JsonElement, JsonElement, JsonPath.Budget, bool> right) = (left, And());
            left = (value, root, budget) => before(value, root, budget) || right(value, root, budget);
        }

        _depth--;
        return left;
    }

    private Func<JsonElement, JsonElement, JsonPath.Budget, bool> And()
    {
        Func<JsonElement, JsonElement, JsonPath.Budget, bool> left = Not();
        while (TakeBoth("&&"))
        {
            (Func<JsonElement, JsonElement, JsonPath.Budget, bool> before, Func<JsonElement, JsonElement, JsonPath.Budget, bool> right) = (left, Not());
            left = (value, root, budget) => before(value, root, budget) && right(value, root, budget);
        }

        return left;
    }

    private Func<JsonElement, JsonElement, JsonPath.Budget, bool> Not()
    {
        SkipSpace();
        bool isNegated = false;
        while (Take('!'))
        {
            isNegated = !isNegated;
            SkipSpace();
        }

        Func<JsonElement, JsonElement, JsonPath.Budget, bool> inner = Take('(') ? Parenthesis() : Test();
        return isNegated ? (value, root, budget) => !inner(value, root, budget) : inner;
    }

    private Func<JsonElement, JsonElement, JsonPath.Budget, bool> Parenthesis()
    {
        Func<JsonElement, JsonElement, JsonPath.Budget, bool> inner = Or();
        SkipSpace();
        Need(')');
        return inner;
    }

    private Func<JsonElement, JsonElement, JsonPath.Budget, bool> Test()
    {
        JsonPath.Selector left = Operand(out bool isQuery);
        SkipSpace();
        string? comparison = ((string[])["==", "!=", "<=", ">=", "<", ">"]).FirstOrDefault(TakeBoth);
        if (comparison is null)
        {
            return isQuery ? (value, root, budget) => left(value, root, budget).Any() : throw Wrong("a comparison must stand here");
        }

        SkipSpace();
        JsonPath.Selector right = Operand(out _);
        return (value, root, budget) => Compare(Only(left(value, root, budget)), Only(right(value, root, budget)), comparison);
    }

    private JsonPath.Selector Operand(out bool isQuery)
    {
        isQuery = Peek() is '@' or '$';
        if (isQuery)
        {
            bool isRoot = text[_at++] == '$';
            if (++_depth > Deepest)
            {
                throw Wrong("it is nested too deeply");
            }

            List<JsonPath.Segment> segments = Segments();
            _depth--;
            return (value, root, budget) => JsonPath.Select(segments, isRoot ? root : value, root, budget);
        }

        JsonElement literal = Literal();
        return (_, _, _) => [literal];
    }

    private JsonElement Literal()
    {
        if (Peek() is '\'' or '"')
        {
            return JsonElement.Parse($"\"{JsonEncodedText.Encode(Quoted())}\"");
        }

        int start = _at;
        while (_at < text.Length && (char.IsAsciiLetterOrDigit(text[_at]) || text[_at] is '-' or '+' or '.'))
        {
            _at++;
        }

        try
        {
            return JsonElement.Parse(text[start.._at]);
        }
        catch (JsonException)
        {
            _at = start;
            throw Wrong("'@', '$', a text in quotes, a number, true, false or null must stand here");
        }
    }

    // A query that gives nothing, or several values, is equal to nothing but another one that gives nothing.
    private static JsonElement? Only(IEnumerable<JsonElement> values)
    {
        JsonElement[] first = [.. values.Take(2)];
        return first.Length == 1 ? first[0] : null;
    }

    private static bool Compare(JsonElement? left, JsonElement? right, string comparison)
    {
        bool areEqual = left is { } a && right is { } b ? JsonElement.DeepEquals(a, b) : left is null && right is null;
        int? order = (left, right) switch
        {
            ({ ValueKind: JsonValueKind.Number } x, { ValueKind: JsonValueKind.Number } y) => x.GetDouble().CompareTo(y.GetDouble()),
            ({ ValueKind: JsonValueKind.String } x, { ValueKind: JsonValueKind.String } y) => string.CompareOrdinal(x.GetString(), y.GetString()),
            _ => null,
        };
        return comparison switch
        {
            "==" => areEqual,
            "!=" => !areEqual,
            "<" => order < 0,
            "<=" => areEqual || order < 0,
            ">" => order > 0,
            _ => areEqual || order > 0,
        };
    }

    private static IEnumerable<JsonElement> Wildcard(JsonElement value, JsonElement root, JsonPath.Budget budget) => JsonPath.Children(value);

    private static JsonPath.Selector Named(string name) => (value, _, _) =>
        value.ValueKind == JsonValueKind.Object && value.TryGetProperty(name, out JsonElement member) ? [member] : [];

    private static JsonPath.Selector At(int index) => (value, _, _) =>
        value.ValueKind == JsonValueKind.Array && (index < 0 ? value.GetArrayLength() + index : index) is >= 0 and var place && place < value.GetArrayLength() ? [value[place]] : [];

    private static JsonPath.Selector Slice(int? start, int? end, int step) => (value, _, _) =>
    {
        if (value.ValueKind != JsonValueKind.Array || step == 0)
        {
            return [];
        }

        int length = value.GetArrayLength();
        int from = Place(start ?? (step > 0 ? 0 : length - 1), length, step);
        int to = end is { } given ? Place(given, length, step) : step > 0 ? length : -1;
        var selected = new List<JsonElement>();
        for (long i = from; step > 0 ? i < to : i > to; i += step)
        {
            selected.Add(value[(int)i]);
        }

        return selected;
    };

    private static int Place(int index, int length, int step)
    {
        long place = index < 0 ? (long)length + index : index;
        return (int)(step > 0 ? Math.Clamp(place, 0, length) : Math.Clamp(place, -1, length - 1));
    }

    private string Name()
    {
        int start = _at;
        while (_at < text.Length && (char.IsLetterOrDigit(text[_at]) || text[_at] == '_' || text[_at] > 0x7f))
        {
            _at++;
        }

        return _at > start && !char.IsAsciiDigit(text[start]) ? text[start.._at] : throw Wrong("a name must stand here; others go in brackets and quotes");
    }

    private string Quoted()
    {
        char quote = text[_at++];
        var value = new StringBuilder();
        while (_at < text.Length && text[_at] != quote)
        {
            char c = text[_at++];
            value.Append(c != '\\' ? c : _at < text.Length ? Escaped(text[_at++]) : throw Wrong("a quote is missing"));
        }

        Need(quote);
        return value.ToString();
    }

    private char Escaped(char c)
    {
        switch (c)
        {
            case 'n':
                return '\n';
            case 't':
                return '\t';
            case 'r':
                return '\r';
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'u' when _at + 4 <= text.Length && ushort.TryParse(text.AsSpan(_at, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort unit):
                _at += 4;
                return (char)unit;
            case '\\' or '/' or '\'' or '"':
                return c;
            default:
                throw Wrong($"'\\{c}' stands for nothing");
        }
    }

    private int? Integer()
    {
        int start = _at;
        _ = Take('-');
        while (_at < text.Length && char.IsAsciiDigit(text[_at]))
        {
            _at++;
        }

        return _at == start ? null
            : int.TryParse(text.AsSpan(start, _at - start), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value) ? value
            : throw Wrong($"'{text[start.._at]}' is no number of an element");
    }

    private char Peek() => _at < text.Length ? text[_at] : '\0';

    private bool Take(char c)
    {
        if (Peek() != c)
        {
            return false;
        }

        _at++;
        return true;
    }

    private bool TakeBoth(string sign)
    {
        SkipSpace();
        if (!text.AsSpan(_at).StartsWith(sign, StringComparison.Ordinal))
        {
            return false;
        }

        _at += sign.Length;
        return true;
    }

    private void Need(char c) => _ = Take(c) ? true : throw Wrong($"'{c}' is missing");

    private void SkipSpace()
    {
        while (Peek() is ' ' or '\t' or '\n' or '\r')
        {
            _at++;
        }
    }

    private FormatException Wrong(string what) => new($"At character {_at + 1} of the path: {what}.");
}

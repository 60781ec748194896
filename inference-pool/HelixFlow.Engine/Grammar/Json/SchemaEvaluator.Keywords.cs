using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Text.Json;
using HelixFlow.Engine.Grammar.Lexical;

namespace HelixFlow.Engine.Grammar.Json;

internal sealed partial class SchemaEvaluator
{
    private static readonly FrozenSet<string> _understood = new[]
    {
        "type", "const", "enum", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "$ref", "$dynamicRef",
        "minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
        "properties", "patternProperties", "additionalProperties", "required", "minProperties", "maxProperties", "propertyNames",
        "dependentRequired", "dependentSchemas", "unevaluatedProperties", "prefixItems", "items", "minItems", "maxItems", "contains", "minContains", "maxContains",
        "uniqueItems", "unevaluatedItems",
    }.ToFrozenSet(StringComparer.Ordinal);

    // They say nothing about which values are valid.
    private static readonly FrozenSet<string> _annotations = new[]
    {
        "$schema", "$id", "$anchor", "$dynamicAnchor", "$defs", "definitions", "$comment", "$vocabulary", "title", "description", "default", "examples", "example",
        "deprecated", "readOnly", "writeOnly", "contentEncoding", "contentMediaType", "contentSchema",
    }.ToFrozenSet(StringComparer.Ordinal);

    private static void CheckKeywords(SchemaNode node)
    {
        foreach (JsonProperty property in node.Json.EnumerateObject())
        {
            string name = property.Name;
            if (!_understood.Contains(name) && !_annotations.Contains(name) && !name.StartsWith("x-", StringComparison.Ordinal))
            {
                throw new GrammarException($"{SchemaDocument.Where(node)}: the keyword '{name}' is not supported");
            }
        }

        if (node.Json.TryGetProperty("uniqueItems", out JsonElement unique) && unique.ValueKind == JsonValueKind.True && !(Count(node, "maxItems") <= 1))
        {
            throw Wrong(node, "uniqueItems", "true is not supported, since it cannot be guaranteed while the array is written");
        }
    }

    /// <summary>Bodies of strings that this schema allows.</summary>
    private int Strings(SchemaNode node)
    {
        int min = Count(node, "minLength") ?? 0;
        int max = Count(node, "maxLength") ?? RegexPool.Unbounded;
        int strings = _lexemes.AnyBody;
        if (max < min)
        {
            return RegexPool.Nothing;
        }

        if (min > 0 || max < RegexPool.Unbounded)
        {
            strings = _pool.AndWithin(strings, _pool.Repeat(_lexemes.Character, min, max));
        }

        if (node.Json.TryGetProperty("pattern", out JsonElement pattern))
        {
            strings = _pool.AndWithin(strings, Pattern(node, "pattern", Text(node, "pattern", pattern)));
        }

        if (node.Json.TryGetProperty("format", out JsonElement format))
        {
            string name = Text(node, "format", format);
            if (StringFormats.Find(name) is { } expression)
            {
                strings = _pool.AndWithin(strings, RegexParser.ParseWhole(expression, _pool, _lexemes.Coding));
            }
            else if (!StringFormats.IsAnnotation(name))
            {
                throw Wrong(node, "format", $"the format '{name}' is not supported; supported are {StringFormats.Names}");
            }
        }

        return strings;
    }

    private int Pattern(SchemaNode node, string keyword, string pattern)
    {
        try
        {
            return RegexParser.ParseSearch(pattern, _pool, _lexemes.Coding);
        }
        catch (GrammarException exception) when (exception is not GrammarTooComplexException)
        {
            throw Wrong(node, keyword, exception.Message);
        }
    }

    private int Numbers(SchemaNode node)
    {
        (ExactDecimal? minimum, ExactDecimal? above) = (Number(node, "minimum"), Number(node, "exclusiveMinimum"));
        (ExactDecimal? maximum, ExactDecimal? below) = (Number(node, "maximum"), Number(node, "exclusiveMaximum"));
        int numbers = _lexemes.Number;
        numbers = Within(numbers, new NumberBounds { Min = minimum, Max = maximum });
        numbers = Within(numbers, new NumberBounds { Min = above, MinExclusive = true, Max = below, MaxExclusive = true });
        return Within(numbers, new NumberBounds { MultipleOf = Number(node, "multipleOf") });
    }

    private int Within(int numbers, NumberBounds bounds)
    {
        if (bounds.AreNone)
        {
            return numbers;
        }

        var machine = new NumberMachine(bounds);
        return _pool.And(numbers, _pool.Machine(machine, machine.Start));
    }

    private ObjectShape Object(SchemaNode node)
    {
        ImmutableArray<(string, SchemaTerm)> properties = [.. Members(node, "properties").Select(entry => (entry.Name, Term(node, $"properties/{entry.Name}", entry.Value)))];
        ImmutableArray<(string, SchemaTerm)> patterns = [.. Members(node, "patternProperties").Select(entry => (entry.Name, Term(node, $"patternProperties/{entry.Name}", entry.Value)))];
        SchemaTerm? others = Schema(node, "additionalProperties");
        SchemaTerm? names = Schema(node, "propertyNames");
        return new ObjectShape
        {
            Rules = properties.IsEmpty && patterns.IsEmpty && others is null ? [] : [new MemberRules(properties, patterns, others)],
            Required = node.Json.TryGetProperty("required", out JsonElement required)
                ? [.. Elements(node, "required", required).Select(value => Text(node, "required", value)).Distinct()]
                : [],
            MinMembers = Count(node, "minProperties") ?? 0,
            MaxMembers = Count(node, "maxProperties") ?? RegexPool.Unbounded,
            Names = names is { } term ? [term] : [],
        };
    }

    private ArrayShape Array(SchemaNode node)
    {
        ImmutableArray<SchemaTerm> first = [.. Schemas(node, "prefixItems")];
        SchemaTerm? others = Schema(node, "items");
        int minContains = Count(node, "minContains") ?? 1;
        int maxContains = Count(node, "maxContains") ?? RegexPool.Unbounded;
        return new ArrayShape
        {
            Rules = first.IsEmpty && others is null ? [] : [new ElementRules(first, others)],
            MinElements = Count(node, "minItems") ?? 0,
            MaxElements = Count(node, "maxItems") ?? RegexPool.Unbounded,
            Contains = (minContains > 0 || maxContains < RegexPool.Unbounded) && Schema(node, "contains") is { } contained ? [(contained, minContains, maxContains)] : [],
        };
    }

    private SchemaTerm? Schema(SchemaNode node, string keyword) =>
        node.Json.TryGetProperty(keyword, out JsonElement schema) ? Term(node, keyword, schema) : null;

    private SchemaTerm[] Schemas(SchemaNode node, string keyword)
    {
        if (!node.Json.TryGetProperty(keyword, out JsonElement list))
        {
            return [];
        }

        SchemaTerm[] terms = [.. Elements(node, keyword, list).Select((schema, index) => Term(node, $"{keyword}/{index}", schema))];
        return terms.Length > 0 ? terms : throw Wrong(node, keyword, "it must hold at least one schema");
    }

    private SchemaTerm Term(SchemaNode node, string place, JsonElement schema)
    {
        int slash = place.IndexOf('/', StringComparison.Ordinal);
        return new SchemaTerm(slash < 0
            ? _document.Child(node, place, schema)
            : _document.Child(node with { Path = $"{node.Path}/{place[..slash]}" }, place[(slash + 1)..], schema));
    }

    private static IEnumerable<(string Name, JsonElement Value)> Members(SchemaNode node, string keyword)
    {
        if (!node.Json.TryGetProperty(keyword, out JsonElement value))
        {
            return [];
        }

        return value.ValueKind == JsonValueKind.Object
            ? value.EnumerateObject().Select(member => (member.Name, member.Value))
            : throw Wrong(node, keyword, "it must be an object");
    }

    private static JsonElement.ArrayEnumerator Elements(SchemaNode node, string keyword, JsonElement value) =>
        value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : throw Wrong(node, keyword, "it must be an array");

    private static string Text(SchemaNode node, string keyword, JsonElement value) =>
        value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Wrong(node, keyword, "it must be a string");

    private static int? Count(SchemaNode node, string keyword)
    {
        if (!node.Json.TryGetProperty(keyword, out JsonElement value))
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= 0 && number <= 1_000_000_000 && number == Math.Floor(number)
            ? (int)number
            : throw Wrong(node, keyword, "it must be a whole number, 0 or more");
    }

    private static ExactDecimal? Number(SchemaNode node, string keyword)
    {
        if (!node.Json.TryGetProperty(keyword, out JsonElement value))
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.Number && ExactDecimal.Parse(value.GetRawText()) is { } number ? number : throw Wrong(node, keyword, "it must be a number of at most 400 digits");
    }
}

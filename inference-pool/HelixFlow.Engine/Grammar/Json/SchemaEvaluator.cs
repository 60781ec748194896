using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Engine.Grammar.Lexical;

namespace HelixFlow.Engine.Grammar.Json;

/// <summary>Works out which values schemas allow: in-place keywords are combined, members and elements stay references to their schemas.</summary>
/// <remarks>
/// JSON Schema draft 2020-12 (https://json-schema.org/draft/2020-12/json-schema-core). A keyword that cannot be guaranteed is refused by name; annotations are
/// passed over. Used by one thread.
/// </remarks>
internal sealed partial class SchemaEvaluator
{
    private readonly SchemaDocument _document;
    private readonly JsonLexemes _lexemes;
    private readonly RegexPool _pool;
    private readonly Dictionary<SchemaTerm, ValueSet?> _known = []; // null while it is being worked out
    private readonly ValueSet _any;

    public SchemaEvaluator(SchemaDocument document, JsonLexemes lexemes)
    {
        _document = document;
        _lexemes = lexemes;
        _pool = lexemes.Pool;
        _any = new ValueSet(lexemes.AnyBody, lexemes.Number, lexemes.Constants, [ObjectShape.Any], [ArrayShape.Any]);
        True = document.Made("true", static () => "true");
        False = document.Made("false", static () => "false");
    }

    public SchemaNode True { get; }

    public SchemaNode False { get; }

    /// <summary>The values that satisfy all of the terms.</summary>
    public ValueSet Evaluate(ReadOnlySpan<SchemaTerm> terms)
    {
        ValueSet set = _any;
        foreach (SchemaTerm term in terms)
        {
            set = set.Intersect(Evaluate(term), _pool);
        }

        return set;
    }

    private ValueSet Evaluate(SchemaTerm term)
    {
        if (_known.TryGetValue(term, out ValueSet? known))
        {
            return known ?? throw new GrammarException($"{SchemaDocument.Where(term.Node)} refers to itself with nothing in between");
        }

        _known.Add(term, null);
        ValueSet set = term.Negated ? Complement(Evaluate(new SchemaTerm(term.Node)), term.Node) : Evaluate(term.Node);
        _known[term] = set;
        return set;
    }

    private ValueSet Evaluate(SchemaNode node)
    {
        if (node.Json.ValueKind != JsonValueKind.Object)
        {
            return node.Json.ValueKind == JsonValueKind.True ? _any : ValueSet.None;
        }

        CheckKeywords(node);
        ValueSet set = new(Strings(node), Numbers(node), _lexemes.Constants, [Object(node)], [Array(node)]);
        set = OfTypes(set, node);
        if (node.Json.TryGetProperty("const", out JsonElement constant))
        {
            set = set.Intersect(Constant(node, "const", constant), _pool);
        }

        if (node.Json.TryGetProperty("enum", out JsonElement values))
        {
            ValueSet any = ValueSet.None;
            int index = 0;
            foreach (JsonElement value in Elements(node, "enum", values))
            {
                any = any.Union(Constant(node, $"enum/{index++}", value), _pool);
            }

            set = set.Intersect(any, _pool);
        }

        set = InPlace(set, node);
        return Unevaluated(set, node);
    }

    private ValueSet InPlace(ValueSet set, SchemaNode node)
    {
        if (node.Json.TryGetProperty("$ref", out JsonElement reference))
        {
            set = set.Intersect(Evaluate(new SchemaTerm(_document.Resolve(node, Text(node, "$ref", reference)))), _pool);
        }

        if (node.Json.TryGetProperty("$dynamicRef", out reference))
        {
            set = set.Intersect(Evaluate(new SchemaTerm(_document.ResolveDynamic(node, Text(node, "$dynamicRef", reference)))), _pool);
        }

        foreach (SchemaTerm part in Schemas(node, "allOf"))
        {
            set = set.Intersect(Evaluate(part), _pool);
        }

        if (node.Json.TryGetProperty("anyOf", out _))
        {
            set = set.Intersect(Schemas(node, "anyOf").Aggregate(ValueSet.None, (all, part) => all.Union(Evaluate(part), _pool)), _pool);
        }

        if (node.Json.TryGetProperty("oneOf", out _))
        {
            set = set.Intersect(ExactlyOne([.. Schemas(node, "oneOf")], node), _pool);
        }

        if (Schema(node, "not") is { } not)
        {
            set = set.Intersect(Evaluate(not with { Negated = true }), _pool);
        }

        if (Schema(node, "if") is { } condition)
        {
            ValueSet then = Schema(node, "then") is { } first ? Evaluate(first) : _any;
            ValueSet otherwise = Schema(node, "else") is { } second ? Evaluate(second) : _any;
            ValueSet whenTrue = Evaluate(condition).Intersect(then, _pool);
            set = set.Intersect(whenTrue.Union(Evaluate(condition with { Negated = true }).Intersect(otherwise, _pool), _pool), _pool);
        }

        foreach ((string name, JsonElement needed) in Members(node, "dependentRequired"))
        {
            string[] names = [.. Elements(node, "dependentRequired", needed).Select(value => Text(node, "dependentRequired", value))];
            set = set.Intersect(WhenPresent(name, AnyWith([ObjectShape.Any with { Required = [.. names.Distinct()] }])), _pool);
        }

        foreach ((string name, JsonElement schema) in Members(node, "dependentSchemas"))
        {
            set = set.Intersect(WhenPresent(name, Evaluate(Term(node, $"dependentSchemas/{name}", schema))), _pool);
        }

        return set;
    }

    /// <summary>Values in which a member is missing, or that are in a set.</summary>
    private ValueSet WhenPresent(string name, ValueSet set)
    {
        ObjectShape without = ObjectShape.Any with { Rules = [new MemberRules([(name, new SchemaTerm(False))], [], null) { Evaluates = false }] };
        ValueSet present = set.Intersect(AnyWith([ObjectShape.Any with { Required = [name] }]), _pool);
        return AnyWith([without]) with { Objects = [without, .. present.Objects] };
    }

    private ValueSet AnyWith(ImmutableArray<ObjectShape> objects) => _any with { Objects = objects };

    private ValueSet OfTypes(ValueSet set, SchemaNode node)
    {
        if (!node.Json.TryGetProperty("type", out JsonElement types))
        {
            return set;
        }

        IEnumerable<JsonElement> names = types.ValueKind == JsonValueKind.Array ? types.EnumerateArray() : [types];
        var allowed = new ValueSet(RegexPool.Nothing, RegexPool.Nothing, RegexPool.Nothing, [], []);
        foreach (JsonElement name in names)
        {
            allowed = Text(node, "type", name) switch
            {
                "string" => allowed with { Strings = set.Strings },
                "number" => allowed with { Numbers = set.Numbers },
                "integer" => allowed with { Numbers = _pool.Or(allowed.Numbers, _pool.And(set.Numbers, _lexemes.Integer)) },
                "boolean" => allowed with { Constants = _pool.Or(allowed.Constants, _lexemes.True, _lexemes.False) },
                "null" => allowed with { Constants = _pool.Or(allowed.Constants, _lexemes.Null) },
                "object" => allowed with { Objects = set.Objects },
                "array" => allowed with { Arrays = set.Arrays },
                string other => throw Wrong(node, "type", $"'{other}' is no type of JSON"),
            };
        }

        return allowed;
    }

    private ValueSet Constant(SchemaNode node, string place, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                return ValueSet.None with { Strings = _lexemes.Text(value.GetString()!) };
            case JsonValueKind.Number:
                ExactDecimal number = ExactDecimal.Parse(value.GetRawText()) ?? throw Wrong(node, place, $"the number {value.GetRawText()} is too long");
                return ValueSet.None with { Numbers = _lexemes.Literal(number.ToString()) };
            case JsonValueKind.True or JsonValueKind.False or JsonValueKind.Null:
                return ValueSet.None with
                {
                    Constants = value.ValueKind switch { JsonValueKind.True => _lexemes.True, JsonValueKind.False => _lexemes.False, _ => _lexemes.Null },
                };
            case JsonValueKind.Array:
                ImmutableArray<SchemaTerm> elements = [.. value.EnumerateArray().Select((element, index) => ConstantTerm(node, $"{place}/{index}", element))];
                return ValueSet.None with
                {
                    Arrays = [ArrayShape.Any with { Rules = [new ElementRules(elements, null)], MinElements = elements.Length, MaxElements = elements.Length }],
                };
            default:
                ImmutableArray<(string Name, SchemaTerm Value)> members = [.. value.EnumerateObject().Select(member => (member.Name, ConstantTerm(node, $"{place}/{member.Name}", member.Value)))];
                var rules = new MemberRules(members, [], new SchemaTerm(False));
                return ValueSet.None with { Objects = [ObjectShape.Any with { Rules = [rules], Required = [.. members.Select(member => member.Name).Distinct()] }] };
        }
    }

    private SchemaTerm ConstantTerm(SchemaNode node, string place, JsonElement value) =>
        new(_document.Made($"{node.Path}/{place}", () => new JsonObject { ["const"] = JsonNode.Parse(value.GetRawText()) }.ToJsonString()));

    /// <summary>Applies <c>unevaluatedProperties</c> and <c>unevaluatedItems</c>: what no schema in place has spoken of.</summary>
    private ValueSet Unevaluated(ValueSet set, SchemaNode node)
    {
        if (Schema(node, "unevaluatedProperties") is { } members)
        {
            set = set with { Objects = [.. set.Objects.Select(shape => WithOthers(shape, members))] };
        }

        if (Schema(node, "unevaluatedItems") is { } elements)
        {
            set = set with { Arrays = [.. set.Arrays.Select(shape => WithOthers(shape, elements, node))] };
        }

        return set;
    }

    private ObjectShape WithOthers(ObjectShape shape, SchemaTerm others)
    {
        if (shape.Rules.Any(rules => rules.Others is not null))
        {
            return shape;
        }

        MemberRules[] evaluated = [.. shape.Rules.Where(rules => rules.Evaluates)];
        var any = new SchemaTerm(True);
        var rest = new MemberRules(
            [.. evaluated.SelectMany(rules => rules.Properties).Select(property => (property.Name, any)).Distinct()],
            [.. evaluated.SelectMany(rules => rules.Patterns).Select(pattern => (pattern.Pattern, any)).Distinct()],
            others);
        return shape with { Rules = shape.Rules.Add(rest) };
    }

    private ArrayShape WithOthers(ArrayShape shape, SchemaTerm others, SchemaNode node)
    {
        if (!shape.Contains.IsEmpty)
        {
            throw Wrong(node, "unevaluatedItems", "together with 'contains' it is not supported");
        }

        if (shape.Rules.Any(rules => rules.Others is not null))
        {
            return shape;
        }

        int first = shape.Rules.Select(rules => rules.First.Length).DefaultIfEmpty().Max();
        return shape with { Rules = shape.Rules.Add(new ElementRules([.. Enumerable.Repeat(new SchemaTerm(True), first)], others)) };
    }

    internal static GrammarException Wrong(SchemaNode node, string keyword, string problem) => new($"{SchemaDocument.Where(node)}: '{keyword}': {problem}");
}

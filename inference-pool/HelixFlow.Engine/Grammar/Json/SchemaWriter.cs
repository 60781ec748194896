using System.Collections.Immutable;
using HelixFlow.Engine.Grammar.Lexical;
using HelixFlow.Engine.Grammar.Parsing;

namespace HelixFlow.Engine.Grammar.Json;

/// <summary>Writes the grammar of the JSON texts whose values satisfy a schema.</summary>
/// <remarks>
/// Declared members come in the order of the schema, as with OpenAI's strict mode, then required ones that are not declared, then others. A rule stands for a set of
/// schemas to satisfy at once, so recursion through references ends where a set comes back. Used by one thread.
/// </remarks>
internal sealed partial class SchemaWriter
{
    private const int MaxPatterns = 5;
    private const int MaxPlaces = 20_000;

    private readonly GrammarBuilder _builder;
    private readonly RegexPool _pool;
    private readonly JsonLexemes _lexemes;
    private readonly SchemaDocument _document;
    private readonly SchemaEvaluator _evaluator;
    private readonly ObjectForm _form; // of objects inside of values
    private readonly Dictionary<string, Symbol> _rules = new(StringComparer.Ordinal);
    private readonly Queue<(Symbol Rule, SchemaTerm[] Terms)> _pending = [];

    public SchemaWriter(GrammarBuilder builder, JsonLexemes lexemes, SchemaDocument document)
    {
        _builder = builder;
        _pool = builder.Pool;
        _lexemes = lexemes;
        _document = document;
        _evaluator = new SchemaEvaluator(document, lexemes);
        _form = NewForm();
    }

    /// <summary>The symbol of the values that satisfy a schema.</summary>
    /// <exception cref="GrammarException">The schema is wrong, or asks for what cannot be guaranteed.</exception>
    public Symbol Write(SchemaNode schema)
    {
        _lexemes.Enter();
        Symbol start = Value([new SchemaTerm(schema)]);
        WritePending();
        return start;
    }

    private void WritePending()
    {
        while (_pending.TryDequeue(out (Symbol Rule, SchemaTerm[] Terms) next))
        {
            WriteValue(next.Rule, _evaluator.Evaluate(next.Terms));
        }
    }

    private Symbol Value(IEnumerable<SchemaTerm> terms)
    {
        SchemaTerm[] distinct = [.. terms.Where(term => term != new SchemaTerm(_evaluator.True)).Distinct().OrderBy(term => term.Node.Id).ThenBy(term => term.Negated)];
        string key = string.Join(' ', distinct.Select(term => term.Negated ? $"!{term.Node.Id}" : $"{term.Node.Id}"));
        if (!_rules.TryGetValue(key, out Symbol rule))
        {
            rule = _builder.NewRule(distinct.Length == 1 ? $"value {distinct[0].Node.Path}" : "value");
            _rules.Add(key, rule);
            _pending.Enqueue((rule, distinct));
        }

        return rule;
    }

    private void WriteValue(Symbol rule, ValueSet set)
    {
        int scalar = _pool.Or(_lexemes.String(set.Strings), set.Numbers, set.Constants);
        if (_pool.IsAlive(scalar))
        {
            _builder.Add(rule, _builder.Terminal(scalar));
        }

        foreach (ObjectShape shape in set.Objects)
        {
            WriteObject(rule, shape, _form);
        }

        foreach (ArrayShape shape in set.Arrays)
        {
            WriteArray(rule, shape);
        }
    }

    private void WriteObject(Symbol rule, ObjectShape shape, ObjectForm form)
    {
        int names = shape.Names.IsEmpty ? RegexPool.Nothing : _evaluator.Evaluate(shape.Names.AsSpan()).Strings;
        string[] declared = [.. shape.Rules.SelectMany(rules => rules.Properties).Select(property => property.Name).Concat(shape.Required).Distinct()];
        Member[] members = [.. declared.Where(name => shape.Names.IsEmpty || Matches(names, name)).Select(name => Declared(shape, name, form)).Where(member => !member.IsForbidden)];
        if (shape.Required.Any(name => !members.Any(member => member.Name == name)))
        {
            return; // a required member can have no value
        }

        Member[] others = [.. Others(shape, declared, names, form)];
        int max = shape.MaxMembers == RegexPool.Unbounded && others.Length == 0 ? members.Length : shape.MaxMembers;
        if (shape.MinMembers > members.Length + (others.Length > 0 ? 1 : 0))
        {
            if (others.Length == 0)
            {
                return;
            }

            throw new GrammarException($"'minProperties' asks for {shape.MinMembers} members, more than are declared; that is not supported");
        }

        if ((long)(members.Length + 1) * (Math.Min(max, members.Length) + 1) > MaxPlaces && (shape.MinMembers > 0 || max < RegexPool.Unbounded))
        {
            throw new GrammarTooComplexException("an object with bounds on its members declares too many of them");
        }

        var places = new Dictionary<(int Next, int Written), Symbol>();
        bool counts = shape.MinMembers > 1 || max < members.Length || (max < RegexPool.Unbounded && others.Length > 0);
        _builder.Add(rule, form.Open, From(0, 0), form.Close);

        // What may stand from a declared member on, after some were written.
        Symbol From(int next, int written)
        {
            written = counts ? written : Math.Min(written, 1);
            if (places.TryGetValue((next, written), out Symbol place))
            {
                return place;
            }

            place = _builder.NewRule("members");
            places.Add((next, written), place);
            if (next == members.Length)
            {
                WriteOthers(place, others, written, shape.MinMembers, max, form);
                return place;
            }

            Member member = members[next];
            if (written < max)
            {
                _builder.Add(place, form.Key(member.Key, written == 0), member.Value, From(next + 1, written + 1));
            }

            if (!shape.Required.Contains(member.Name))
            {
                _builder.Add(place, From(next + 1, written));
            }

            return place;
        }
    }

    private void WriteOthers(Symbol place, Member[] others, int written, int min, int max, ObjectForm form)
    {
        if (written >= min)
        {
            _builder.Add(place);
        }

        int room = max == RegexPool.Unbounded ? RegexPool.Unbounded : max - written;
        if (others.Length == 0 || room <= 0)
        {
            return;
        }

        Symbol first = _builder.NewRule("other");
        Symbol further = _builder.NewRule("other");
        foreach (Member other in others)
        {
            _builder.Add(first, form.Key(other.Key, written == 0), other.Value);
            _builder.Add(further, form.Key(other.Key, false), other.Value);
        }

        Symbol rest = _builder.Repeat("others", further, 0, room == RegexPool.Unbounded ? room : room - 1);
        _builder.Add(place, first, rest);
    }

    private Member Declared(ObjectShape shape, string name, ObjectForm form)
    {
        int key = _lexemes.Text(name);
        return form.Names != _pool.Anything && !_pool.IsAlive(_pool.And(key, form.Names))
            ? throw new GrammarException($"the name '{name}' cannot be written in the notation of the model's calls")
            : NewMember(name, key, MemberSchemas.Of(shape, name, _evaluator.MatchesPattern), form);
    }

    /// <summary>Names that are not declared, by which of the patterns they match.</summary>
    private IEnumerable<Member> Others(ObjectShape shape, string[] declared, int names, ObjectForm form)
    {
        string[] patterns = [.. shape.Rules.SelectMany(rules => rules.Patterns).Select(pattern => pattern.Pattern).Distinct()];
        if (patterns.Length > MaxPatterns)
        {
            throw new GrammarTooComplexException($"an object has more than {MaxPatterns} patterns for its members");
        }

        bool isPlain = declared.Length == 0 && patterns.Length == 0 && shape.Names.IsEmpty;
        int free = isPlain ? _lexemes.AnyBody : _lexemes.Body;
        if (declared.Length > 0)
        {
            free = _pool.And(free, _pool.Not(_pool.Or([.. declared.Select(name => _lexemes.Text(name))])));
        }

        free = shape.Names.IsEmpty ? free : _pool.And(free, names);
        free = form.Names == _pool.Anything ? free : _pool.And(free, form.Names);
        int[] matches = [.. patterns.Select(pattern => RegexParser.ParseSearch(pattern, _pool, _lexemes.Coding))];
        for (int subset = 0; subset < 1 << patterns.Length; subset++)
        {
            int key = free;
            var matched = new HashSet<string>();
            for (int i = 0; i < patterns.Length; i++)
            {
                bool included = (subset >> i & 1) != 0;
                key = _pool.And(key, included ? matches[i] : _pool.Not(matches[i]));
                if (included)
                {
                    matched.Add(patterns[i]);
                }
            }

            Member member = NewMember("", key, MemberSchemas.OfOther(shape, matched), form);
            if (!member.IsForbidden && _pool.IsAlive(key))
            {
                yield return member;
            }
        }
    }

    private Member NewMember(string name, int key, IEnumerable<SchemaTerm> schemas, ObjectForm form)
    {
        SchemaTerm[] terms = [.. schemas];
        bool isForbidden = terms.Contains(new SchemaTerm(_evaluator.False)) || terms.Any(term => !term.Negated && term.Node.Json.ValueKind == System.Text.Json.JsonValueKind.False);
        Symbol? value = isForbidden ? null : form.Value(name, terms);
        return new Member(name, key, value ?? default, value is null);
    }

    private bool Matches(int expression, string name)
    {
        int body = _lexemes.Text(name);
        return _pool.IsAlive(_pool.And(expression, body));
    }

    private void WriteArray(Symbol rule, ArrayShape shape)
    {
        int first = shape.Rules.Select(rules => rules.First.Length).DefaultIfEmpty().Max();
        Symbol open = Bracket("[");
        Symbol close = _builder.Terminal(_pool.Concat(_lexemes.Space, _lexemes.Literal("]")));
        if (shape.Contains.Length > 0)
        {
            WriteContaining(rule, shape, first, open, close);
            return;
        }

        if (shape.MinElements > shape.MaxElements)
        {
            return;
        }

        Symbol separator = _builder.Terminal(_lexemes.Separator());
        Symbol rest = Value(MemberSchemas.Of(shape, first));
        Symbol[] places = new Symbol[Math.Min(first, shape.MaxElements) + 1];
        for (int i = places.Length - 1; i >= 0; i--)
        {
            // What may stand from element i on, with its separator.
            Symbol place = _builder.NewRule("elements");
            places[i] = place;
            if (i >= shape.MinElements)
            {
                _builder.Add(place);
            }

            if (i == places.Length - 1)
            {
                int max = shape.MaxElements == RegexPool.Unbounded ? RegexPool.Unbounded : shape.MaxElements - i;
                int min = Math.Max(0, shape.MinElements - i);
                if (i == first && max > 0)
                {
                    Symbol repeated = _builder.Repeat("elements", rest, Math.Max(min, 1), max, separator);
                    _builder.Add(place, i == 0 ? [repeated] : [separator, repeated]);
                }
            }
            else
            {
                Symbol element = Value(MemberSchemas.Of(shape, i));
                _builder.Add(place, i == 0 ? [element, places[i + 1]] : [separator, element, places[i + 1]]);
            }
        }

        _builder.Add(rule, open, places[0], close);
    }

    /// <summary>Arrays in which some elements must satisfy a schema: which ones is left open, so every element is read both ways.</summary>
    private void WriteContaining(Symbol rule, ArrayShape shape, int first, Symbol open, Symbol close)
    {
        if (shape.Contains.Length > 1)
        {
            throw new GrammarException("more than one 'contains' for the same array is not supported");
        }

        (SchemaTerm wanted, int needed, int allowed) = shape.Contains[0];
        int counted = Math.Max(first, shape.MaxElements == RegexPool.Unbounded ? shape.MinElements : shape.MaxElements);
        int found = allowed == RegexPool.Unbounded ? needed : allowed; // further ones make no difference
        if ((long)counted * (found + 1) > MaxPlaces || needed > allowed)
        {
            throw needed > allowed
                ? new GrammarException("'minContains' is more than 'maxContains'")
                : new GrammarTooComplexException("an array with 'contains' has too large bounds");
        }

        Symbol separator = _builder.Terminal(_lexemes.Separator());
        var places = new Dictionary<(int Index, int Found), Symbol>();
        var pending = new Stack<(int Index, int Found)>();
        _builder.Add(rule, open, Place(0, 0), close);
        while (pending.TryPop(out (int Index, int Found) at))
        {
            Symbol place = places[at];
            if (at.Index >= shape.MinElements && at.Found >= needed)
            {
                _builder.Add(place);
            }

            if (at.Index < shape.MaxElements)
            {
                SchemaTerm[] terms = [.. MemberSchemas.Of(shape, at.Index)];
                AddElement(place, at, allowed == RegexPool.Unbounded ? Value(terms) : Value([.. terms, wanted with { Negated = !wanted.Negated }]), at.Found);
                if (at.Found < found)
                {
                    AddElement(place, at, Value([.. terms, wanted]), at.Found + 1);
                }
            }
        }

        void AddElement(Symbol place, (int Index, int Found) at, Symbol element, int foundThen)
        {
            Symbol next = Place(at.Index + 1, foundThen);
            _builder.Add(place, at.Index == 0 ? [element, next] : [separator, element, next]);
        }

        Symbol Place(int index, int foundSoFar)
        {
            // Behind the counted elements all places are alike; the first element has no separator, so it is a place of its own.
            (int, int) key = (Math.Min(index, Math.Max(counted, 1)), foundSoFar);
            if (!places.TryGetValue(key, out Symbol place))
            {
                place = _builder.NewRule("elements");
                places.Add(key, place);
                pending.Push(key);
            }

            return place;
        }
    }

    /// <summary>A member that may be written: its name's expression and its value's symbol.</summary>
    private readonly record struct Member(string Name, int Key, Symbol Value, bool IsForbidden);
}

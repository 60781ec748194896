using HelixFlow.Engine.Grammar.Lexical;

namespace HelixFlow.Engine.Grammar.Json;

internal sealed partial class SchemaEvaluator
{
    /// <summary>The values that are not in a set.</summary>
    /// <exception cref="GrammarException">That cannot be guaranteed for what the schema says of objects or arrays.</exception>
    private ValueSet Complement(ValueSet set, SchemaNode node) => new(
        set.Strings == RegexPool.Nothing ? _lexemes.AnyBody : set.Strings == _lexemes.AnyBody ? RegexPool.Nothing : _pool.And(_lexemes.Body, _pool.Not(set.Strings)),
        set.Numbers == RegexPool.Nothing ? _lexemes.Number : set.Numbers == _lexemes.Number ? RegexPool.Nothing : _pool.And(_lexemes.CanonicalNumber, _pool.Not(set.Numbers)),
        _pool.And(_lexemes.Constants, _pool.Not(set.Constants)),
        set.Objects.Aggregate(_any, (rest, shape) => rest.Intersect(AnyWith(Complement(shape, node)), _pool)).Objects,
        set.Arrays.Length == 0 ? _any.Arrays : set.Arrays.Any(shape => shape.IsAny) ? [] : throw Unsupported(node, "arrays"));

    /// <summary>Objects that lack a required member, or in which a member does not satisfy its schema.</summary>
    private System.Collections.Immutable.ImmutableArray<ObjectShape> Complement(ObjectShape shape, SchemaNode node)
    {
        if (shape.MinMembers > 0 || shape.MaxMembers < RegexPool.Unbounded || !shape.Names.IsEmpty || shape.Rules.Any(rules => rules.Others is not null || !rules.Patterns.IsEmpty))
        {
            throw Unsupported(node, "objects");
        }

        return
        [
            .. shape.Required.Select(name => ObjectShape.Any with { Rules = [new MemberRules([(name, new SchemaTerm(False))], [], null) { Evaluates = false }] }),
            .. from rules in shape.Rules
               from property in rules.Properties
               select ObjectShape.Any with
               {
                   Required = [property.Name],
                   Rules = [new MemberRules([(property.Name, property.Value with { Negated = !property.Value.Negated })], [], null) { Evaluates = false }],
               },
        ];
    }

    private static GrammarException Unsupported(SchemaNode node, string values) =>
        new($"{SchemaDocument.Where(node)}: 'not', 'if' or an overlapping 'oneOf' needs the opposite of what it says about {values}, and that is not supported");

    /// <summary>The values that are in one of the sets and in no other.</summary>
    private ValueSet ExactlyOne(SchemaTerm[] terms, SchemaNode node)
    {
        ValueSet[] sets = [.. terms.Select(Evaluate)];
        ValueSet all = ValueSet.None;
        for (int i = 0; i < sets.Length; i++)
        {
            ValueSet set = sets[i];
            for (int j = 0; j < sets.Length; j++)
            {
                if (i != j)
                {
                    set = Without(set, sets[j], node);
                }
            }

            all = all.Union(set, _pool);
        }

        return all;
    }

    private ValueSet Without(ValueSet set, ValueSet other, SchemaNode node)
    {
        ObjectShape[] overlapping = [.. other.Objects.Where(right => set.Objects.Any(left => MayOverlap(left, right)))];
        ArrayShape[] arrays = [.. other.Arrays.Where(right => set.Arrays.Any(left => MayOverlap(left, right)))];
        return set.Intersect(Complement(other with { Objects = [.. overlapping], Arrays = [.. arrays] }, node), _pool);
    }

    /// <summary>False when a member that one of them requires can have no value that suits both.</summary>
    private bool MayOverlap(ObjectShape left, ObjectShape right)
    {
        ObjectShape both = left.And(right);
        return both.MinMembers <= both.MaxMembers && !both.Required.Any(name => Evaluate([.. MemberSchemas.Of(both, name, MatchesPattern)]).IsEmpty(_pool));
    }

    private bool MayOverlap(ArrayShape left, ArrayShape right)
    {
        ArrayShape both = left.And(right);
        if (both.MinElements > both.MaxElements)
        {
            return false;
        }

        for (int i = 0; i < both.MinElements; i++)
        {
            if (Evaluate([.. MemberSchemas.Of(both, i)]).IsEmpty(_pool))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Whether a name holds a match of a pattern.</summary>
    internal bool MatchesPattern(string pattern, string name)
    {
        int state = RegexParser.ParseSearch(pattern, _pool, Utf8Coding.Instance);
        foreach (byte value in System.Text.Encoding.UTF8.GetBytes(name))
        {
            state = _pool.Next(state, value);
        }

        return _pool.IsNullable(state);
    }
}

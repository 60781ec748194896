using System.Collections.Immutable;
using HelixFlow.Engine.Grammar.Lexical;

namespace HelixFlow.Engine.Grammar.Json;

/// <summary>A schema, or what it does not allow.</summary>
internal readonly record struct SchemaTerm(SchemaNode Node, bool Negated = false);

/// <summary>The JSON values that some schemas allow, by type. Schemas of members and elements are kept as they are and looked at later.</summary>
/// <param name="Strings">Expression for the bodies of strings.</param>
/// <param name="Numbers">Expression for numbers.</param>
/// <param name="Constants">Expression for some of true, false and null.</param>
/// <param name="Objects">Alternatives.</param>
/// <param name="Arrays">Alternatives.</param>
internal sealed record ValueSet(int Strings, int Numbers, int Constants, ImmutableArray<ObjectShape> Objects, ImmutableArray<ArrayShape> Arrays)
{
    private const int MaxAlternatives = 2000;

    public static ValueSet None { get; } = new(RegexPool.Nothing, RegexPool.Nothing, RegexPool.Nothing, [], []);

    /// <summary>Whether no value is allowed, as far as can be seen without looking at members and elements.</summary>
    public bool IsEmpty(RegexPool pool) =>
        Objects.IsEmpty && Arrays.IsEmpty && !pool.IsAlive(Strings) && !pool.IsAlive(Numbers) && !pool.IsAlive(Constants);

    public ValueSet Union(ValueSet other, RegexPool pool) => Checked(new ValueSet(
        pool.Or(Strings, other.Strings),
        pool.Or(Numbers, other.Numbers),
        pool.Or(Constants, other.Constants),
        Objects.AddRange(other.Objects),
        Arrays.AddRange(other.Arrays)));

    public ValueSet Intersect(ValueSet other, RegexPool pool) => Checked(new ValueSet(
        pool.AndWithin(Strings, other.Strings),
        pool.And(Numbers, other.Numbers),
        pool.And(Constants, other.Constants),
        [.. from left in Objects from right in other.Objects select left.And(right)],
        [.. from left in Arrays from right in other.Arrays select left.And(right)]));

    private static ValueSet Checked(ValueSet set) => set.Objects.Length + set.Arrays.Length > MaxAlternatives
        ? throw new GrammarTooComplexException($"the schema has more than {MaxAlternatives} combinations of alternatives")
        : set;
}

/// <summary>What one schema says of an object's members.</summary>
/// <param name="Properties">By name, in the order of the schema.</param>
/// <param name="Patterns">For all names that hold a match of a pattern.</param>
/// <param name="Others">For names that neither of these concerns; null for no restriction.</param>
internal sealed record MemberRules(
    ImmutableArray<(string Name, SchemaTerm Value)> Properties, ImmutableArray<(string Pattern, SchemaTerm Value)> Patterns, SchemaTerm? Others)
{
    /// <summary>Whether the members it speaks of count as evaluated; what a <c>not</c> says does not.</summary>
    public bool Evaluates { get; init; } = true;
}

/// <summary>Objects that satisfy several schemas at once.</summary>
internal sealed record ObjectShape
{
    public static ObjectShape Any { get; } = new();

    public ImmutableArray<MemberRules> Rules { get; init; } = [];

    /// <summary>Without repetitions.</summary>
    public ImmutableArray<string> Required { get; init; } = [];

    public int MinMembers { get; init; }

    public int MaxMembers { get; init; } = RegexPool.Unbounded;

    /// <summary>Schemas of the names themselves.</summary>
    public ImmutableArray<SchemaTerm> Names { get; init; } = [];

    public bool IsAny => Rules.IsEmpty && Required.IsEmpty && MinMembers == 0 && MaxMembers == RegexPool.Unbounded && Names.IsEmpty;

    public ObjectShape And(ObjectShape other) => new()
    {
        Rules = Rules.AddRange(other.Rules),
        Required = [.. Required.Union(other.Required)],
        MinMembers = Math.Max(MinMembers, other.MinMembers),
        MaxMembers = Math.Min(MaxMembers, other.MaxMembers),
        Names = Names.AddRange(other.Names),
    };
}

/// <summary>What one schema says of an array's elements.</summary>
/// <param name="First">For the first elements, each its own.</param>
/// <param name="Others">For those behind; null for no restriction.</param>
internal sealed record ElementRules(ImmutableArray<SchemaTerm> First, SchemaTerm? Others);

/// <summary>Arrays that satisfy several schemas at once.</summary>
internal sealed record ArrayShape
{
    public static ArrayShape Any { get; } = new();

    public ImmutableArray<ElementRules> Rules { get; init; } = [];

    public int MinElements { get; init; }

    public int MaxElements { get; init; } = RegexPool.Unbounded;

    /// <summary>How many elements must satisfy a schema.</summary>
    public ImmutableArray<(SchemaTerm Element, int Min, int Max)> Contains { get; init; } = [];

    public bool IsAny => Rules.IsEmpty && MinElements == 0 && MaxElements == RegexPool.Unbounded && Contains.IsEmpty;

    public ArrayShape And(ArrayShape other) => new()
    {
        Rules = Rules.AddRange(other.Rules),
        MinElements = Math.Max(MinElements, other.MinElements),
        MaxElements = Math.Min(MaxElements, other.MaxElements),
        Contains = Contains.AddRange(other.Contains),
    };
}

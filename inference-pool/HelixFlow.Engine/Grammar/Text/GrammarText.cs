using HelixFlow.Engine.Grammar.Lexical;
using HelixFlow.Engine.Grammar.Parsing;

namespace HelixFlow.Engine.Grammar.Text;

/// <summary>What stands on the right of a rule, whatever the notation it was written in.</summary>
internal abstract record RuleBody
{
    /// <summary>Characters, as an expression.</summary>
    public sealed record Characters(int Expression) : RuleBody;

    /// <summary>Another rule, by its name.</summary>
    public sealed record Reference(string Name, string Place) : RuleBody;

    public sealed record Sequence(IReadOnlyList<RuleBody> Parts) : RuleBody;

    public sealed record Alternatives(IReadOnlyList<RuleBody> Choices) : RuleBody;

    public sealed record Repetition(RuleBody Part, int Min, int Max) : RuleBody;
}

/// <summary>Named rules, as a grammar's text gives them.</summary>
/// <remarks>
/// What does not lead back to itself is a regular expression, however many rules it is spread over, and becomes one terminal: that is faster to match than a rule for
/// every character.
/// </remarks>
internal sealed class GrammarText
{
    private const int MaxDepth = 500;

    private readonly GrammarBuilder _builder;
    private readonly Dictionary<string, RuleBody> _rules = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int?> _expressions = new(StringComparer.Ordinal); // null: it leads back to itself
    private readonly Dictionary<string, Symbol> _symbols = new(StringComparer.Ordinal);
    private readonly HashSet<string> _open = new(StringComparer.Ordinal);

    public GrammarText(GrammarBuilder builder)
    {
        _builder = builder;
    }

    private RegexPool Pool => _builder.Pool;

    /// <summary>Adds a rule.</summary>
    /// <exception cref="GrammarException">There is one of that name already.</exception>
    public void Add(string name, RuleBody body, string place)
    {
        if (!_rules.TryAdd(name, body))
        {
            throw new GrammarException($"{place}: the rule '{name}' is defined a second time");
        }
    }

    public bool Has(string name) => _rules.ContainsKey(name);

    /// <summary>The symbol of a rule, with all that it needs.</summary>
    /// <exception cref="GrammarException">A rule is missing, or rules are nested too deep.</exception>
    public Symbol Write(string start) => _rules.ContainsKey(start)
        ? SymbolOf(new RuleBody.Reference(start, "the grammar"), 0)
        : throw new GrammarException($"the grammar has no rule '{start}' to start from");

    private Symbol SymbolOf(RuleBody body, int depth)
    {
        if (depth > MaxDepth)
        {
            throw new GrammarTooComplexException($"the grammar is nested more than {MaxDepth} deep");
        }

        if (ExpressionOf(body, 0) is { } expression)
        {
            return _builder.Terminal(expression);
        }

        switch (body)
        {
            case RuleBody.Reference reference:
                if (!_symbols.TryGetValue(reference.Name, out Symbol rule))
                {
                    rule = _builder.NewRule(reference.Name);
                    _symbols.Add(reference.Name, rule);
                    _builder.Add(rule, SymbolOf(Find(reference), depth + 1));
                }

                return rule;
            case RuleBody.Sequence sequence:
                return _builder.Sequence("sequence", [.. Merged(sequence.Parts).Select(part => SymbolOf(part, depth + 1))]);
            case RuleBody.Alternatives alternatives:
                return _builder.Choice("choice", [.. alternatives.Choices.Select(choice => SymbolOf(choice, depth + 1))]);
            case RuleBody.Repetition repetition:
                return _builder.Repeat("repetition", SymbolOf(repetition.Part, depth + 1), repetition.Min, repetition.Max);
            default:
                throw new InvalidOperationException($"{body.GetType().Name} is an expression");
        }
    }

    /// <summary>Neighbours that are expressions, joined.</summary>
    private IEnumerable<RuleBody> Merged(IReadOnlyList<RuleBody> parts)
    {
        int? joined = null;
        foreach (RuleBody part in parts)
        {
            if (ExpressionOf(part, 0) is { } expression)
            {
                joined = Pool.Concat(joined ?? RegexPool.Empty, expression);
                continue;
            }

            if (joined is { } before)
            {
                yield return new RuleBody.Characters(before);
                joined = null;
            }

            yield return part;
        }

        if (joined is { } last)
        {
            yield return new RuleBody.Characters(last);
        }
    }

    /// <summary>The expression of a part; null when a rule in it leads back to itself.</summary>
    private int? ExpressionOf(RuleBody body, int depth)
    {
        if (depth > MaxDepth)
        {
            throw new GrammarTooComplexException($"the grammar is nested more than {MaxDepth} deep");
        }

        switch (body)
        {
            case RuleBody.Characters characters:
                return characters.Expression;
            case RuleBody.Reference reference:
                return ExpressionOf(reference, depth);
            case RuleBody.Sequence sequence:
                return All(sequence.Parts, depth) is { } parts ? Pool.Concat(parts) : null;
            case RuleBody.Alternatives alternatives:
                return All(alternatives.Choices, depth) is { } choices ? Pool.Or(choices) : null;
            case RuleBody.Repetition repetition:
                return ExpressionOf(repetition.Part, depth + 1) is { } part ? Pool.Repeat(part, repetition.Min, repetition.Max) : null;
            default:
                throw new InvalidOperationException($"{body.GetType().Name} is not known");
        }
    }

    private int? ExpressionOf(RuleBody.Reference reference, int depth)
    {
        if (_expressions.TryGetValue(reference.Name, out int? known))
        {
            return known;
        }

        if (!_open.Add(reference.Name))
        {
            return null;
        }

        int? expression = LeadsBack(reference.Name) ? null : ExpressionOf(Find(reference), depth + 1);
        _open.Remove(reference.Name);
        _expressions[reference.Name] = expression;
        return expression;
    }

    /// <summary>Whether a rule can be reached from itself.</summary>
    private bool LeadsBack(string name)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var stack = new Stack<RuleBody>();
        stack.Push(Find(new RuleBody.Reference(name, $"the rule '{name}'")));
        while (stack.TryPop(out RuleBody? body))
        {
            switch (body)
            {
                case RuleBody.Reference reference when reference.Name == name:
                    return true;
                case RuleBody.Reference reference:
                    if (seen.Add(reference.Name))
                    {
                        stack.Push(Find(reference));
                    }

                    break;
                case RuleBody.Sequence sequence:
                    foreach (RuleBody part in sequence.Parts)
                    {
                        stack.Push(part);
                    }

                    break;
                case RuleBody.Alternatives alternatives:
                    foreach (RuleBody choice in alternatives.Choices)
                    {
                        stack.Push(choice);
                    }

                    break;
                case RuleBody.Repetition repetition:
                    stack.Push(repetition.Part);
                    break;
                default:
                    break;
            }
        }

        return false;
    }

    private int[]? All(IReadOnlyList<RuleBody> bodies, int depth)
    {
        int[] expressions = new int[bodies.Count];
        for (int i = 0; i < expressions.Length; i++)
        {
            if (ExpressionOf(bodies[i], depth + 1) is not { } expression)
            {
                return null;
            }

            expressions[i] = expression;
        }

        return expressions;
    }

    private RuleBody Find(RuleBody.Reference reference) => _rules.TryGetValue(reference.Name, out RuleBody? body)
        ? body
        : throw new GrammarException($"{reference.Place}: there is no rule '{reference.Name}'");
}

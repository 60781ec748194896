using HelixFlow.Engine.Grammar.Lexical;

namespace HelixFlow.Engine.Grammar.Parsing;

/// <summary>A rule or a terminal of a grammar.</summary>
/// <param name="Value">The rule's number, or the complement of the terminal's.</param>
internal readonly record struct Symbol(int Value)
{
    public bool IsTerminal => Value < 0;

    /// <summary>The terminal's number.</summary>
    public int Terminal => ~Value;
}

/// <summary>Collects the productions of a context-free grammar whose terminals are regular expressions over bytes.</summary>
/// <remarks>No lexer runs before it: a text is in the language when some cut into terminals is, whichever. Any grammar will do, left recursion too.</remarks>
/// <param name="pool">Where its expressions are.</param>
/// <param name="vocabulary">Whose special tokens may be markers; null for none.</param>
internal sealed class GrammarBuilder(RegexPool pool, GrammarVocabulary? vocabulary = null)
{
    private const int MaxSymbols = 1_000_000;

    private readonly List<(string Name, List<Symbol[]> Productions)> _rules = [];
    private readonly List<int> _terminals = []; // [terminal] -> expression
    private readonly Dictionary<int, Symbol> _terminalOf = [];
    private readonly Dictionary<int, Symbol> _optionalOf = [];
    private int _symbols;

    public RegexPool Pool { get; } = pool;

    /// <summary>A rule without productions yet.</summary>
    public Symbol NewRule(string name)
    {
        _rules.Add((name, []));
        return new Symbol(_rules.Count - 1);
    }

    /// <summary>Adds an alternative to a rule; no symbols at all match the empty string.</summary>
    public void Add(Symbol rule, params ReadOnlySpan<Symbol> production)
    {
        _symbols += production.Length + 1;
        if (_symbols > MaxSymbols)
        {
            throw new GrammarTooComplexException($"the grammar has more than {MaxSymbols} symbols");
        }

        _rules[rule.Value].Productions.Add(production.ToArray());
    }

    /// <summary>The symbol of an expression.</summary>
    public Symbol Terminal(int expression)
    {
        if (!_terminalOf.TryGetValue(expression, out Symbol terminal))
        {
            terminal = new Symbol(~_terminals.Count);
            _terminals.Add(expression);
            _terminalOf.Add(expression, terminal);
        }

        // The parser looks whether a terminal has ended only after a byte, so its empty match becomes an alternative of its own.
        return Pool.IsNullable(expression) ? Nullable(expression, terminal) : terminal;
    }

    public Symbol Literal(string text) => Terminal(Pool.Literal(System.Text.Encoding.UTF8.GetBytes(text)));

    /// <summary>The bytes that stand for a marker: those of the special token that is written so, or of the text.</summary>
    public byte[] MarkerBytes(string text) => vocabulary?.SpecialBytes(text) ?? System.Text.Encoding.UTF8.GetBytes(text);

    /// <summary>The symbols one after the other, as one symbol.</summary>
    public Symbol Sequence(string name, params ReadOnlySpan<Symbol> parts)
    {
        if (parts.Length == 1)
        {
            return parts[0];
        }

        Symbol rule = NewRule(name);
        Add(rule, parts);
        return rule;
    }

    /// <summary>One of the symbols.</summary>
    public Symbol Choice(string name, params ReadOnlySpan<Symbol> alternatives)
    {
        if (alternatives.Length == 1)
        {
            return alternatives[0];
        }

        Symbol rule = NewRule(name);
        foreach (Symbol alternative in alternatives)
        {
            Add(rule, alternative);
        }

        return rule;
    }

    /// <summary>A symbol between <paramref name="min"/> and <paramref name="max"/> times, or <see cref="RegexPool.Unbounded"/>, with a separator between.</summary>
    public Symbol Repeat(string name, Symbol part, int min, int max, Symbol? separator = null)
    {
        if (max == 0)
        {
            return Sequence(name);
        }

        // Left recursion, so that the parser is in the same state after each repetition.
        Symbol[] further = separator is { } between ? [between, part] : [part];
        Symbol count = NewRule(name);
        Symbol required = count;
        if (min == 0)
        {
            Add(count);
            required = NewRule(name);
            Add(count, required);
            min = 1;
        }

        Symbol chain = part;
        for (int i = 1; i < min; i++)
        {
            chain = Sequence(name, [chain, .. further]);
        }

        Add(required, chain);
        if (max == RegexPool.Unbounded)
        {
            Add(required, [required, .. further]);
            return count;
        }

        for (int i = min; i < max; i++)
        {
            chain = Sequence(name, [chain, .. further]);
            Add(required, chain);
        }

        return count;
    }

    /// <summary>The finished grammar.</summary>
    /// <exception cref="GrammarException">Nothing at all is in its language.</exception>
    public GrammarRules Build(Symbol start)
    {
        Symbol whole = NewRule("start");
        Add(whole, start);
        bool[] productive = FindProductive();
        return productive[whole.Value]
            ? new GrammarRules([.. _rules.Select(rule => rule.Productions.Where(production => production.All(IsProductive)).ToArray())], [.. _terminals], whole.Value)
            : throw new GrammarException("no text at all can satisfy the constraint");

        bool IsProductive(Symbol symbol) => symbol.IsTerminal ? Pool.IsAlive(_terminals[symbol.Terminal]) : productive[symbol.Value];
    }

    private Symbol Nullable(int expression, Symbol terminal)
    {
        if (!_optionalOf.TryGetValue(expression, out Symbol rule))
        {
            rule = NewRule("optional");
            Add(rule);
            if (expression != RegexPool.Empty)
            {
                Add(rule, terminal);
            }

            _optionalOf.Add(expression, rule);
        }

        return rule;
    }

    private bool[] FindProductive()
    {
        bool[] alive = [.. _terminals.Select(Pool.IsAlive)];
        bool[] productive = new bool[_rules.Count];
        bool changed = true;
        while (changed)
        {
            changed = false;
            for (int rule = _rules.Count - 1; rule >= 0; rule--)
            {
                if (!productive[rule] && _rules[rule].Productions.Any(production => production.All(symbol => symbol.IsTerminal ? alive[symbol.Terminal] : productive[symbol.Value])))
                {
                    productive[rule] = changed = true;
                }
            }
        }

        return productive;
    }
}

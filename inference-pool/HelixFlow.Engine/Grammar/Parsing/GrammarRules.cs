namespace HelixFlow.Engine.Grammar.Parsing;

/// <summary>A grammar's productions laid out for the parser. Immutable.</summary>
/// <remarks>
/// A dotted rule is a place in a production: the symbols before it have been matched. The dotted rules of a production are consecutive numbers, so that
/// moving on is adding one.
/// </remarks>
internal sealed class GrammarRules
{
    private readonly Symbol?[] _next; // [dotted] -> the symbol behind the dot; null at the end of the production
    private readonly int[] _rule; // [dotted] -> the rule that the production is of
    private readonly int[][] _starts; // [rule] -> dotted rules at the start of its productions
    private readonly bool[] _isNullable; // [rule]

    public GrammarRules(Symbol[][][] productions, int[] terminals, int start)
    {
        Terminals = terminals;
        var next = new List<Symbol?>();
        var rules = new List<int>();
        _starts = new int[productions.Length][];
        for (int rule = 0; rule < productions.Length; rule++)
        {
            _starts[rule] = new int[productions[rule].Length];
            for (int i = 0; i < productions[rule].Length; i++)
            {
                _starts[rule][i] = next.Count;
                foreach (Symbol symbol in productions[rule][i])
                {
                    next.Add(symbol);
                    rules.Add(rule);
                }

                next.Add(null);
                rules.Add(rule);
            }
        }

        _next = [.. next];
        _rule = [.. rules];
        _isNullable = FindNullable(productions);
        Start = _starts[start][0];
        StartRule = start;
    }

    /// <summary>Expressions of the terminals.</summary>
    public int[] Terminals { get; }

    /// <summary>The dotted rule that parsing starts from.</summary>
    public int Start { get; }

    /// <summary>The rule that a whole text matches.</summary>
    public int StartRule { get; }

    public Symbol? Next(int dotted) => _next[dotted];

    public int RuleOf(int dotted) => _rule[dotted];

    public ReadOnlySpan<int> StartsOf(int rule) => _starts[rule];

    public bool IsNullable(int rule) => _isNullable[rule];

    private static bool[] FindNullable(Symbol[][][] productions)
    {
        bool[] nullable = new bool[productions.Length];
        bool changed = true;
        while (changed)
        {
            changed = false;
            for (int rule = productions.Length - 1; rule >= 0; rule--)
            {
                if (!nullable[rule] && productions[rule].Any(production => production.All(symbol => !symbol.IsTerminal && nullable[symbol.Value])))
                {
                    nullable[rule] = changed = true;
                }
            }
        }

        return nullable;
    }
}

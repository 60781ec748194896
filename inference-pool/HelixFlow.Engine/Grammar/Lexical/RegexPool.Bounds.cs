namespace HelixFlow.Engine.Grammar.Lexical;

internal sealed partial class RegexPool
{
    private const int MaxPlain = 16; // parts of an expression that are looked into

    private readonly Dictionary<int, int> _relaxed = [];

    /// <summary>
    /// An expression with the same transitions and matches for texts of at most so many bytes: bounds of repetitions that such a text cannot reach are left
    /// out, so that a string's states with 500 and with 499 characters to go become one.
    /// </summary>
    /// <param name="expression">The expression.</param>
    /// <param name="bytes">The longest text; always the same.</param>
    public int WithinReach(int expression, int bytes)
    {
        Node node = _nodes[expression];
        if (node.Kind is not (Kind.Concat or Kind.Or or Kind.Repeat) || node.Parts.Length > MaxPlain)
        {
            return expression; // below intersections and complements, what may come much later decides whether anything matches
        }

        if (!_relaxed.TryGetValue(expression, out int relaxed))
        {
            relaxed = node.Kind switch
            {
                Kind.Repeat => Repeat(
                    WithinReach(node.Parts[0], bytes),
                    Math.Min(node.Min, bytes + 1),
                    node.Max > bytes ? Unbounded : node.Max),
                Kind.Or => Or(Array.ConvertAll(node.Parts, part => WithinReach(part, bytes))),
                _ => WithinReachOfConcat(expression, bytes),
            };
            _relaxed.Add(expression, relaxed);
        }

        return relaxed;
    }

    private int WithinReachOfConcat(int expression, int bytes)
    {
        var parts = new List<int>();
        while (parts.Count < MaxPlain && _nodes[expression] is { Kind: Kind.Concat } node)
        {
            parts.Add(WithinReach(node.Parts[0], bytes));
            expression = node.Parts[1];
        }

        int relaxed = _nodes[expression].Kind == Kind.Concat ? expression : WithinReach(expression, bytes);
        for (int i = parts.Count - 1; i >= 0; i--)
        {
            relaxed = Concat(parts[i], relaxed);
        }

        return relaxed;
    }
}

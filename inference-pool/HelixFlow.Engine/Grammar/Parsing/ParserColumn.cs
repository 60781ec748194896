using System.Collections.Frozen;

namespace HelixFlow.Engine.Grammar.Parsing;

/// <summary>A dotted rule together with the column in which its rule began.</summary>
internal readonly record struct ParserItem(int Dotted, ParserColumn Origin);

/// <summary>What a parser knows at a place where a terminal has ended: an Earley set, closed under prediction and completion. Immutable.</summary>
/// <remarks>
/// Earley, An Efficient Context-Free Parsing Algorithm (1970), with nullable rules predicted as Aycock and Horspool, Practical Earley Parsing (2002), do. Columns with the
/// same kernel are the same object, so that a list's elements all lead back to one state.
/// </remarks>
internal sealed class ParserColumn
{
    private readonly Dictionary<int, List<ParserItem>> _waiting = []; // [rule] -> items that wait for it
    private readonly FrozenDictionary<int, ParserItem[]> _scans; // [terminal] -> items that wait for it

    /// <param name="rules">The grammar.</param>
    /// <param name="id">A number that no other column of this parser has.</param>
    /// <param name="kernel">The items that made this column; none for the first one.</param>
    public ParserColumn(GrammarRules rules, int id, ReadOnlySpan<ParserItem> kernel)
    {
        Id = id;
        var items = new HashSet<ParserItem>();
        var queue = new Queue<ParserItem>();
        var scans = new Dictionary<int, List<ParserItem>>();
        foreach (ParserItem item in kernel)
        {
            Add(item);
        }

        if (kernel.IsEmpty)
        {
            Add(new ParserItem(rules.Start, this));
        }

        while (queue.TryDequeue(out ParserItem item))
        {
            if (rules.Next(item.Dotted) is not { } next)
            {
                Complete(item);
            }
            else if (next.IsTerminal)
            {
                ListOf(scans, next.Terminal).Add(item);
            }
            else
            {
                Predict(item, next.Value);
            }
        }

        _scans = scans.ToFrozenDictionary(pair => pair.Key, pair => pair.Value.ToArray());
        Terminals = [.. scans.Keys.Order()];

        void Add(ParserItem item)
        {
            if (items.Add(item))
            {
                queue.Enqueue(item);
            }
        }

        void Predict(ParserItem item, int rule)
        {
            List<ParserItem> waiting = ListOf(_waiting, rule);
            waiting.Add(item);
            if (waiting.Count == 1)
            {
                foreach (int start in rules.StartsOf(rule))
                {
                    Add(new ParserItem(start, this));
                }
            }

            if (rules.IsNullable(rule))
            {
                Add(item with { Dotted = item.Dotted + 1 });
            }
        }

        void Complete(ParserItem item)
        {
            int rule = rules.RuleOf(item.Dotted);
            IsAccepting |= rule == rules.StartRule;

            // A rule that began here has matched nothing, and who waits for it has been moved on when it was predicted.
            if (item.Origin != this && item.Origin._waiting.TryGetValue(rule, out List<ParserItem>? waiting))
            {
                foreach (ParserItem waiter in waiting)
                {
                    Add(waiter with { Dotted = waiter.Dotted + 1 });
                }
            }
        }
    }

    public int Id { get; }

    /// <summary>Whether a whole text may end here.</summary>
    public bool IsAccepting { get; private set; }

    /// <summary>The terminals that may follow.</summary>
    public int[] Terminals { get; }

    /// <summary>The items that a terminal moves on, when it begins here.</summary>
    public ReadOnlySpan<ParserItem> ScansOf(int terminal) => _scans[terminal];

    private static List<ParserItem> ListOf(Dictionary<int, List<ParserItem>> lists, int key)
    {
        if (!lists.TryGetValue(key, out List<ParserItem>? list))
        {
            lists.Add(key, list = []);
        }

        return list;
    }
}

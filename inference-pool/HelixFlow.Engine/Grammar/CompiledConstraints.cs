namespace HelixFlow.Engine.Grammar;

/// <summary>Constraints compiled for one vocabulary: each once, the latest used ones kept. Thread-safe.</summary>
/// <remarks>Who asks for a constraint that is being compiled waits for that; who asks for another one does not.</remarks>
/// <param name="vocabulary">The model's tokens; made when the first constraint is asked for, since it takes time and memory.</param>
/// <param name="capacity">Most constraints that are kept.</param>
public sealed class CompiledConstraints(Func<GrammarVocabulary> vocabulary, int capacity = 256)
{
    private readonly Lazy<GrammarVocabulary> _vocabulary = new(vocabulary);
    private readonly Lock _gate = new();
    private readonly Dictionary<Constraint, LinkedListNode<(Constraint Constraint, Lazy<TokenGrammar> Grammar)>> _known = [];
    private readonly LinkedList<(Constraint Constraint, Lazy<TokenGrammar> Grammar)> _byUse = new(); // the latest first

    /// <summary>Constraints kept at this moment, wrong ones included.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _known.Count;
            }
        }
    }

    /// <summary>The grammar of a constraint; compiles it on this thread when nobody has.</summary>
    /// <exception cref="GrammarException">It is wrong or cannot be guaranteed; the message says what and where.</exception>
    public TokenGrammar Get(Constraint constraint)
    {
        ArgumentNullException.ThrowIfNull(constraint);
        TokenGrammar grammar = Find(constraint, replace: null).Value;
        return grammar.IsLarge ? Find(constraint, replace: grammar).Value : grammar;
    }

    private Lazy<TokenGrammar> Find(Constraint constraint, TokenGrammar? replace)
    {
        lock (_gate)
        {
            if (_known.TryGetValue(constraint, out LinkedListNode<(Constraint Constraint, Lazy<TokenGrammar> Grammar)>? node))
            {
                _byUse.Remove(node);
                if (replace is null || !node.Value.Grammar.IsValueCreated || node.Value.Grammar.Value != replace)
                {
                    _byUse.AddFirst(node);
                    return node.Value.Grammar;
                }
            }

            if (node is null && _known.Count >= capacity)
            {
                _known.Remove(_byUse.Last!.Value.Constraint);
                _byUse.RemoveLast();
            }

            // Outside of the lock; that it is wrong is kept, too: the answer to the same question stays the same.
            var grammar = new Lazy<TokenGrammar>(() => constraint.Compile(_vocabulary.Value));
            _known[constraint] = _byUse.AddFirst((constraint, grammar));
            return grammar;
        }
    }
}

using System.Threading.Channels;

namespace HelixFlow.Engine.Grammar;

/// <summary>Constraints compiled for one vocabulary: each once, the latest used ones kept. Thread-safe.</summary>
/// <remarks>
/// Who asks for a constraint that is being compiled waits for that; who asks for another one does not. While a request with a new one computes its prompt, a
/// task of its own works masks out ahead, so that the engine's thread finds most of them.
/// </remarks>
/// <param name="vocabulary">The model's tokens; made when the first constraint is asked for, since it takes time and memory.</param>
/// <param name="capacity">Most constraints that are kept.</param>
public sealed class CompiledConstraints(Func<GrammarVocabulary> vocabulary, int capacity = 256) : IAsyncDisposable
{
    private const int MostWaiting = 64; // grammars to be prepared; others get faster with use alone

    private readonly Lazy<GrammarVocabulary> _vocabulary = new(vocabulary);
    private readonly Lock _gate = new();
    private readonly Channel<TokenGrammar> _fresh = Channel.CreateBounded<TokenGrammar>(new BoundedChannelOptions(MostWaiting) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _stopping = new();
    private Task? _preparing;
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
            var grammar = new Lazy<TokenGrammar>(() => Compile(constraint));
            _known[constraint] = _byUse.AddFirst((constraint, grammar));
            return grammar;
        }
    }

    /// <summary>Ends the preparations; no constraint may be asked for any more.</summary>
    public async ValueTask DisposeAsync()
    {
        Task? preparing;
        lock (_gate)
        {
            _fresh.Writer.TryComplete();
            preparing = _preparing;
        }

        await _stopping.CancelAsync().ConfigureAwait(false);
        if (preparing is not null)
        {
            await preparing.ConfigureAwait(false);
        }

        _stopping.Dispose();
    }

    private TokenGrammar Compile(Constraint constraint)
    {
        TokenGrammar grammar = constraint.Compile(_vocabulary.Value);
        if (_fresh.Writer.TryWrite(grammar))
        {
            lock (_gate)
            {
                _preparing ??= Task.Run(() => PrepareAsync(_stopping.Token), CancellationToken.None);
            }
        }

        return grammar;
    }

    private async Task PrepareAsync(CancellationToken stopping)
    {
        try
        {
            await foreach (TokenGrammar grammar in _fresh.Reader.ReadAllAsync(stopping).ConfigureAwait(false))
            {
                while (!stopping.IsCancellationRequested && grammar.Prepare())
                {
                    await Task.Yield(); // the lock is free in between
                }
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Whoever needs a mask works it out himself.
        }
    }
}

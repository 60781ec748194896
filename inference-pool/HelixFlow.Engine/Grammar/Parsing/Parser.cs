using System.Runtime.InteropServices;
using HelixFlow.Engine.Grammar.Lexical;
using HelixFlow.Engine.Grammar.Tokens;

namespace HelixFlow.Engine.Grammar.Parsing;

/// <summary>
/// The automaton of a grammar, made as texts are matched: states are interned and their transitions remembered, so that what was seen before
/// costs a table look-up a byte.
/// </summary>
/// <remarks>Not thread-safe: the vocabulary's lock guards it, since the expressions belong to that.</remarks>
internal sealed class Parser
{
    private const int MaxStates = 100_000;
    private const int MaxThreads = 20_000;

    private readonly GrammarRules _rules;
    private readonly RegexPool _pool;
    private readonly Dictionary<KernelKey, ParserColumn> _columns = [];
    private readonly Dictionary<ThreadsKey, ParserState> _states = [];
    private readonly Dictionary<(ParserColumn Column, int Terminal), ParserState> _afterTerminal = [];
    private readonly Dictionary<(ParserColumn Column, int Terminal, LexemeEnds Ends), int[]> _crossing = [];
    private readonly List<ParserItem> _kernel = [];
    private readonly List<ParserThread> _threads = [];
    private int _columnCount;

    public Parser(GrammarRules rules, RegexPool pool)
    {
        _rules = rules;
        _pool = pool;
        _threads.Clear();
        Start = StateOf(new ParserColumn(rules, _columnCount++, []));
    }

    /// <summary>The state of the empty text.</summary>
    public ParserState Start { get; }

    /// <summary>The state after another byte, or null when no text of the language goes on like this.</summary>
    /// <exception cref="GrammarTooComplexException">The grammar is too ambiguous here.</exception>
    public ParserState? Next(ParserState state, byte value)
    {
        if (state.TryGetNext(value, out ParserState? next))
        {
            return next;
        }

        next = Step(state, value);
        state.SetNext(value, next);
        return next;
    }

    /// <summary>The state when this thread's terminal ends, and all other threads are left out.</summary>
    public ParserState After(ParserThread thread)
    {
        (ParserColumn, int) key = (thread.Column, thread.Terminal);
        if (!_afterTerminal.TryGetValue(key, out ParserState? state))
        {
            _kernel.Clear();
            Scan(thread);
            state = StateOf(ColumnOf(_kernel));
            _afterTerminal[key] = state;
        }

        return state;
    }

    /// <summary>The tokens that reach beyond the end of this thread's terminal.</summary>
    /// <param name="thread">The thread.</param>
    /// <param name="ends">Where it may have ended.</param>
    public int[] CrossingOf(ParserThread thread, LexemeEnds ends)
    {
        (ParserColumn, int, LexemeEnds) key = (thread.Column, thread.Terminal, ends);
        if (!_crossing.TryGetValue(key, out int[]? crossing))
        {
            crossing = ends.FindCrossing(this, After(thread));
            _crossing.Add(key, crossing);
        }

        return crossing;
    }

    private ParserState? Step(ParserState state, byte value)
    {
        _threads.Clear();
        _kernel.Clear();
        _pool.Charge(1 + state.Threads.Length);
        foreach (ParserThread thread in state.Threads)
        {
            int lexeme = _pool.Next(thread.Lexeme, value);
            if (lexeme == RegexPool.Nothing)
            {
                continue;
            }

            ParserThread moved = thread with { Lexeme = lexeme };
            if (_pool.IsNullable(lexeme))
            {
                Scan(moved);
            }

            if (lexeme != RegexPool.Empty)
            {
                _threads.Add(moved);
            }
        }

        if (_kernel.Count == 0)
        {
            return _threads.Count == 0 ? null : Intern(isAccepting: false);
        }

        ParserColumn column = ColumnOf(_kernel);
        AddThreads(column);
        return Intern(column.IsAccepting);
    }

    private void Scan(ParserThread thread)
    {
        foreach (ParserItem item in thread.Column.ScansOf(thread.Terminal))
        {
            _kernel.Add(item with { Dotted = item.Dotted + 1 });
        }
    }

    private ParserState StateOf(ParserColumn column)
    {
        _threads.Clear();
        AddThreads(column);
        return Intern(column.IsAccepting);
    }

    private void AddThreads(ParserColumn column)
    {
        foreach (int terminal in column.Terminals)
        {
            _threads.Add(new ParserThread(column, terminal, _rules.Terminals[terminal]));
        }

        if (_threads.Count > MaxThreads)
        {
            throw new GrammarTooComplexException($"the grammar allows more than {MaxThreads} readings of a text");
        }
    }

    private ParserColumn ColumnOf(List<ParserItem> kernel)
    {
        kernel.Sort(static (left, right) => left.Dotted != right.Dotted ? left.Dotted.CompareTo(right.Dotted) : left.Origin.Id.CompareTo(right.Origin.Id));
        ParserItem[] items = [.. kernel.Distinct()];
        ref ParserColumn? column = ref CollectionsMarshal.GetValueRefOrAddDefault(_columns, new KernelKey(items), out _);
        return column ??= new ParserColumn(_rules, _columnCount++, items);
    }

    private ParserState Intern(bool isAccepting)
    {
        if (_states.Count >= MaxStates)
        {
            // What is in use stays valid; only the sharing with states to come is lost.
            _states.Clear();
            _columns.Clear();
            _afterTerminal.Clear();
            _crossing.Clear();
        }

        _threads.Sort(static (left, right) =>
            left.Column.Id != right.Column.Id ? left.Column.Id.CompareTo(right.Column.Id) :
            left.Terminal != right.Terminal ? left.Terminal.CompareTo(right.Terminal) : left.Lexeme.CompareTo(right.Lexeme));
        ParserThread[] threads = [.. _threads];
        ref ParserState? state = ref CollectionsMarshal.GetValueRefOrAddDefault(_states, new ThreadsKey(threads, isAccepting), out _);
        return state ??= new ParserState(threads, isAccepting);
    }

    private readonly struct KernelKey(ParserItem[] items) : IEquatable<KernelKey>
    {
        private readonly ParserItem[] _items = items;

        public bool Equals(KernelKey other) => _items.AsSpan().SequenceEqual(other._items);

        public override bool Equals(object? obj) => obj is KernelKey other && Equals(other);

        public override int GetHashCode()
        {
            var hash = default(HashCode);
            foreach (ParserItem item in _items)
            {
                hash.Add(item.Dotted);
                hash.Add(item.Origin.Id);
            }

            return hash.ToHashCode();
        }
    }

    private readonly struct ThreadsKey(ParserThread[] threads, bool isAccepting) : IEquatable<ThreadsKey>
    {
        private readonly ParserThread[] _threads = threads;
        private readonly bool _isAccepting = isAccepting;

        public bool Equals(ThreadsKey other) => _isAccepting == other._isAccepting && _threads.AsSpan().SequenceEqual(other._threads);

        public override bool Equals(object? obj) => obj is ThreadsKey other && Equals(other);

        public override int GetHashCode()
        {
            var hash = default(HashCode);
            hash.Add(_isAccepting);
            foreach (ParserThread thread in _threads)
            {
                hash.Add(thread.Column.Id);
                hash.Add(thread.Terminal);
                hash.Add(thread.Lexeme);
            }

            return hash.ToHashCode();
        }
    }
}

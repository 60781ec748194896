using HelixFlow.Engine.Grammar.Lexical;

namespace HelixFlow.Engine.Grammar.Tokens;

/// <summary>
/// What the vocabulary means to all states that are the same run of characters but for its bounds: how many characters each token takes of it. So a string of at
/// most a thousand characters takes one walk of the vocabulary, not one a length.
/// </summary>
/// <remarks>Used under the vocabulary's lock.</remarks>
internal sealed class CountedTokens
{
    private const int MaxBounds = 1024;

    private readonly RegexPool _pool;
    private readonly VocabularyTree _vocabulary;
    private readonly RunShape _shape;
    private readonly bool _takesPlain;
    private readonly List<List<int>> _within = []; // [characters of the run that it needs] -> tokens that end inside of it, but for plain ones if it takes those
    private readonly List<(int Token, int Needs)> _beyond = []; // tokens that end behind the run, in the same terminal
    private readonly List<(TreeNode Node, int Needs)> _ends = [];
    private readonly List<(int Most, TokenSet Set)> _full = []; // by Most, ascending
    private readonly Dictionary<(int Least, int Most), LexemeTokens> _byBounds = [];
    private readonly int _mostNeeded;

    public CountedTokens(RunShape shape, RegexPool pool, VocabularyTree vocabulary)
    {
        _shape = shape;
        _pool = pool;
        _vocabulary = vocabulary;
        _takesPlain = shape.Last < 0 && pool.TakesPlain(shape.Characters);
        if (!_takesPlain)
        {
            Walk(vocabulary.Plain);
        }

        Walk(vocabulary.Rest);
        Walk(vocabulary.Long);
        _mostNeeded = Math.Max(_takesPlain ? VocabularyTree.LongestShort : 0, _within.Count - 1);
        foreach ((int _, int needs) in _beyond)
        {
            _mostNeeded = Math.Max(_mostNeeded, needs);
        }

        foreach ((TreeNode _, int needs) in _ends)
        {
            _mostNeeded = Math.Max(_mostNeeded, needs);
        }
    }

    /// <summary>The tokens of a run with these bounds.</summary>
    public LexemeTokens Of(int least, int most, Dictionary<LexemeEnds, LexemeEnds> known)
    {
        (int Least, int Most) bounds = (Math.Min(least, _mostNeeded + 1), Math.Min(most, _mostNeeded));
        if (!_byBounds.TryGetValue(bounds, out LexemeTokens? tokens))
        {
            TokenSet inside = UpTo(bounds.Most);
            if (_takesPlain)
            {
                inside = _vocabulary.PlainUpTo(bounds.Most).With(inside);
            }

            inside = inside.With(
                [.. _beyond.Where(token => token.Needs >= bounds.Least && token.Needs <= bounds.Most).Select(token => token.Token)],
                _vocabulary.Size);
            List<TreeNode> ends = [.. _ends.Where(end => end.Needs >= bounds.Least && end.Needs <= bounds.Most).Select(end => end.Node)];
            tokens = LexemeTokens.OfAll(inside, LexemeEnds.Of(ends, known));
            if (_byBounds.Count >= MaxBounds)
            {
                _byBounds.Clear();
            }

            _byBounds.Add(bounds, tokens);
        }

        return tokens;
    }

    /// <summary>The tokens that end inside of a run of at most so many characters.</summary>
    private TokenSet UpTo(int most)
    {
        int at = _full.Count - 1;
        while (at >= 0 && _full[at].Most > most)
        {
            at--;
        }

        (int from, TokenSet set) = at < 0 ? (-1, TokenSet.None) : _full[at];
        List<int> more = [.. _within.Skip(from + 1).Take(most - from).SelectMany(tokens => tokens)];
        if (!TokenSet.AreMany(more.Count, _vocabulary.Size))
        {
            return set.With(more, _vocabulary.Size);
        }

        set = set.Joined(more, _vocabulary.Size);
        _full.Insert(at + 1, (most, set));
        return set;
    }

    private void Walk(TokenTrie tokens)
    {
        var places = new Place[tokens.Depth + 1];
        int[] subtreeEnds = new int[tokens.Depth + 1];
        places[0] = new Place(RegexPool.Empty, 0, IsClosed: false, IsBehind: false);
        subtreeEnds[0] = tokens.Count;
        int depth = 0;
        for (int node = 1; node < tokens.Count;)
        {
            while (node >= subtreeEnds[depth])
            {
                depth--;
            }

            int end = tokens.EndOf(node);
            if (!TryMove(places[depth], tokens.ValueOf(node), out Place next))
            {
                node = end;
                continue;
            }

            Add(tokens, node, next);
            if (next.IsBehind && next.State == RegexPool.Empty)
            {
                node = end;
                continue;
            }

            depth++;
            places[depth] = next;
            subtreeEnds[depth] = end;
            node++;
        }
    }

    private bool TryMove(Place place, byte value, out Place next)
    {
        if (place.IsBehind || place.State != RegexPool.Empty)
        {
            next = place with { State = _pool.Next(place.State, value) };
            return next.State != RegexPool.Nothing;
        }

        int state = _pool.Next(_shape.Characters, value);
        if (state != RegexPool.Nothing)
        {
            next = new Place(state, place.Count + 1, _shape.Last >= 0 && _pool.Next(_shape.Last, value) == RegexPool.Empty, IsBehind: false);
            return true;
        }

        next = place with { State = _pool.Next(_shape.Rest, value), IsBehind = true };
        return next.State != RegexPool.Nothing && (_shape.Last < 0 || (place.Count == 0 ? _shape.MayBeNone : place.IsClosed));
    }

    private void Add(TokenTrie tokens, int node, Place place)
    {
        int needs = place.IsClosed ? place.Count - 1 : place.Count;
        if (place.IsBehind)
        {
            foreach (int token in tokens.TokensOf(node))
            {
                _beyond.Add((token, needs));
            }

            if (tokens.EndOf(node) > node + 1 && _pool.IsNullable(place.State))
            {
                _ends.Add((new TreeNode(tokens, node), needs));
            }

            return;
        }

        ReadOnlySpan<int> own = tokens.TokensOf(node);
        while (!own.IsEmpty && _within.Count <= needs)
        {
            _within.Add([]);
        }

        if (!own.IsEmpty)
        {
            _within[needs].AddRange(own);
        }
    }

    /// <summary>Where a token is.</summary>
    /// <param name="State">Of the character, of which <see cref="RegexPool.Empty"/> is the end, or of what is behind the run.</param>
    /// <param name="Count">Characters of the run that have begun.</param>
    /// <param name="IsClosed">Whether the last one may close the run.</param>
    /// <param name="IsBehind">Whether the run has ended.</param>
    private readonly record struct Place(int State, int Count, bool IsClosed, bool IsBehind);
}

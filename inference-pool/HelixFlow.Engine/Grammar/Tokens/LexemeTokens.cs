using HelixFlow.Engine.Grammar.Lexical;

namespace HelixFlow.Engine.Grammar.Tokens;

/// <summary>
/// What the vocabulary means to one state of a terminal's expression, whatever stands around the terminal: the tokens that stay inside of it, and those that reach
/// beyond its end.
/// </summary>
/// <remarks>
/// The context-free part of a mask, which is nearly all of it, is worked out once a state and shared by all grammars (the idea of XGrammar's adaptive token
/// mask cache, Dong et al. 2024, https://arxiv.org/abs/2411.15100); only the rests behind the end are tried in their context. Used under the vocabulary's lock.
/// </remarks>
internal sealed class LexemeTokens
{
    private readonly int _lexeme;
    private readonly VocabularyTree? _vocabulary;

    private LexemeTokens(int lexeme, VocabularyTree? vocabulary, TokenSet inside, LexemeEnds? ends)
    {
        _lexeme = lexeme;
        _vocabulary = vocabulary;
        Inside = inside;
        Ends = ends;
    }

    /// <summary>Tokens whose bytes all belong to the terminal.</summary>
    public TokenSet Inside { get; }

    /// <summary>Where the terminal may have ended and tokens go on; null when that was not needed yet.</summary>
    public LexemeEnds? Ends { get; private set; }

    /// <summary>Whether this is about all tokens, long and short.</summary>
    public bool IsAll { get; private init; }

    /// <summary>Takes what is known of all tokens.</summary>
    public static LexemeTokens OfAll(TokenSet inside, LexemeEnds ends) => new(-1, null, inside, ends) { IsAll = true };

    /// <summary>Works out a state's short tokens by walks of the vocabulary's trees, as far as that is needed.</summary>
    /// <param name="lexeme">The state, without bounds that such a token cannot reach.</param>
    /// <param name="pool">The expressions.</param>
    /// <param name="vocabulary">The trees.</param>
    /// <param name="known">Ends of other states: equal ones are one.</param>
    public static LexemeTokens OfShort(int lexeme, RegexPool pool, VocabularyTree vocabulary, Dictionary<LexemeEnds, LexemeEnds> known)
    {
        var inside = new List<int>();
        var ends = new List<TreeNode>();
        PlainRun run = pool.PlainRunOf(lexeme);
        if (run.Most == 0)
        {
            Walk(lexeme, pool, vocabulary.Plain, isPlain: true, inside, ends);
        }

        Walk(lexeme, pool, vocabulary.Rest, isPlain: false, inside, ends);
        TokenSet tokens = run.Most == 0 ? TokenSet.Of(inside, vocabulary.Size) : vocabulary.PlainUpTo(run.Most).With(inside, vocabulary.Size);
        return new LexemeTokens(lexeme, vocabulary, tokens, run is { Most: > 0, MayEnd: true } ? null : LexemeEnds.Of(ends, known));
    }

    /// <summary>The same for the long tokens.</summary>
    public static LexemeTokens OfLong(int lexeme, RegexPool pool, VocabularyTree vocabulary, Dictionary<LexemeEnds, LexemeEnds> known)
    {
        var inside = new List<int>();
        var ends = new List<TreeNode>();
        Walk(lexeme, pool, vocabulary.Long, isPlain: false, inside, ends);
        return new LexemeTokens(lexeme, vocabulary, TokenSet.Of(inside, vocabulary.Size), LexemeEnds.Of(ends, known));
    }

    /// <summary>Works the ends out if that was left for later.</summary>
    public LexemeEnds EndsOf(RegexPool pool, Dictionary<LexemeEnds, LexemeEnds> known)
    {
        if (Ends is null)
        {
            var ends = new List<TreeNode>();
            Walk(_lexeme, pool, _vocabulary!.Plain, isPlain: true, [], ends);
            Walk(_lexeme, pool, _vocabulary.Rest, isPlain: false, [], ends);
            Ends = LexemeEnds.Of(ends, known);
        }

        return Ends;
    }

    /// <summary>Adds the tokens of a tree that stay inside, and the nodes behind which the terminal may have ended and a token goes on.</summary>
    private static void Walk(int lexeme, RegexPool pool, TokenTrie tokens, bool isPlain, List<int> inside, List<TreeNode> ends)
    {
        Span<int> states = tokens.Depth < 1024 ? stackalloc int[tokens.Depth + 1] : new int[tokens.Depth + 1];
        Span<int> subtreeEnds = tokens.Depth < 1024 ? stackalloc int[tokens.Depth + 1] : new int[tokens.Depth + 1];
        states[0] = lexeme;
        subtreeEnds[0] = tokens.Count;
        int depth = 0;
        for (int node = 1; node < tokens.Count;)
        {
            while (node >= subtreeEnds[depth])
            {
                depth--;
            }

            int end = tokens.EndOf(node);
            int next = pool.Next(states[depth], tokens.ValueOf(node));
            if (next == RegexPool.Nothing)
            {
                node = end;
                continue;
            }

            if (isPlain && end > node + 1 && tokens.IsWhole(node) && pool.PlainRunOf(next) is { Most: RegexPool.Unbounded, MayEnd: false })
            {
                inside.AddRange(tokens.TokensWithin(node));
                node = end;
                continue;
            }

            foreach (int token in tokens.TokensOf(node))
            {
                inside.Add(token);
            }

            if (end > node + 1 && pool.IsNullable(next))
            {
                ends.Add(new TreeNode(tokens, node));
            }

            if (next == RegexPool.Empty)
            {
                node = end;
                continue;
            }

            depth++;
            states[depth] = next;
            subtreeEnds[depth] = end;
            node++;
        }
    }
}

using HelixFlow.Engine.Grammar.Lexical;
using HelixFlow.Engine.Grammar.Parsing;

namespace HelixFlow.Engine.Grammar.Tokens;

/// <summary>
/// What the vocabulary means to one state of a terminal's expression, whatever stands around the terminal: the tokens that stay inside of it, and those that reach
/// beyond its end.
/// </summary>
/// <remarks>
/// The context-free part of a mask, which is nearly all of it, is worked out once a state and shared by all grammars (the idea of XGrammar's adaptive token
/// mask cache, Dong et al. 2024, https://arxiv.org/abs/2411.15100); only the rests behind the end are tried in their context. Immutable.
/// </remarks>
internal sealed class LexemeTokens
{
    // Behind ends with more nodes than this, the vocabulary's tree is walked itself: a blank has nearly all words behind it, and merging would copy them.
    private const int MaxMerged = 4000;

    private readonly TokenTrie _vocabulary;
    private readonly List<int> _ends; // nodes behind which the terminal may have ended and a token goes on
    private readonly TokenTrie? _rests; // the same, merged

    private LexemeTokens(TokenTrie vocabulary, TokenSet inside, List<int> ends)
    {
        _vocabulary = vocabulary;
        Inside = inside;
        _ends = ends;
        _rests = ends.Count > 0 && ends.Sum(end => (long)vocabulary.EndOf(end) - end) <= MaxMerged ? vocabulary.Merge(ends) : null;
    }

    /// <summary>Tokens whose bytes all belong to the terminal.</summary>
    public TokenSet Inside { get; }

    /// <summary>Works out a state's tokens by one walk of the vocabulary's tree.</summary>
    public static LexemeTokens Of(int lexeme, RegexPool pool, TokenTrie vocabulary, int vocabularySize)
    {
        var inside = new List<int>();
        var ends = new List<int>();
        Span<int> states = vocabulary.Depth < 1024 ? stackalloc int[vocabulary.Depth + 1] : new int[vocabulary.Depth + 1];
        Span<int> subtreeEnds = vocabulary.Depth < 1024 ? stackalloc int[vocabulary.Depth + 1] : new int[vocabulary.Depth + 1];
        states[0] = lexeme;
        subtreeEnds[0] = vocabulary.Count;
        int depth = 0;
        for (int node = 1; node < vocabulary.Count;)
        {
            while (node >= subtreeEnds[depth])
            {
                depth--;
            }

            int end = vocabulary.EndOf(node);
            int next = pool.Next(states[depth], vocabulary.ValueOf(node));
            if (next == RegexPool.Nothing)
            {
                node = end;
                continue;
            }

            foreach (int token in vocabulary.TokensOf(node))
            {
                inside.Add(token);
            }

            if (end > node + 1 && pool.IsNullable(next))
            {
                ends.Add(node);
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

        return new LexemeTokens(vocabulary, TokenSet.Of(inside, vocabularySize), ends);
    }

    /// <summary>The tokens that reach beyond the terminal and go on well from there.</summary>
    /// <param name="parser">The grammar's parser.</param>
    /// <param name="thread">The terminal, in this state.</param>
    public int[] FindCrossing(Parser parser, ParserThread thread)
    {
        if (_ends.Count == 0)
        {
            return [];
        }

        var tokens = new List<int>();
        ParserState after = parser.After(thread);
        if (_rests is not null)
        {
            Walk(parser, after, _rests, 0, tokens);
        }
        else
        {
            foreach (int node in _ends)
            {
                Walk(parser, after, _vocabulary, node, tokens);
            }
        }

        return [.. tokens];
    }

    /// <summary>Adds the tokens below a node whose bytes from there on the parser takes.</summary>
    private static void Walk(Parser parser, ParserState start, TokenTrie trie, int root, List<int> tokens)
    {
        var states = new Stack<(ParserState State, int End)>();
        states.Push((start, trie.EndOf(root)));
        for (int node = root + 1; node < trie.EndOf(root);)
        {
            while (node >= states.Peek().End)
            {
                states.Pop();
            }

            int end = trie.EndOf(node);
            if (parser.Next(states.Peek().State, trie.ValueOf(node)) is not { } next)
            {
                node = end;
                continue;
            }

            tokens.AddRange(trie.TokensOf(node));
            states.Push((next, end));
            node++;
        }
    }
}

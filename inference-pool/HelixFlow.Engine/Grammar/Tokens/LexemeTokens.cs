using HelixFlow.Engine.Grammar.Lexical;
using HelixFlow.Engine.Grammar.Parsing;

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
    // Behind ends with more nodes than this, the vocabulary's tree is walked itself: a blank has nearly all words behind it, and merging would copy them.
    private const int MaxMerged = 4000;

    private readonly int _lexeme;
    private readonly RegexPool _pool;
    private readonly VocabularyTree _vocabulary;
    private Ends? _ends; // null until they are needed

    private LexemeTokens(int lexeme, RegexPool pool, VocabularyTree vocabulary, TokenSet inside, Ends? ends)
    {
        _lexeme = lexeme;
        _pool = pool;
        _vocabulary = vocabulary;
        Inside = inside;
        _ends = ends;
    }

    /// <summary>Tokens whose bytes all belong to the terminal.</summary>
    public TokenSet Inside { get; }

    /// <summary>Works out a state's tokens by walks of the vocabulary's trees, as far as that is needed.</summary>
    public static LexemeTokens Of(int lexeme, RegexPool pool, VocabularyTree vocabulary, int vocabularySize)
    {
        var inside = new List<int>();
        var ends = new Ends();
        PlainRun run = pool.PlainRunOf(lexeme);
        if (run.Most == 0)
        {
            Walk(lexeme, pool, vocabulary.Plain, isPlain: true, inside, ends.Plain);
        }

        Walk(lexeme, pool, vocabulary.Rest, isPlain: false, inside, ends.Rest);
        TokenSet tokens = run.Most == 0 ? TokenSet.Of(inside, vocabularySize) : vocabulary.PlainUpTo(run.Most).With(inside, vocabularySize);
        return new LexemeTokens(lexeme, pool, vocabulary, tokens, run is { Most: > 0, MayEnd: true } ? null : ends);
    }

    /// <summary>The tokens that reach beyond the terminal and go on well from there.</summary>
    /// <param name="parser">The grammar's parser.</param>
    /// <param name="thread">The terminal, in this state.</param>
    public int[] FindCrossing(Parser parser, ParserThread thread)
    {
        if (_ends is { IsEmpty: true } || parser.After(thread) is not { Threads.Length: > 0 } after)
        {
            return [];
        }

        if (_ends is null)
        {
            _ends = new Ends();
            Walk(_lexeme, _pool, _vocabulary.Plain, isPlain: true, [], _ends.Plain);
            Walk(_lexeme, _pool, _vocabulary.Rest, isPlain: false, [], _ends.Rest);
        }

        var tokens = new List<int>();
        _ends.AddCrossing(_vocabulary, parser, after, tokens);
        return [.. tokens];
    }

    /// <summary>Adds the tokens of a tree that stay inside, and the nodes behind which the terminal may have ended and a token goes on.</summary>
    private static void Walk(int lexeme, RegexPool pool, TokenTrie tokens, bool isPlain, List<int> inside, List<int> ends)
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
    }

    /// <summary>Nodes behind which a terminal may have ended and a token goes on.</summary>
    private sealed class Ends
    {
        private TokenTrie? _merged;

        public List<int> Plain { get; } = [];

        public List<int> Rest { get; } = [];

        public bool IsEmpty => Plain.Count + Rest.Count == 0;

        public void AddCrossing(VocabularyTree vocabulary, Parser parser, ParserState after, List<int> tokens)
        {
            if (_merged is null && Size(vocabulary.Plain, Plain) + Size(vocabulary.Rest, Rest) <= MaxMerged)
            {
                _merged = TokenTrie.Merge([.. Plain.Select(node => (vocabulary.Plain, node)), .. Rest.Select(node => (vocabulary.Rest, node))]);
            }

            if (_merged is not null)
            {
                Walk(parser, after, _merged, 0, tokens);
                return;
            }

            foreach (int node in Plain)
            {
                Walk(parser, after, vocabulary.Plain, node, tokens);
            }

            foreach (int node in Rest)
            {
                Walk(parser, after, vocabulary.Rest, node, tokens);
            }
        }

        private static long Size(TokenTrie trie, List<int> nodes)
        {
            long size = 0;
            foreach (int node in nodes)
            {
                size += trie.EndOf(node) - node;
            }

            return size;
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
}

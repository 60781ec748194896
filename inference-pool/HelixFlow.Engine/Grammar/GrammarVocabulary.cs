using HelixFlow.Engine.Grammar.Lexical;
using HelixFlow.Engine.Grammar.Parsing;
using HelixFlow.Engine.Grammar.Tokens;
using HelixFlow.Engine.Tokenization;

namespace HelixFlow.Engine.Grammar;

/// <summary>A model's tokens as grammars see them, with all that grammars share: expressions, and the tokens that each state of one allows.</summary>
/// <remarks>
/// Thread-safe: a lock guards the expressions and everything that grows with use. Make one per tokenizer; it holds some megabytes. When it has grown
/// large, grammars compiled from then on start anew, and the old ones keep what they have.
/// </remarks>
public sealed partial class GrammarVocabulary
{
    // Expressions after which new grammars get a new pool.
    private const int RenewAfter = 400_000;

    // A byte that no UTF-8 has: a special token is this byte and its id in bytes that are no characters either, so that only a grammar that asks for it allows it.
    private const byte SpecialMark = 0xFF;
    private const int SpecialLength = 5;

    private readonly Tokenizer? _tokenizer;
    private readonly byte[]?[] _bytes; // [token]
    private readonly Dictionary<string, int> _special; // by how they are written
    private Shared _shared;

    /// <summary>Reads a tokenizer's vocabulary. Special tokens are no text, so only a <see cref="TextPart"/> that asks for them allows them.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="size">Length of a row of the model's logits; at least the tokenizer's vocabulary.</param>
    public GrammarVocabulary(Tokenizer tokenizer, int size)
        : this(TextTokens(tokenizer), size, SpecialTokens(tokenizer)) => _tokenizer = tokenizer;

    /// <summary>Takes tokens as they are.</summary>
    /// <param name="tokens">Ids with their bytes; those without bytes are never allowed.</param>
    /// <param name="size">One more than the largest possible id.</param>
    /// <param name="special">Special tokens with how they are written.</param>
    public GrammarVocabulary(IEnumerable<KeyValuePair<int, byte[]>> tokens, int size, IEnumerable<KeyValuePair<int, string>>? special = null)
    {
        Size = size;
        _bytes = new byte[size][];
        foreach ((int token, byte[] bytes) in tokens)
        {
            _bytes[token] = bytes.Length > 0 && !bytes.Contains(SpecialMark) ? bytes : null;
        }

        _special = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach ((int token, string text) in special ?? [])
        {
            _special[text] = token;
            _bytes[token] = BytesOfSpecial(token);
        }

        Tree = new VocabularyTree(_bytes);
        _shared = new Shared();
    }

    /// <summary>Length of a row of logits.</summary>
    public int Size { get; }

    internal VocabularyTree Tree { get; }

    /// <summary>The bytes that a token adds to a text; none for tokens that no grammar allows.</summary>
    public ReadOnlySpan<byte> BytesOf(int token) => (uint)token < (uint)_bytes.Length ? _bytes[token] : [];

    /// <summary>The bytes that stand for the special token that is written so; null when there is none.</summary>
    internal byte[]? SpecialBytes(string text) => _special.TryGetValue(text, out int token) ? BytesOfSpecial(token) : null;

    /// <summary>What a grammar compiled now shares with others.</summary>
    internal Shared ForNewGrammar()
    {
        Shared shared = Volatile.Read(ref _shared);
        if (!shared.IsLarge)
        {
            return shared;
        }

        var fresh = new Shared();
        Shared current = Interlocked.CompareExchange(ref _shared, fresh, shared);
        return current == shared ? fresh : current;
    }

    private static byte[] BytesOfSpecial(int token)
    {
        byte[] bytes = new byte[SpecialLength];
        bytes[0] = SpecialMark;
        for (int i = SpecialLength - 1; i > 0; i--, token >>= 6)
        {
            bytes[i] = (byte)(0x80 | (token & 0x3F));
        }

        return bytes;
    }

    // End tokens never stand in a text: they end it.
    private static IEnumerable<KeyValuePair<int, string>> SpecialTokens(Tokenizer tokenizer)
    {
        for (int token = 0; token < tokenizer.VocabularySize; token++)
        {
            if (tokenizer.IsSpecial(token) && !tokenizer.EndIds.Contains(token) && tokenizer.TokenText(token) is { Length: > 0 } text)
            {
                yield return new(token, text);
            }
        }
    }

    private static IEnumerable<KeyValuePair<int, byte[]>> TextTokens(Tokenizer tokenizer)
    {
        for (int token = 0; token < tokenizer.VocabularySize; token++)
        {
            if (!tokenizer.IsSpecial(token) && !tokenizer.EndIds.Contains(token))
            {
                yield return new(token, tokenizer.TokenBytes(token).ToArray());
            }
        }
    }

    /// <summary>Expressions, and the tokens of their states. Everything in it is used under its lock.</summary>
    internal sealed class Shared(int maxExpressions = 2_000_000)
    {
        private const int MaxLexemes = 4096;
        private const int MaxRuns = 128; // some 100 kB each

        private readonly Dictionary<int, LexemeTokens> _short = []; // of a state, tokens of few bytes
        private readonly Dictionary<int, LexemeTokens> _long = []; // the others
        private readonly Dictionary<RunShape, CountedTokens> _runs = [];
        private readonly Dictionary<LexemeEnds, LexemeEnds> _ends = [];

        public Lock Gate { get; } = new();

        public RegexPool Pool { get; } = new(maxExpressions);

        /// <summary>Whether new grammars had better begin with another one.</summary>
        public bool IsLarge
        {
            get
            {
                lock (Gate)
                {
                    return Pool.Count > RenewAfter;
                }
            }
        }

        public TokenMask MaskOf(Parser parser, ParserState state, GrammarVocabulary vocabulary)
        {
            if (state.Mask is { } known)
            {
                return known;
            }

            var sets = new HashSet<TokenSet>();
            var crossing = new HashSet<int>();
            foreach (ParserThread thread in state.Threads)
            {
                LexemeTokens tokens = ShortOf(thread.Lexeme, vocabulary);
                Add(thread, tokens);
                if (!tokens.IsAll)
                {
                    Add(thread, LongOf(thread.Lexeme, vocabulary));
                }
            }

            void Add(ParserThread thread, LexemeTokens tokens)
            {
                if (tokens.Inside.Count > 0)
                {
                    sets.Add(tokens.Inside);
                }

                if (tokens.Ends is not { IsEmpty: true } && parser.After(thread).Threads.Length > 0)
                {
                    crossing.UnionWith(parser.CrossingOf(thread, tokens.EndsOf(Pool, _ends)));
                }
            }

            var mask = new TokenMask([.. sets], [.. crossing]);
            state.Mask = mask;
            return mask;
        }

        private LexemeTokens ShortOf(int lexeme, GrammarVocabulary vocabulary)
        {
            if (!_short.TryGetValue(lexeme, out LexemeTokens? tokens))
            {
                MakeRoom();
                if (Pool.TryGetRun(lexeme, out CountedRun run))
                {
                    tokens = CountedOf(run.Shape, vocabulary).Of(run.Least, run.Most, _ends);
                    _short.Add(lexeme, tokens);
                    return tokens;
                }

                int same = Pool.WithinReach(lexeme, VocabularyTree.LongestShort);
                tokens = same == lexeme ? LexemeTokens.OfShort(lexeme, Pool, vocabulary.Tree, _ends) : ShortOf(same, vocabulary);
                _short.TryAdd(lexeme, tokens);
            }

            return tokens;
        }

        private LexemeTokens LongOf(int lexeme, GrammarVocabulary vocabulary)
        {
            if (!_long.TryGetValue(lexeme, out LexemeTokens? tokens))
            {
                MakeRoom();
                tokens = LexemeTokens.OfLong(lexeme, Pool, vocabulary.Tree, _ends);
                _long.Add(lexeme, tokens);
            }

            return tokens;
        }

        private CountedTokens CountedOf(RunShape shape, GrammarVocabulary vocabulary)
        {
            if (!_runs.TryGetValue(shape, out CountedTokens? tokens))
            {
                if (_runs.Count >= MaxRuns)
                {
                    _runs.Clear();
                }

                tokens = new CountedTokens(shape, Pool, vocabulary.Tree);
                _runs.Add(shape, tokens);
            }

            return tokens;
        }

        private void MakeRoom()
        {
            if (_short.Count + _long.Count >= 2 * MaxLexemes)
            {
                _short.Clear();
                _long.Clear();
                _ends.Clear();
            }
        }
    }
}

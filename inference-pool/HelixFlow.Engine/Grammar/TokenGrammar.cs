using HelixFlow.Engine.Grammar.Lexical;
using HelixFlow.Engine.Grammar.Parsing;

namespace HelixFlow.Engine.Grammar;

/// <summary>A compiled constraint for the tokens of one vocabulary. Thread-safe; one serves any number of requests and gets faster with use.</summary>
public sealed class TokenGrammar
{
    private const int MostExpressions = 300_000; // of one grammar, when it is compiled: some 100 MB
    private const int MostShared = 20_000; // some milliseconds of compiling; larger grammars stay by themselves

    private const int MostPrepared = 600; // places: some hundred members, and a tenth of a second of work
    private const int MostForced = 128; // bytes that are looked ahead: more than a step takes

    // Work as RegexPool counts it: some seconds for compiling, which its own request waits for, and tens of milliseconds for a token, which all of a step wait for.
    private const long MostToCompile = 10_000_000;
    private const long MostToFollow = 500_000;

    private readonly GrammarVocabulary.Shared _shared;
    private readonly Parser _parser;
    private Queue<ParserState>? _ahead; // to be prepared; null when that is done
    private HashSet<ParserState>? _known; // all that have been in it

    private TokenGrammar(GrammarVocabulary vocabulary, GrammarVocabulary.Shared shared, Parser parser)
    {
        Vocabulary = vocabulary;
        _shared = shared;
        _parser = parser;
        _ahead = new Queue<ParserState>([parser.Start]);
        _known = [parser.Start];
    }

    public GrammarVocabulary Vocabulary { get; }

    /// <summary>A matcher at the start of a text.</summary>
    public GrammarMatcher CreateMatcher() => new(this, _parser.Start);

    /// <summary>Whether it has grown so large with use that compiling it anew saves memory and keeps it from its limits.</summary>
    public bool IsLarge => _shared.IsLarge;

    /// <summary>Works out ahead what the next place of a text, nearest to its beginning first, allows; false when it has done so for as many as are worth it.</summary>
    /// <remarks>Takes a fraction of a millisecond at most places, during which no mask of the same model can be worked out.</remarks>
    public bool Prepare()
    {
        lock (_shared.Gate)
        {
            if (_ahead is not { } ahead || !ahead.TryDequeue(out ParserState? state))
            {
                (_ahead, _known) = (null, null);
                return false;
            }

            try
            {
                _shared.Pool.Allow(MostToFollow);
                _shared.MaskOf(_parser, state, Vocabulary);
                foreach (byte value in Representatives(state))
                {
                    if (_parser.Next(state, value) is { } next && _known!.Count < MostPrepared && _known.Add(next))
                    {
                        ahead.Enqueue(next);
                    }
                }

                return true;
            }
            catch (GrammarTooComplexException)
            {
                (_ahead, _known) = (null, null); // if a text comes here, it is told then
                return false;
            }
        }
    }

    // Bytes by which the states that follow differ, as a rule. Those that begin longer characters are left out: tokens seldom end in their midst.
    private List<byte> Representatives(ParserState state)
    {
        ByteSet set = default;
        foreach (ParserThread thread in state.Threads)
        {
            set |= _shared.Pool.Representatives(thread.Lexeme);
        }

        var values = new List<byte>();
        for (int value = 0; value < 0x80; value++)
        {
            if (set.Contains((byte)value))
            {
                values.Add((byte)value);
            }
        }

        return values;
    }

    internal static TokenGrammar Compile(GrammarVocabulary vocabulary, Func<GrammarBuilder, Symbol> write)
    {
        // First apart from all others: they need not wait while it turns out whether the constraint can be used, and what it takes.
        var own = new GrammarVocabulary.Shared(MostExpressions);
        TokenGrammar alone = Compile(vocabulary, own, write);
        TokenGrammar grammar = own.Pool.Count > MostShared ? alone : Compile(vocabulary, vocabulary.ForNewGrammar(), write);
        grammar.WriteMask(grammar._parser.Start, new ulong[(vocabulary.Size + 63) / 64]); // which refuses it now if the first token would
        return grammar;
    }

    private static TokenGrammar Compile(GrammarVocabulary vocabulary, GrammarVocabulary.Shared shared, Func<GrammarBuilder, Symbol> write)
    {
        lock (shared.Gate)
        {
            shared.Pool.Allow(MostToCompile);
            var builder = new GrammarBuilder(shared.Pool, vocabulary);
            Symbol start = write(builder);
            return new TokenGrammar(vocabulary, shared, new Parser(builder.Build(start), shared.Pool));
        }
    }

    /// <summary>The state after these bytes; null when no text of the language goes on like this.</summary>
    internal ParserState? Advance(ParserState state, ReadOnlySpan<byte> bytes)
    {
        lock (_shared.Gate)
        {
            _shared.Pool.Allow(MostToFollow);
            ParserState? next = state;
            foreach (byte value in bytes)
            {
                next = _parser.Next(next, value);
                if (next is null)
                {
                    return null;
                }
            }

            return next;
        }
    }

    internal void WriteMask(ParserState state, Span<ulong> bits)
    {
        lock (_shared.Gate)
        {
            _shared.Pool.Allow(MostToFollow);
            _shared.MaskOf(_parser, state, Vocabulary).WriteTo(bits);
        }
    }

    internal int[] ForcedTokens(ParserState state)
    {
        lock (_shared.Gate)
        {
            if (state.Forced is { } known)
            {
                return known;
            }

            _shared.Pool.Allow(MostToFollow);
            var bytes = new List<byte>();
            ByteSet next = Follow(state, bytes, MostForced);
            return state.Forced = bytes.Count == 0 ? [] : Vocabulary.Cut([.. bytes], next);
        }
    }

    /// <summary>Appends the bytes that must follow: as long as there is one only and the text may not end.</summary>
    internal void AppendForced(ParserState state, List<byte> bytes, int limit)
    {
        lock (_shared.Gate)
        {
            _shared.Pool.Allow(MostToFollow);
            Follow(state, bytes, limit);
        }
    }

    // The result is what may follow behind the bytes; none where the text must end.
    private ByteSet Follow(ParserState state, List<byte> bytes, int limit)
    {
        while (true)
        {
            ByteSet first = default;
            foreach (ParserThread thread in state.Threads)
            {
                first |= _shared.Pool.FirstBytes(thread.Lexeme);
            }

            if (bytes.Count >= limit || state.IsAccepting || first.Count != 1)
            {
                return first;
            }

            byte value = first.Single();
            bytes.Add(value);
            state = _parser.Next(state, value)!;
        }
    }
}

using HelixFlow.Engine.Grammar.Lexical;
using HelixFlow.Engine.Grammar.Parsing;

namespace HelixFlow.Engine.Grammar;

/// <summary>A compiled constraint for the tokens of one vocabulary. Thread-safe; one serves any number of requests and gets faster with use.</summary>
public sealed class TokenGrammar
{
    private const int MostExpressions = 300_000; // of one grammar, when it is compiled: some 100 MB
    private const int MostShared = 20_000; // some milliseconds of compiling; larger grammars stay by themselves

    private const int MostForced = 128; // bytes that are looked ahead: more than a step takes

    private readonly GrammarVocabulary.Shared _shared;
    private readonly Parser _parser;

    private TokenGrammar(GrammarVocabulary vocabulary, GrammarVocabulary.Shared shared, Parser parser)
    {
        Vocabulary = vocabulary;
        _shared = shared;
        _parser = parser;
    }

    public GrammarVocabulary Vocabulary { get; }

    /// <summary>A matcher at the start of a text.</summary>
    public GrammarMatcher CreateMatcher() => new(this, _parser.Start);

    /// <summary>Whether it has grown so large with use that compiling it anew saves memory and keeps it from its limits.</summary>
    public bool IsLarge => _shared.IsLarge;

    internal static TokenGrammar Compile(GrammarVocabulary vocabulary, Func<GrammarBuilder, Symbol> write)
    {
        // First apart from all others: they need not wait while it turns out whether the constraint can be used, and what it takes.
        var own = new GrammarVocabulary.Shared(MostExpressions);
        TokenGrammar alone = Compile(vocabulary, own, write);
        return own.Pool.Count > MostShared ? alone : Compile(vocabulary, vocabulary.ForNewGrammar(), write);
    }

    private static TokenGrammar Compile(GrammarVocabulary vocabulary, GrammarVocabulary.Shared shared, Func<GrammarBuilder, Symbol> write)
    {
        lock (shared.Gate)
        {
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

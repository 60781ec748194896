using HelixFlow.Engine.Grammar.Parsing;

namespace HelixFlow.Engine.Grammar;

/// <summary>Where one generated text is in its grammar. Not thread-safe; a copy may go on by itself.</summary>
public sealed class GrammarMatcher
{
    private readonly TokenGrammar _grammar;
    private ParserState _state;

    internal GrammarMatcher(TokenGrammar grammar, ParserState state)
    {
        _grammar = grammar;
        _state = state;
    }

    /// <summary>Whether the text is complete: an end token may come now.</summary>
    public bool MayEnd => _state.IsAccepting;

    /// <summary>Whether nothing but an end token may come.</summary>
    public bool MustEnd => _state.Threads.Length == 0;

    /// <summary>Words of 64 bits that <see cref="WriteMask"/> needs.</summary>
    public int MaskLength => (_grammar.Vocabulary.Size + 63) / 64;

    public GrammarMatcher Clone() => new(_grammar, _state);

    /// <summary>Takes a token; false, and nothing changes, when the grammar does not allow it here.</summary>
    /// <exception cref="GrammarTooComplexException">The grammar is too ambiguous for this text.</exception>
    public bool TryAccept(int token) => TryAccept(_grammar.Vocabulary.BytesOf(token));

    /// <summary>Takes some bytes; false, and nothing changes, when the grammar does not allow them here.</summary>
    /// <exception cref="GrammarTooComplexException">The grammar is too ambiguous for this text.</exception>
    public bool TryAccept(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty || _grammar.Advance(_state, bytes) is not { } next)
        {
            return false;
        }

        _state = next;
        return true;
    }

    /// <summary>Sets the bit of every token that may come next, and clears all others; end tokens are not among them.</summary>
    /// <param name="bits">Bit i % 64 of word i / 64 is for token i; <see cref="MaskLength"/> words.</param>
    /// <exception cref="GrammarTooComplexException">The grammar is too ambiguous for this text.</exception>
    public void WriteMask(Span<ulong> bits) => _grammar.WriteMask(_state, bits);

    /// <summary>The bytes that must come next, whatever the model says; empty when there is a choice.</summary>
    public byte[] ForcedBytes(int limit = 256)
    {
        var bytes = new List<byte>();
        _grammar.AppendForced(_state, bytes, limit);
        return [.. bytes];
    }

    /// <summary>
    /// Tokens for the bytes that must come next, cut as the tokenizer cuts them; empty when there is a choice. Other tokens may be possible, too, that
    /// cut the same bytes in another way. What may be the beginning of a longer token that is possible here is left out.
    /// </summary>
    public ReadOnlySpan<int> ForcedTokens() => _grammar.ForcedTokens(_state);
}

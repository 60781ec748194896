using System.Text;
using HelixFlow.Engine.Grammar;

namespace HelixFlow.Engine.Tests.Grammar;

/// <summary>Texts that are put together: what is free, what ends it, and special tokens as markers.</summary>
public sealed class TextPartTests
{
    private const int Special = 256 + 3;

    // Every byte, some words, and a token that is no text.
    private static readonly GrammarVocabulary _vocabulary = new(
        [.. Enumerable.Range(0, 256).Select(value => new KeyValuePair<int, byte[]>(value, [(byte)value])), new(256, "<call>"u8.ToArray()), new(257, "a<"u8.ToArray()), new(258, "é1"u8.ToArray())],
        Special + 2,
        [new(Special, "[MARK]"), new(Special + 1, "[OTHER]")]);

    [Fact]
    public void Free_text_is_anything_but_a_marker()
    {
        TokenGrammar grammar = Compile(new TextPart.Free("<call>", "[MARK]"));

        Assert.True(Accepts(grammar, "anything at all\n<cal é <call"));
        Assert.True(Accepts(grammar, ""));
        Assert.False(Accepts(grammar, "text <call>"));
        Assert.False(Accepts(grammar, "text [MARK]"));
        Assert.False(grammar.CreateMatcher().TryAccept(Special));
        Assert.True(grammar.CreateMatcher().TryAccept(Special + 1));
    }

    [Fact]
    public void A_marker_is_the_special_token_where_there_is_one()
    {
        TokenGrammar grammar = Compile(new TextPart.Sequence(new TextPart.Free([]) { Until = "[MARK]" }, new TextPart.Literal("x")));
        GrammarMatcher matcher = grammar.CreateMatcher();

        Assert.True(matcher.TryAccept("text"u8));
        Assert.True(matcher.TryAccept(Special + 1));
        Assert.False(matcher.MayEnd);
        Assert.True(matcher.TryAccept(Special));
        Assert.Equal((byte[])[(byte)'x'], matcher.ForcedBytes());
        Assert.False(matcher.TryAccept(Special));
        Assert.True(matcher.TryAccept("x"u8));
        Assert.True(matcher.MustEnd);
        Assert.False(Accepts(grammar, "text[MARK]x"));
    }

    [Fact]
    public void Forced_markers_are_single_tokens()
    {
        GrammarMatcher matcher = Compile(new TextPart.Sequence(new TextPart.Marker("[MARK]"), new TextPart.Literal("<call>é1"), new TextPart.Marker("[OTHER]"))).CreateMatcher();

        Assert.Equal([Special, 256, 258, Special + 1], matcher.ForcedTokens().ToArray());
    }

    [Fact]
    public void Texts_that_begin_in_some_way_can_be_left_out()
    {
        TokenGrammar grammar = Compile(new TextPart.Free("!") { NotBeginning = @"\s*\{" });

        Assert.True(Accepts(grammar, "a {"));
        Assert.True(Accepts(grammar, " "));
        Assert.False(Accepts(grammar, " {"));
        Assert.False(Accepts(grammar, "a!"));
    }

    /// <summary>A mask allows a token exactly when its bytes can be taken, in free text and behind it.</summary>
    [Fact]
    public void Masks_of_free_text_are_right()
    {
        TextPart call = new TextPart.Repeated(new TextPart.Sequence(new TextPart.Literal("<"), new TextPart.Constrained(new Constraint.Regex("[a-c]{1,3}é?"))), Least: 0);
        foreach (TextPart part in (TextPart[])
        [
            new TextPart.Sequence(new TextPart.Free("[OTHER]") { Until = "<call>" }, call),
            new TextPart.OneOf(new TextPart.Free("[MARK]", "<call>"), new TextPart.Sequence(new TextPart.Free([]) { Until = "[MARK]" }, call)),
        ])
        {
            TokenGrammar grammar = Compile(part);
            var random = new Random(1);
            ulong[] mask = new ulong[(_vocabulary.Size + 63) / 64];
            for (int walk = 0; walk < 20; walk++)
            {
                GrammarMatcher matcher = grammar.CreateMatcher();
                for (int step = 0; step < 30 && !matcher.MustEnd; step++)
                {
                    matcher.WriteMask(mask);
                    int[] allowed = [.. Enumerable.Range(0, _vocabulary.Size).Where(token => (mask[token >> 6] >> (token & 63) & 1) != 0)];
                    Assert.Equal(Enumerable.Range(0, _vocabulary.Size).Where(token => matcher.Clone().TryAccept(token)), allowed);
                    int[] likely = [.. allowed.Where(token => token >= 256 || token is '<' or 'c')];
                    Assert.True(matcher.TryAccept(likely.Length > 0 && random.Next(3) > 0 ? likely[random.Next(likely.Length)] : allowed[random.Next(allowed.Length)]));
                }
            }
        }
    }

    [Fact]
    public void Equal_parts_are_equal_constraints()
    {
        static Constraint Make(string word) => new Constraint.Composed(new TextPart.OneOf(
            new TextPart.Free("x") { Until = word }, new TextPart.Sequence(new TextPart.Literal("a"), new TextPart.Arguments("{}", ArgumentNotation.Python, IsBestEffort: true))));

        Assert.Equal(Make("w"), Make("w"));
        Assert.Equal(Make("w").GetHashCode(), Make("w").GetHashCode());
        Assert.NotEqual(Make("w"), Make("v"));
    }

    [Fact]
    public void An_error_names_the_part()
    {
        GrammarException exception = Assert.Throws<GrammarException>(() => Compile(new TextPart.Sequence(
            new TextPart.Literal("a"), new TextPart.Named("f", new TextPart.Arguments("""{"uniqueItems":true}""", ArgumentNotation.Json, IsBestEffort: false)))));

        Assert.Equal("f", exception.Subject);
        Assert.Contains("uniqueItems", exception.Message, StringComparison.Ordinal);
    }

    private static TokenGrammar Compile(TextPart part) => new Constraint.Composed(part).Compile(_vocabulary);

    private static bool Accepts(TokenGrammar grammar, string text)
    {
        GrammarMatcher matcher = grammar.CreateMatcher();
        return (text.Length == 0 || matcher.TryAccept(Encoding.UTF8.GetBytes(text))) && matcher.MayEnd;
    }
}

using HelixFlow.Engine.Grammar;

namespace HelixFlow.Engine.Tests.Grammar;

public sealed class JsonWhiteSpaceTests
{
    [Theory]
    [InlineData("{\"a\":1,\"b\":[2,3]}", true, true, true)]
    [InlineData("{\"a\": 1, \"b\": [2, 3]}", false, true, true)]
    [InlineData("{ \"a\": 1, \"b\": [ 2, 3 ] }", false, true, true)]
    [InlineData("{\n  \"a\": 1,\n  \"b\": [\n    2,\n    3\n  ]\n}", false, false, true)]
    [InlineData("{\r\n\t\"a\": 1,\r\n\t\"b\": [2, 3]\r\n}", false, false, true)]
    [InlineData("{\"a\":  1,\"b\":[2,3]}", false, false, false)]
    [InlineData("{\"a\" :1,\"b\":[2,3]}", false, false, false)]
    [InlineData("{\"a\":1 ,\"b\":[2,3]}", false, false, false)]
    [InlineData("{\"a\":\n1,\"b\":[2,3]}", false, false, false)]
    [InlineData("{\n                         \"a\":1,\"b\":[2,3]}", false, false, false)]
    public void White_space_is_what_the_setting_says(string text, bool compact, bool spaced, bool indented)
    {
        foreach ((JsonWhiteSpace setting, bool accepted) in (ReadOnlySpan<(JsonWhiteSpace, bool)>)[(JsonWhiteSpace.Compact, compact), (JsonWhiteSpace.Spaced, spaced), (JsonWhiteSpace.Indented, indented)])
        {
            Assert.Equal(accepted, SmallVocabulary.Accepts(new Constraint.JsonObject(setting).Compile(SmallVocabulary.Instance), text));
        }
    }

    [Fact]
    public void A_prepared_grammar_allows_what_it_would_without()
    {
        Constraint constraint = new Constraint.JsonSchema("""
            {"type":"object","properties":{"a":{"type":"string","maxLength":20},"b":{"type":"array","items":{"enum":["foo","bar",1]}}},"required":["a","b"],"additionalProperties":{"type":"number"}}
            """);
        TokenGrammar plain = constraint.Compile(SmallVocabulary.Instance);
        TokenGrammar prepared = constraint.Compile(SmallVocabulary.Instance);
        int places = 0;
        while (prepared.Prepare())
        {
            places++;
        }

        Assert.InRange(places, 20, 600);
        Assert.False(prepared.Prepare());
        var random = new Random(1);
        for (int walk = 0; walk < 10; walk++)
        {
            (GrammarMatcher one, GrammarMatcher other) = (plain.CreateMatcher(), prepared.CreateMatcher());
            (ulong[] expected, ulong[] mask) = (new ulong[one.MaskLength], new ulong[one.MaskLength]);
            for (int step = 0; step < 60 && !one.MustEnd; step++)
            {
                one.WriteMask(expected);
                other.WriteMask(mask);
                Assert.Equal(expected, mask);
                int[] allowed = [.. Enumerable.Range(0, SmallVocabulary.Size).Where(token => (mask[token >> 6] >> (token & 63) & 1) != 0)];
                int token = allowed[random.Next(allowed.Length)];
                Assert.True(one.TryAccept(token) && other.TryAccept(token));
            }
        }
    }

    [Theory]
    [InlineData("""{"type":"string","pattern":"^(a|aa|aaa|aaaa|b.*c)*[ab].{60}[cd].{60}$"}""")]
    [InlineData("""{"type":"string","pattern":"^(.*a){12}.{40}$","minLength":100,"maxLength":4000}""")]
    public void A_schema_that_explodes_ends_in_words_or_stays_in_bounds(string schema)
    {
        try
        {
            TokenGrammar grammar = new Constraint.JsonSchema(schema).Compile(SmallVocabulary.Instance);
            while (grammar.Prepare())
            {
            }

            GrammarMatcher matcher = grammar.CreateMatcher();
            ulong[] mask = new ulong[matcher.MaskLength];
            Assert.True(matcher.TryAccept("\""u8));
            for (int i = 0; i < 200 && matcher.TryAccept("a"u8); i++)
            {
                matcher.WriteMask(mask);
            }
        }
        catch (GrammarTooComplexException refusal)
        {
            Assert.Contains("the ", refusal.Message, StringComparison.Ordinal);
        }
    }
}

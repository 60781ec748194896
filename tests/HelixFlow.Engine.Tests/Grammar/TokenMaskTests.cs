using System.Text;
using HelixFlow.Engine.Grammar;

namespace HelixFlow.Engine.Tests.Grammar;

/// <summary>A mask allows a token exactly when its bytes can be taken, and every text that follows masks is of the language.</summary>
public sealed class TokenMaskTests
{
    public static TheoryData<string> Constraints => [.. _constraints.Keys];

    private static readonly Dictionary<string, Constraint> _constraints = new()
    {
        ["object"] = new Constraint.JsonObject(),
        ["person"] = new Constraint.JsonSchema("""
            {"type":"object","properties":{"name":{"type":"string","minLength":2,"maxLength":9},"age":{"type":"integer","minimum":-12,"maximum":120},
             "tags":{"type":"array","items":{"enum":["foo","bar","baz","foobar"]},"minItems":1,"maxItems":3},"at":{"type":"string","format":"date-time"}},
             "required":["name","tags"],"additionalProperties":false}
            """),
        ["tree"] = new Constraint.JsonSchema("""
            {"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"value":{"type":"number","multipleOf":0.25},"children":{"type":"array","items":{"$ref":"#/$defs/node"}}},
             "required":["value"],"patternProperties":{"^x_":{"type":["boolean","null"]}},"additionalProperties":{"type":"string","pattern":"^[a-c]+$"}}}}
            """),
        ["union"] = new Constraint.JsonSchema("""
            {"oneOf":[{"type":"object","properties":{"kind":{"const":"a"},"x":{"type":"integer"}},"required":["kind","x"]},
             {"type":"object","properties":{"kind":{"const":"b"},"y":{"type":["string","null"]}},"required":["kind"],"additionalProperties":false},{"type":"array","prefixItems":[{"const":1},{"type":"boolean"}],"items":false}]}
            """),
        ["regex"] = new Constraint.Regex(@"(foo|bar)+[0-9]{2,4}(\.[a-z]+)*|日本*"),
        ["choice"] = new Constraint.Choice(["foo", "foo bar", "true", "日本", "\"quoted\""]),
        ["arithmetic"] = new Constraint.Grammar("""
            root ::= sum
            sum ::= product (" + " product)*   # one line
              | product
            product ::= factor | product "*" factor
            factor ::= [0-9]{1,3} | "(" sum ")" | "-" factor
            """),
        ["lark"] = new Constraint.Grammar("""
            start: "{" [pair ("," pair)*] "}"
            pair: ESCAPED_STRING ":" value -> pair
            ?value: SIGNED_NUMBER | ESCAPED_STRING | "true"i | start
            %import common.ESCAPED_STRING
            %import common.SIGNED_NUMBER
            %import common.WS_INLINE
            %ignore WS_INLINE
            """),
    };

    [Theory]
    [MemberData(nameof(Constraints))]
    public void A_token_is_allowed_exactly_when_its_bytes_are(string name)
    {
        TokenGrammar grammar = _constraints[name].Compile(SmallVocabulary.Instance);
        var random = new Random(3);
        int ended = 0;
        for (int walk = 0; walk < 12; walk++)
        {
            GrammarMatcher matcher = grammar.CreateMatcher();
            ulong[] mask = new ulong[matcher.MaskLength];
            for (int step = 0; step < 60; step++)
            {
                matcher.WriteMask(mask);
                var allowed = new List<int>();
                for (int token = 0; token < SmallVocabulary.Instance.Size; token++)
                {
                    bool isAllowed = (mask[token >> 6] >> (token & 63) & 1) != 0;
                    Assert.True(isAllowed == matcher.Clone().TryAccept(token), $"token {token} ({Encoding.UTF8.GetString(SmallVocabulary.Instance.BytesOf(token))}) at step {step}: {isAllowed}");
                    if (isAllowed)
                    {
                        allowed.Add(token);
                    }
                }

                Assert.Equal(allowed.Count == 0, matcher.MustEnd);
                Assert.True(matcher.MayEnd || allowed.Count > 0, "the text can neither end nor go on");
                if (allowed.Count == 0 || (matcher.MayEnd && random.Next(4) == 0))
                {
                    ended++;
                    break;
                }

                Assert.True(matcher.TryAccept(allowed[random.Next(allowed.Count)]));
            }
        }

        Assert.True(ended > 0);
    }

    [Theory]
    [MemberData(nameof(Constraints))]
    public void Forced_tokens_write_bytes_that_are_forced(string name)
    {
        TokenGrammar grammar = _constraints[name].Compile(SmallVocabulary.Instance);
        var random = new Random(5);
        int found = 0;
        for (int walk = 0; walk < 20; walk++)
        {
            GrammarMatcher matcher = grammar.CreateMatcher();
            ulong[] mask = new ulong[matcher.MaskLength];
            for (int step = 0; step < 40 && !matcher.MustEnd; step++)
            {
                byte[] bytes = matcher.ForcedBytes();
                GrammarMatcher ahead = matcher.Clone();
                var written = new List<byte>();
                foreach (int token in matcher.ForcedTokens().ToArray())
                {
                    found++;
                    written.AddRange(SmallVocabulary.Instance.BytesOf(token));
                    Assert.True(ahead.TryAccept(token));
                }

                Assert.Equal(bytes.Take(written.Count), written);
                matcher.WriteMask(mask);
                int[] allowed = [.. Enumerable.Range(0, SmallVocabulary.Size).Where(token => (mask[token >> 6] >> (token & 63) & 1) != 0)];
                Assert.True(matcher.TryAccept(allowed[random.Next(allowed.Length)]));
            }
        }

        Assert.True(found > 0 || name == "lark"); // where white space may stand everywhere
    }

    [Theory]
    [MemberData(nameof(Constraints))]
    public void Forced_bytes_are_the_only_ones_that_can_follow(string name)
    {
        TokenGrammar grammar = _constraints[name].Compile(SmallVocabulary.Instance);
        var random = new Random(4);
        for (int walk = 0; walk < 8; walk++)
        {
            GrammarMatcher matcher = grammar.CreateMatcher();
            for (int step = 0; step < 40 && !matcher.MustEnd; step++)
            {
                foreach (byte forced in matcher.Clone().ForcedBytes(8))
                {
                    Assert.False(matcher.MayEnd);
                    Assert.Equal([forced], Enumerable.Range(0, 256).Where(value => matcher.Clone().TryAccept([(byte)value])).Select(value => (byte)value));
                    Assert.True(matcher.TryAccept([forced]));
                }

                byte[] possible = [.. Enumerable.Range(0, 256).Where(value => matcher.Clone().TryAccept([(byte)value])).Select(value => (byte)value)];
                if (possible.Length == 0)
                {
                    break;
                }

                Assert.True(matcher.TryAccept([possible[random.Next(possible.Length)]]));
            }
        }
    }

    [Fact]
    public void A_refused_token_changes_nothing()
    {
        GrammarMatcher matcher = new Constraint.Choice(["foo bar"]).Compile(SmallVocabulary.Instance).CreateMatcher();
        Assert.True(matcher.TryAccept("foo"u8));
        Assert.False(matcher.TryAccept(" baz"u8));
        Assert.False(matcher.TryAccept(SmallVocabulary.Instance.Size - 1)); // a token without bytes
        Assert.False(matcher.MayEnd);
        Assert.True(matcher.TryAccept(" bar"u8));
        Assert.True(matcher.MayEnd && matcher.MustEnd);
    }

    [Theory]
    [InlineData("root ::= x", "there is no rule 'x'")]
    [InlineData("start: x", "there is no rule 'x'")]
    [InlineData("a ::= \"b\"", "no rule 'root'")]
    [InlineData("root ::= root \"a\"", "no text at all")]
    [InlineData("root ::= \"a\"\nroot ::= \"b\"", "a second time")]
    [InlineData("root ::= [a", "ends too early")]
    [InlineData("start: _x{a}\n_x{y}: y", "expected here")]
    [InlineData("%declare A\nstart: A", "'%declare' is not supported")]
    [InlineData("start: /a/im", "flags")]
    public void A_wrong_grammar_is_refused_with_what_is_wrong(string text, string words)
    {
        GrammarException exception = Assert.Throws<GrammarException>(() => new Constraint.Grammar(text).Compile(SmallVocabulary.Instance));
        Assert.Contains(words, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Grammars_of_random_characters_are_read_or_refused_but_never_crash()
    {
        var random = new Random(29);
        string[] pieces = ["root", "start", " ::= ", ": ", "\"a\"", "[a-z]", "(", ")", "|", "*", "+", "?", "{1,2}", "\n", "x", "/b+/", "%ignore ", "~2", "\\", "\"", "#", "//"];
        for (int round = 0; round < 5000; round++)
        {
            string text = (random.Next(2) == 0 ? "root ::= " : "start: ") + string.Concat(Enumerable.Range(0, random.Next(1, 16)).Select(_ => pieces[random.Next(pieces.Length)]));
            try
            {
                new Constraint.Grammar(text).Compile(SmallVocabulary.Instance).CreateMatcher().ForcedBytes();
            }
            catch (GrammarException)
            {
            }
        }
    }

    [Theory]
    [InlineData("arithmetic", "1 + 2*(3 + -4)", true)]
    [InlineData("arithmetic", "1 +", false)]
    [InlineData("lark", """{ "a" : 1.5 , "b":{"c":TRUE} }""", true)]
    [InlineData("lark", """{"a" 1}""", false)]
    [InlineData("person", """{"name":"Ada","tags":["foo","foobar"]}""", true)]
    [InlineData("person", "{\n  \"name\": \"日本\",\n  \"age\": -7,\n  \"tags\": [\n    \"bar\"\n  ],\n  \"at\": \"2026-01-31T23:59:59.5Z\"\n}", true)]
    [InlineData("person", """{"name":"A","tags":["foo"]}""", false)]
    [InlineData("person", """{"name":"Ada","age":121,"tags":["foo"]}""", false)]
    [InlineData("person", """{"name":"Ada","tags":[]}""", false)]
    [InlineData("person", """{"name":"Ada","tags":["foo"],"at":"2026-02-30T00:00:00Z"}""", false)]
    public void Known_texts_are_told_apart(string name, string text, bool accepted) =>
        Assert.Equal(accepted, SmallVocabulary.Accepts(_constraints[name].Compile(SmallVocabulary.Instance), text));
}

using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;
using HelixFlow.Engine.Grammar;
using HelixFlow.InferenceNode.Answers;

namespace HelixFlow.InferenceNode.Tests.Answers;

/// <summary>Whatever tokens are picked among those that the forms of calls allow, each family's own parser reads calls whose arguments are what the schemas ask for.</summary>
public sealed class CallFormsTests
{
    private static readonly ToolCatalog _tools = new(JsonSerializer.Deserialize<JsonElement>("""
        [{"type":"function","function":{"name":"book","strict":true,"parameters":{"type":"object","properties":{
            "city":{"type":"string","minLength":1,"maxLength":12},"nights":{"type":"integer","minimum":1,"maximum":30},"kind":{"enum":["hotel","flat",7]},"size":{"type":"string","enum":["small","very \"big\""]},
            "pets":{"type":"boolean"},"tags":{"type":"array","items":{"type":"string","maxLength":5},"maxItems":3},
            "guest":{"type":"object","properties":{"first name":{"type":"string","maxLength":8},"vip":{"type":["boolean","null"]}},"required":["vip"],"additionalProperties":false}},
            "required":["city","nights","kind","pets","guest"],"additionalProperties":false}}},
         {"type":"function","function":{"name":"now"}},
         {"type":"function","function":{"name":"find-it","parameters":{"type":"object","properties":{"id":{"type":"string","pattern":"^[A-F]{2}[0-9]{3}$"},"limit":{"type":["integer","null"],"maximum":9,"minimum":0}},"required":["id","limit"],"additionalProperties":false}}}]
        """));

    public static TheoryData<string, bool, bool> Families => [.. from family in Enum.GetNames<ToolCallFamily>() from variant in (bool[])[false, true] from special in (bool[])[false, true] select (family, variant, special)];

    private static ToolCatalog ToolsFor(ToolCallFamily family) => family == ToolCallFamily.GemmaFunction ? _plainNames : _tools;

    // FunctionGemma's notation has no way to write a name with a blank.
    private static readonly ToolCatalog _plainNames = new(JsonSerializer.Deserialize<JsonElement>("""
        [{"type":"function","function":{"name":"book","strict":true,"parameters":{"type":"object","properties":{
            "city":{"type":"string","minLength":1,"maxLength":12},"nights":{"type":"integer","minimum":1,"maximum":30},"kind":{"enum":["hotel","flat",7]},"size":{"type":"string","enum":["small","very \"big\""]},
            "pets":{"type":"boolean"},"tags":{"type":"array","items":{"type":"string","maxLength":5},"maxItems":3},
            "guest":{"type":"object","properties":{"vip":{"type":["boolean","null"]}},"required":["vip"],"additionalProperties":false}},
            "required":["city","nights","kind","pets","guest"],"additionalProperties":false}}},
         {"type":"function","function":{"name":"now"}},
         {"type":"function","function":{"name":"find-it","parameters":{"type":"object","properties":{"id":{"type":"string","pattern":"^[A-F]{2}[0-9]{3}$"},"limit":{"type":["integer","null"],"maximum":9,"minimum":0}},"required":["id","limit"],"additionalProperties":false}}}]
        """));

    [Theory]
    [MemberData(nameof(Families))]
    public void Random_tokens_make_valid_calls(string name, bool variant, bool special)
    {
        ToolCallFamily family = Enum.Parse<ToolCallFamily>(name);
        var format = new ToolCallFormat(family, IsInTemplate: true) { NamesFirst = variant, IsFunctools = variant };
        ToolCatalog tools = ToolsFor(family);
        RandomVocabulary vocabulary = special ? RandomVocabulary.WithMarkers : RandomVocabulary.Plain;
        int several = 0;
        foreach (bool single in (bool[])[true, false])
        {
            TokenGrammar grammar = new Constraint.Composed(CallForms.Calls(format, tools, [.. tools.Names], single)).Compile(vocabulary.Tokens);
            for (int seed = 0; seed < 20; seed++)
            {
                string? text = vocabulary.Write(grammar, seed, 2000);
                Assert.True(text is not null, "the text did not end");

                ReadAnswer answer = Read(format, tools, text);

                Assert.True(answer.Content.Length == 0, $"{text} leaves {answer.Content}");
                Assert.True(single ? answer.Calls.Count == 1 : answer.Calls.Count > 0, text);
                several += answer.Calls.Count > 1 ? 1 : 0;
                Assert.All(answer.Calls, call => AssertValid(call, text));
            }
        }

        Assert.True(several > 0 || family == ToolCallFamily.LlamaJson);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Text_is_free_until_a_call_begins_and_calls_are_valid(string name, bool variant, bool special)
    {
        ToolCallFamily family = Enum.Parse<ToolCallFamily>(name);
        var format = new ToolCallFormat(family, IsInTemplate: true) { NamesFirst = variant, IsFunctools = variant };
        ToolCatalog tools = ToolsFor(family);
        RandomVocabulary vocabulary = special ? RandomVocabulary.WithMarkers : RandomVocabulary.Plain;
        TokenGrammar grammar = new Constraint.Composed(CallForms.TextOrCalls(format, tools, ["book"], single: true)).Compile(vocabulary.Tokens);
        TokenGrammar forced = new Constraint.Composed(CallForms.Calls(format, tools, ["book"], single: true)).Compile(vocabulary.Tokens);
        bool isBare = family is ToolCallFamily.LlamaJson or ToolCallFamily.LlamaPython;
        for (int seed = 0; seed < 10; seed++)
        {
            string text = isBare ? "" : "So: [1], {\"a\": \"é\"} <x> ";
            foreach (string before in (string[])[text, "{", "[", "<tool", "``"])
            {
                GrammarMatcher matcher = grammar.CreateMatcher();
                Assert.True(before.Length == 0 || matcher.TryAccept(Encoding.UTF8.GetBytes(before)), before);
                Assert.True(matcher.MayEnd, $"'{before}' is an answer");
                Assert.False(matcher.MustEnd, $"'{before}' may go on");
            }

            string? call = vocabulary.Write(forced, seed, 2000, out List<int> tokens);
            Assert.NotNull(call);
            GrammarMatcher along = grammar.CreateMatcher();
            Assert.True(text.Length == 0 || along.TryAccept(Encoding.UTF8.GetBytes(text)));
            foreach (int token in tokens)
            {
                Assert.True(along.TryAccept(token), $"{call}: {vocabulary.TextOf(token)}");
            }

            Assert.True(along.MayEnd);
            Assert.True(along.MustEnd, "a second call must not follow");
            ReadAnswer answer = Read(format, tools, text + call);
            Assert.Equal(text.TrimEnd(), answer.Content.TrimEnd());
            AssertValid(Assert.Single(answer.Calls), call);
        }

        // The random answers: no strict tool is ever called with wrong arguments, and no other one at all.
        for (int seed = 0; seed < 30; seed++)
        {
            string text = vocabulary.Write(grammar, seed, 60, out _) ?? vocabulary.Latest;
            ReadAnswer answer = Read(format, tools, text);
            Assert.True(answer.Calls.Count <= 1, text);
        }
    }

    [Fact]
    public void A_call_cannot_begin_in_another_way_than_its_form()
    {
        var format = new ToolCallFormat(ToolCallFamily.Hermes, IsInTemplate: true);
        TokenGrammar grammar = new Constraint.Composed(CallForms.TextOrCalls(format, _tools, ["book", "now"], single: false)).Compile(RandomVocabulary.Plain.Tokens);

        Assert.True(Accepts("<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>"));
        Assert.True(Accepts("Text.\n<tool_call>\n{\"name\": \"now\", \"arguments\": {\"what\": [1]}}\n</tool_call>\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>"));
        Assert.False(Accepts("<tool_call>\n{\"name\": \"find-it\", \"arguments\": {}}\n</tool_call>"));
        Assert.False(Accepts("<tool_call>\n{\"name\": \"book\", \"arguments\": {}}\n</tool_call>"));
        Assert.False(Accepts("<tool_call>\n{\"arguments\": {}, \"name\": \"now\"}\n</tool_call>"));
        Assert.False(Accepts("<tool_call>"));
        Assert.True(Accepts("<tool_call"));

        bool Accepts(string text)
        {
            GrammarMatcher matcher = grammar.CreateMatcher();
            return matcher.TryAccept(Encoding.UTF8.GetBytes(text)) && matcher.MayEnd;
        }
    }

    private static ReadAnswer Read(ToolCallFormat format, ToolCatalog tools, string text) =>
        ReadAnswer.Of(new AnswerReader(null, false, output => format.CreateParser(tools, output)), ReadAnswer.Cut(text, new Random(text.Length)));

    // By hand, so that it is not the same code that writes and checks.
    private static void AssertValid(string call, string text)
    {
        int at = call.IndexOf('(', StringComparison.Ordinal);
        string name = call[..at];
        JsonElement arguments = JsonDocument.Parse(call[(at + 1)..^1]).RootElement;
        Assert.Equal(JsonValueKind.Object, arguments.ValueKind);
        string[] known = name switch { "book" => ["city", "nights", "kind", "size", "pets", "tags", "guest"], "find-it" => ["id", "limit"], _ => [] };
        Assert.All(arguments.EnumerateObject(), member => Assert.Contains(member.Name, known));
        switch (name)
        {
            case "book":
                Assert.InRange(new StringInfo(arguments.GetProperty("city").GetString()!).LengthInTextElements, 1, 12);
                Assert.InRange(arguments.GetProperty("nights").GetInt32(), 1, 30);
                Assert.Contains(arguments.GetProperty("kind").ToString(), (string[])["hotel", "flat", "7"]);
                Assert.Equal(arguments.GetProperty("kind").ToString() == "7" ? JsonValueKind.Number : JsonValueKind.String, arguments.GetProperty("kind").ValueKind);
                Assert.True(arguments.GetProperty("pets").ValueKind is JsonValueKind.True or JsonValueKind.False, text);
                JsonElement guest = arguments.GetProperty("guest");
                Assert.True(guest.GetProperty("vip").ValueKind is JsonValueKind.True or JsonValueKind.False or JsonValueKind.Null, text);
                Assert.All(guest.EnumerateObject(), member => Assert.Contains(member.Name, (string[])["vip", "first name"]));
                if (arguments.TryGetProperty("size", out JsonElement size))
                {
                    Assert.Contains(size.GetString(), (string[])["small", "very \"big\""]);
                }

                if (arguments.TryGetProperty("tags", out JsonElement tags))
                {
                    Assert.InRange(tags.GetArrayLength(), 0, 3);
                    Assert.All(tags.EnumerateArray(), tag => Assert.InRange(tag.GetString()!.EnumerateRunes().Count(), 0, 5));
                }

                break;
            case "find-it":
                Assert.Matches("^[A-F]{2}[0-9]{3}$", arguments.GetProperty("id").GetString());
                Assert.True(arguments.GetProperty("limit") is { ValueKind: JsonValueKind.Null } or { ValueKind: JsonValueKind.Number }, text);
                break;
            default:
                Assert.Equal("now", name);
                break;
        }
    }

    /// <summary>Bytes and some pieces of texts, perhaps with the markers as special tokens.</summary>
    private sealed class RandomVocabulary
    {
        private static readonly string[] _markers =
        [
            "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[ARGS]", "<|tool_call|>", "<|/tool_call|>", "<|python_tag|>", "<|python_start|>", "<|python_end|>",
            GemmaCallParser.Open, GemmaCallParser.Close, GemmaCallParser.Escape,
        ];

        private static readonly string[] _texts =
        [
            "tool_call>", "</", "\", \"", "\": ", "{\"", "\"}", "}}", "name", "book", "find-it(", "_code", "```", "\n", "\n\n", "=\"", "True", "null", "</parameter>", ">\n", "hotel", "é", "日本", "\\\"", "\\n", "\\u00",
        ];

        private readonly byte[][] _bytes;
        private readonly string[] _special;

        private RandomVocabulary(string[] special)
        {
            _special = special;
            _bytes = [.. Enumerable.Range(0, 256).Select(value => (byte[])[(byte)value]), .. _texts.Select(Encoding.UTF8.GetBytes)];
            Tokens = new GrammarVocabulary(
                _bytes.Select((bytes, token) => new KeyValuePair<int, byte[]>(token, bytes)),
                _bytes.Length + special.Length,
                special.Select((text, index) => new KeyValuePair<int, string>(_bytes.Length + index, text)));
        }

        public static RandomVocabulary Plain { get; } = new([]);

        public static RandomVocabulary WithMarkers { get; } = new(_markers);

        public GrammarVocabulary Tokens { get; }

        public string Latest { get; private set; } = "";

        public string TextOf(int token) => token < _bytes.Length ? Encoding.UTF8.GetString(_bytes[token]) : _special[token - _bytes.Length];

        public string? Write(TokenGrammar grammar, int seed, int most) => Write(grammar, seed, most, out _);

        public string? Write(TokenGrammar grammar, int seed, int most, out List<int> tokens)
        {
            var random = new Random(seed);
            GrammarMatcher matcher = grammar.CreateMatcher();
            ulong[] mask = new ulong[matcher.MaskLength];
            tokens = [];
            while (!matcher.MustEnd && !(matcher.MayEnd && random.Next(3) == 0) && tokens.Count < most)
            {
                matcher.WriteMask(mask);
                List<int> allowed = [];
                for (int word = 0; word < mask.Length; word++)
                {
                    for (ulong bits = mask[word]; bits != 0; bits &= bits - 1)
                    {
                        allowed.Add((word * 64) + BitOperations.TrailingZeroCount(bits));
                    }
                }

                int token = allowed[random.Next(allowed.Count)];
                Assert.True(matcher.TryAccept(token));
                tokens.Add(token);
            }

            using var bytes = new MemoryStream();
            foreach (int token in tokens)
            {
                bytes.Write(token < _bytes.Length ? _bytes[token] : Encoding.UTF8.GetBytes(_special[token - _bytes.Length]));
            }

            Latest = Encoding.UTF8.GetString(bytes.ToArray());
            return matcher.MayEnd ? Latest : null;
        }
    }
}

using System.Globalization;
using System.Text;
using HelixFlow.Engine.Grammar;
using HelixFlow.Engine.Grammar.Lexical;

namespace HelixFlow.Engine.Tests.Grammar;

/// <summary>Runs of characters with bounds: their masks come from one walk for all bounds, and must be those that the bytes tell.</summary>
public sealed class CountedRunTests
{
    private static readonly string[] _pieces = ["a", "b", "ab", "-", ".", "\"", "\",\"", "\"]", "é", "日", "a\",", "\\n"];

    [Fact]
    public void Masks_of_runs_of_random_bounds_are_what_the_bytes_tell()
    {
        var random = new Random(11);
        GrammarVocabulary vocabulary = CreateVocabulary(random);
        long allowedInAll = 0;
        for (int round = 0; round < 60; round++)
        {
            (int least, int most, int other) = (random.Next(4), 4 + random.Next(round % 3 == 0 ? 60 : 8), 1 + random.Next(12));
            Constraint constraint = (round % 6) switch
            {
                0 => new Constraint.Regex(string.Create(CultureInfo.InvariantCulture, $"\"[ab.é]{{{least},{most}}}\"(,\"[a-]{{0,{other}}}\")?")),
                1 => new Constraint.Regex(string.Create(CultureInfo.InvariantCulture, $"\"[ab]([ab-]{{0,{most}}}[ab])?(\\.[ab]([ab-]{{0,{other}}}[ab])?){{0,2}}\"")),
                2 => Strings($"\"minLength\":{least},\"maxLength\":{most}"),
                3 => Strings($"\"pattern\":\"^[ab.-]*$\",\"minLength\":{least},\"maxLength\":{most}"),
                4 => Strings($"\"pattern\":\"^[^-]{{{least},}}$\",\"maxLength\":{most}"),
                _ => Strings("\"format\":\"hostname\""),
            };
            TokenGrammar grammar = constraint.Compile(vocabulary);
            for (int walk = 0; walk < 4; walk++)
            {
                allowedInAll += Walk(grammar, random);
            }
        }

        Assert.True(allowedInAll > 10_000, $"only {allowedInAll} tokens were allowed");
    }

    [Theory]
    [InlineData("[a-d]{2,5}", "[c-f]{3,9}")]
    [InlineData("(a|bc)*", "[abc]{1,4}")]
    [InlineData("(ab|cd|é){1,6}", "(ab|é|ee){0,3}")]
    [InlineData("[a-c]{0,2}", "[a-c]{3,4}")]
    [InlineData("[ab]*", "[cd]*")]
    [InlineData("(a|ab)*", "[ab]{2,6}")]
    public void An_intersection_of_repetitions_matches_what_both_match(string left, string right)
    {
        var pool = new RegexPool();
        (int a, int b) = (Parse(pool, left), Parse(pool, right));
        int both = pool.And(a, b);
        var random = new Random(5);
        string[] pieces = ["a", "b", "c", "d", "e", "é"];
        for (int i = 0; i < 4000; i++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(7)).Select(_ => pieces[random.Next(pieces.Length)]));
            Assert.True((Matches(pool, a, text) && Matches(pool, b, text)) == Matches(pool, both, text), text);
        }
    }

    private static long Walk(TokenGrammar grammar, Random random)
    {
        GrammarMatcher matcher = grammar.CreateMatcher();
        ulong[] mask = new ulong[matcher.MaskLength];
        long count = 0;
        for (int step = 0; step < 25; step++)
        {
            matcher.WriteMask(mask);
            var allowed = new List<int>();
            for (int token = 0; token < grammar.Vocabulary.Size; token++)
            {
                bool isAllowed = (mask[token >> 6] >> (token & 63) & 1) != 0;
                Assert.True(
                    isAllowed == matcher.Clone().TryAccept(token),
                    $"token {Encoding.UTF8.GetString(grammar.Vocabulary.BytesOf(token))} at step {step}: {isAllowed}");
                if (isAllowed)
                {
                    allowed.Add(token);
                }
            }

            if (allowed.Count == 0)
            {
                break;
            }

            count += allowed.Count;
            matcher.TryAccept(allowed[random.Next(allowed.Count)]);
        }

        return count;
    }

    private static Constraint.JsonSchema Strings(string keywords) => new($$$"""{"type":"array","items":{"type":"string",{{{keywords}}}},"minItems":1}""");

    // Each byte, so that a text can always go on, and tokens of every length, some of which end strings and begin others.
    private static GrammarVocabulary CreateVocabulary(Random random)
    {
        var tokens = new List<KeyValuePair<int, byte[]>>();
        for (int value = 0; value < 256; value++)
        {
            tokens.Add(new(value, [(byte)value]));
        }

        for (int i = 0; i < 500; i++)
        {
            int length = 1 + random.Next(i % 5 == 0 ? 40 : 8);
            string text = string.Concat(Enumerable.Range(0, length).Select(_ => _pieces[random.Next(random.Next(3) == 0 ? _pieces.Length : 5)]));
            tokens.Add(new(tokens.Count, Encoding.UTF8.GetBytes(text)));
        }

        return new GrammarVocabulary(tokens, tokens.Count);
    }

    private static int Parse(RegexPool pool, string pattern) => RegexParser.ParseWhole(pattern, pool, Utf8Coding.Instance);

    private static bool Matches(RegexPool pool, int expression, string text)
    {
        foreach (byte value in Encoding.UTF8.GetBytes(text))
        {
            expression = pool.Next(expression, value);
        }

        return pool.IsNullable(expression);
    }
}

using System.Text;
using System.Text.RegularExpressions;
using HelixFlow.Engine.Grammar;
using HelixFlow.Engine.Grammar.Lexical;

namespace HelixFlow.Engine.Tests.Grammar;

/// <summary>Expressions by derivatives against .NET's own engine.</summary>
public sealed class RegexPoolTests
{
    private static readonly string[] _atoms = ["a", "b", "é", "[ab]", "[^a]", ".", "(a|b)", "(ab|)", "\\d", "\\w", "\\s", "(?:b|é)", "(^a|b)", "(a|b$)", "", "^", "$", "x{2}", "(ab){1,2}"];
    private static readonly string[] _quantifiers = ["", "", "", "*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"];

    [Fact]
    public void Random_patterns_match_what_the_platforms_engine_matches()
    {
        var random = new Random(11);
        int matches = 0;
        for (int round = 0; round < 1500; round++)
        {
            string pattern = RandomPattern(random);
            var pool = new RegexPool();
            int search, whole;
            try
            {
                search = RegexParser.ParseSearch(pattern, pool, Utf8Coding.Instance);
                whole = RegexParser.ParseWhole(pattern, pool, Utf8Coding.Instance);
            }
            catch (GrammarException exception)
            {
                Assert.Contains("anchor", exception.Message, StringComparison.Ordinal);
                continue;
            }

            for (int i = 0; i < 12; i++)
            {
                string text = RandomText(random);
                bool expected = Witness(text, Translated(pattern));
                Assert.True(expected == Matches(pool, search, text), $"/{pattern}/ in \"{text}\": {expected}");
                expected = Witness(text, $"^(?:{Translated(pattern)})\\z");
                Assert.True(expected == Matches(pool, whole, text), $"/{pattern}/ is \"{text}\": {expected}");
                matches += expected ? 1 : 0;
            }
        }

        Assert.True(matches > 1000, $"only {matches} texts matched");
    }

    [Fact]
    public void Intersection_and_complement_are_those_of_the_matches()
    {
        var random = new Random(5);
        for (int round = 0; round < 500; round++)
        {
            var pool = new RegexPool();
            string left = RandomPattern(random).Replace("^", "", StringComparison.Ordinal).Replace("$", "", StringComparison.Ordinal);
            string right = RandomPattern(random).Replace("^", "", StringComparison.Ordinal).Replace("$", "", StringComparison.Ordinal);
            if (!TryParse(pool, left, out int a) || !TryParse(pool, right, out int b))
            {
                continue;
            }

            int both = pool.And(a, b), neither = pool.And(pool.Not(a), pool.Not(b)), either = pool.Or(a, b);
            for (int i = 0; i < 20; i++)
            {
                string text = RandomText(random);
                (bool inA, bool inB) = (Matches(pool, a, text), Matches(pool, b, text));
                Assert.Equal(inA && inB, Matches(pool, both, text));
                Assert.Equal(!inA && !inB, Matches(pool, neither, text));
                Assert.Equal(inA || inB, Matches(pool, either, text));
                if (inA && inB)
                {
                    Assert.True(pool.IsAlive(both));
                }
            }
        }
    }

    [Fact]
    public void An_intersection_without_a_match_is_known_to_be_dead_from_its_first_byte_on()
    {
        var pool = new RegexPool();
        int none = pool.And(RegexParser.ParseWhole("a+b", pool, Utf8Coding.Instance), RegexParser.ParseWhole("a+c", pool, Utf8Coding.Instance));
        Assert.False(pool.IsAlive(none));
        int some = pool.Or(none, pool.Literal("ax"u8));
        Assert.Equal(RegexPool.Nothing, pool.Next(pool.Next(some, (byte)'a'), (byte)'a'));
    }

    [Theory]
    [InlineData("(?=a)b", "look-ahead")]
    [InlineData(@"(a)\1", "back references")]
    [InlineData(@"\bword\b", "word boundaries")]
    [InlineData("(a", "has no ')'")]
    [InlineData("a)", "')' without '('")]
    [InlineData("[a", "has no ']'")]
    [InlineData("*a", "nothing before it")]
    [InlineData("a{3,1}", "wrong order")]
    [InlineData(@"\p{Klingon}", "is not supported")]
    [InlineData(@"\q", "is no escape")]
    [InlineData("(^a)*", "anchor is repeated")]
    public void What_cannot_be_used_is_refused_by_name(string pattern, string words)
    {
        GrammarException exception = Assert.Throws<GrammarException>(() => RegexParser.ParseSearch(pattern, new RegexPool(), Utf8Coding.Instance));
        Assert.Contains(words, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Characters_of_every_length_are_matched_as_wholes()
    {
        var pool = new RegexPool();
        int letters = Utf8Coding.Instance.Write(pool, CodePoints.Category("L")!);
        int others = Utf8Coding.Instance.Write(pool, ~CodePoints.Category("L")!);
        for (int value = 0; value <= 0x10FFFF; value += value < 0x3000 ? 1 : 97)
        {
            if (Rune.IsValid(value))
            {
                string text = new Rune(value).ToString();
                bool isLetter = Rune.IsLetter(new Rune(value));
                Assert.True(isLetter == Matches(pool, letters, text), $"U+{value:X4}");
                Assert.True(isLetter != Matches(pool, others, text), $"U+{value:X4}");
            }
        }
    }

    [Fact]
    public void Patterns_of_random_characters_are_read_or_refused_but_never_crash()
    {
        var random = new Random(23);
        const string Characters = "ab()[]{}^$|*+?\\.-,0123dwsWpPuxk<>=!:é";
        for (int round = 0; round < 20_000; round++)
        {
            string pattern = string.Concat(Enumerable.Range(0, random.Next(1, 14)).Select(_ => Characters[random.Next(Characters.Length)]));
            try
            {
                var pool = new RegexPool();
                Matches(pool, RegexParser.ParseSearch(pattern, pool, Utf8Coding.Instance), "ab");
            }
            catch (GrammarException)
            {
            }
        }
    }

    // No backtracking: that engine overflows on some nested quantifiers.
    private static bool Witness(string text, string pattern) => Regex.IsMatch(text, pattern, RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);

    private static bool TryParse(RegexPool pool, string pattern, out int expression)
    {
        try
        {
            expression = RegexParser.ParseWhole(pattern, pool, Utf8Coding.Instance);
            return true;
        }
        catch (GrammarException)
        {
            expression = 0;
            return false;
        }
    }

    // .NET's classes are wider, and its '.' and '$' know one line end only.
    private static string Translated(string pattern) => pattern
        .Replace("\\d", "[0-9]", StringComparison.Ordinal)
        .Replace("\\w", "[A-Za-z0-9_]", StringComparison.Ordinal)
        .Replace("$", "\\z", StringComparison.Ordinal)
        .Replace(".", "[^\\n\\r\\u2028\\u2029]", StringComparison.Ordinal);

    private static bool Matches(RegexPool pool, int expression, string text)
    {
        foreach (byte value in Encoding.UTF8.GetBytes(text))
        {
            expression = pool.Next(expression, value);
        }

        return pool.IsNullable(expression);
    }

    private static string RandomPattern(Random random)
    {
        var pattern = new StringBuilder();
        int parts = random.Next(1, 6);
        for (int i = 0; i < parts; i++)
        {
            string atom = _atoms[random.Next(_atoms.Length)];
            string quantifier = atom is "" or "^" or "$" || atom.EndsWith('}') ? "" : _quantifiers[random.Next(_quantifiers.Length)];
            pattern.Append(atom).Append(quantifier);
            if (random.Next(8) == 0)
            {
                pattern.Append('|');
            }
        }

        return pattern.ToString();
    }

    private static string RandomText(Random random) =>
        string.Concat(Enumerable.Range(0, random.Next(0, 7)).Select(_ => "aaabbbé1x_ \n"[random.Next(12)]));
}

using System.Text;
using HelixFlow.Agents.Fetching;

namespace HelixFlow.Agents.Tests.Fetching;

public sealed class RobotsRulesTests
{
    [Theory]
    [InlineData("User-agent: *\nDisallow: /", "/", false)]
    [InlineData("User-agent: *\nDisallow:", "/a", true)]
    [InlineData("", "/a", true)]
    [InlineData("Disallow: /", "/a", true)] // belongs to no group
    [InlineData("user-agent : HELIXFLOW\r\ndisallow : /a # not this", "/a/b", false)]
    [InlineData("User-agent: helixflow/2.0\nDisallow: /a", "/a", false)]
    [InlineData("User-agent: helixflowbot\nDisallow: /", "/a", true)]
    [InlineData("User-agent: *\nDisallow: /\n\nUser-agent: helixflow\nAllow: /", "/a", true)] // our own group counts, not both
    [InlineData("User-agent: *\nDisallow: /\n\nUser-agent: helixflow", "/a", true)]
    [InlineData("User-agent: a\nUser-agent: helixflow\nDisallow: /x\nUser-agent: b\nDisallow: /y", "/y", true)]
    [InlineData("User-agent: a\n\nSitemap: http://s/\nUser-agent: helixflow\nDisallow: /x", "/x", false)]
    [InlineData("User-agent: helixflow\nDisallow: /x\nUser-agent: b\nDisallow: /\nUser-agent: helixflow\nDisallow: /y", "/y", false)] // groups of one name are one
    [InlineData("User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/b/c", true)] // the longest
    [InlineData("User-agent: *\nAllow: /a\nDisallow: /a", "/a", true)] // equally long
    [InlineData("User-agent: *\nDisallow: /a", "/A", true)]
    [InlineData("User-agent: *\nDisallow: /*.gif$", "/x/y.gif", false)]
    [InlineData("User-agent: *\nDisallow: /*.gif$", "/x/y.gif?z", true)]
    [InlineData("User-agent: *\nDisallow: /*?", "/x?y", false)]
    [InlineData("User-agent: *\nDisallow: /$", "/", false)]
    [InlineData("User-agent: *\nDisallow: /$", "/a", true)]
    [InlineData("User-agent: *\nDisallow: /ä", "/%C3%A4/x", false)]
    [InlineData("User-agent: *\nDisallow: /%c3%a4", "/ä", false)]
    [InlineData("User-agent: *\nDisallow: /%7Ejoe", "/~joe/index", false)]
    [InlineData("User-agent: *\nDisallow: /a%2Fb", "/a/b", true)] // an escaped slash is another octet
    [InlineData("User-agent: *\nDisallow: /", "/robots.txt", true)]
    [InlineData("\uFEFFUser-agent: *\rDisallow: /", "/a", false)]
    public void A_file_is_understood_as_rfc_9309_says(string file, string path, bool isAllowed) =>
        Assert.Equal(isAllowed, RobotsRules.Parse(file, "HelixFlow").Allows(path));

    [Fact]
    public void The_delay_that_a_host_asks_for_is_read_and_no_nonsense()
    {
        Assert.Equal(TimeSpan.FromSeconds(2.5), RobotsRules.Parse("User-agent: *\nCrawl-delay: 2.5\nDisallow: /x", "HelixFlow").Delay);
        Assert.Equal(TimeSpan.Zero, RobotsRules.Parse("User-agent: *\nCrawl-delay: -1", "HelixFlow").Delay);
        Assert.Equal(TimeSpan.Zero, RobotsRules.Parse("User-agent: *\nCrawl-delay: 1e300", "HelixFlow").Delay);
        Assert.Equal(TimeSpan.Zero, RobotsRules.Parse("User-agent: *\nCrawl-delay: NaN", "HelixFlow").Delay);
    }

    [Fact]
    public void Wildcards_match_as_trying_all_places_does()
    {
        var random = new Random(7);
        for (int round = 0; round < 50_000; round++)
        {
            string pattern = "/" + Some(random, "ab*$", 8), path = "/" + Some(random, "ab$", 10);
            Assert.True(Slow(pattern, 0, path, 0) == RobotsRules.Matches(pattern, path), $"{pattern} {path}");
        }
    }

    [Fact]
    public void Files_of_any_kind_are_read_to_their_end()
    {
        var random = new Random(8);
        string[] pieces = ["User-agent:", "user-agent", "Disallow:", "Allow:", " ", "*", "/", "$", "%", "%4", "%C3", "\n", "\r", "\r\n", "#", ":", "helixflow", "ä", "\ud83d", "\0", "Crawl-delay:", "9", "é*"];
        for (int round = 0; round < 20_000; round++)
        {
            string file = string.Concat(Enumerable.Range(0, random.Next(0, 40)).Select(_ => pieces[random.Next(pieces.Length)]));
            RobotsRules rules = RobotsRules.Parse(file, "HelixFlow");
            string path = "/" + string.Concat(Enumerable.Range(0, random.Next(0, 6)).Select(_ => pieces[random.Next(pieces.Length)]));

            Assert.Equal(rules.Allows(path), RobotsRules.Parse(file, "HelixFlow").Allows(path));
            Assert.InRange(rules.Delay, TimeSpan.Zero, TimeSpan.FromDays(1));
            if (!file.Contains("isallow", StringComparison.OrdinalIgnoreCase))
            {
                Assert.True(rules.Allows(path));
            }
        }
    }

    [Fact]
    public void A_hostile_file_of_full_size_is_judged()
    {
        var file = new StringBuilder("User-agent: *\n");
        while (file.Length < RobotsRules.MaxBytes)
        {
            file.Append("Disallow: /").Append(string.Concat(Enumerable.Repeat("a*", 50))).Append("b\n");
        }

        Assert.True(RobotsRules.Parse(file.ToString(), "HelixFlow").Allows("/" + new string('a', 2000)));
    }

    private static string Some(Random random, string letters, int most) =>
        string.Concat(Enumerable.Range(0, random.Next(0, most)).Select(_ => letters[random.Next(letters.Length)]));

    private static bool Slow(string pattern, int p, string path, int at) =>
        p == pattern.Length || (pattern[p] == '$' && p == pattern.Length - 1 ? at == path.Length
        : pattern[p] == '*' ? Enumerable.Range(at, path.Length - at + 1).Any(next => Slow(pattern, p + 1, path, next))
        : at < path.Length && pattern[p] == path[at] && Slow(pattern, p + 1, path, at + 1));
}

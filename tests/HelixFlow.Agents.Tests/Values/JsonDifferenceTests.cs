using System.Text;
using HelixFlow.Agents.Values;

namespace HelixFlow.Agents.Tests.Values;

public sealed class JsonDifferenceTests
{
    [Theory]
    [InlineData("""{"a":1}""", """{"a":1}""", "")]
    [InlineData("""{"a":1}""", """{"a":2}""", "/a")]
    [InlineData("""{"a":{"b":[1,2,3]}}""", """{"a":{"b":[1,5]}}""", "/a/b/1 /a/b/2")]
    [InlineData("""{"a":1,"b":2}""", """{"b":2,"c":3}""", "/a /c")]
    [InlineData("""{"x/y":{"~":1}}""", """{"x/y":{"~":2}}""", "/x~1y/~0")]
    [InlineData("""{"a":[1]}""", """{"a":{"0":1}}""", "/a")]
    public void Differences_are_named_by_their_places(string a, string b, string places) => Assert.Equal(places, string.Join(' ', Between(a, b)));

    [Fact]
    public void The_root_has_the_empty_place() => Assert.Equal([""], Between("1", "2"));

    [Fact]
    public void There_are_twenty_at_most() =>
        Assert.Equal(20, Between($"[{string.Join(',', Enumerable.Repeat(1, 100))}]", $"[{string.Join(',', Enumerable.Repeat(2, 100))}]").Count);

    private static List<string> Between(string a, string b) => JsonDifference.Between(Encoding.UTF8.GetBytes(a), Encoding.UTF8.GetBytes(b));
}

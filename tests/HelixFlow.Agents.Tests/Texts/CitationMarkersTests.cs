using HelixFlow.Agents.Texts;

namespace HelixFlow.Agents.Tests.Texts;

public sealed class CitationMarkersTests
{
    [Theory]
    [InlineData("a [1] b [2, 3].", "a [2] b [4, 6].")]
    [InlineData("22[1])[3, 4][3, 4], a", "22[2])[6, 8][6, 8], a")]
    [InlineData("[9] a [9, 1]", " a [2]")]
    [InlineData("[1, 1]", "[2]")]
    [InlineData("[] [x] [1,] [1234567890]", "[] [x] [1,] [1234567890]")]
    public void Numbers_are_replaced_where_they_stand_in_brackets(string text, string expected) =>
        Assert.Equal(expected, CitationMarkers.Rewrite(text, static number => number == 9 ? null : 2 * number));

    [Theory]
    [InlineData("[a] [1] [[2]3]", "(a) [1] ([2]3)")]
    [InlineData("][", ")(")]
    public void Other_brackets_can_be_made_round(string text, string expected) => Assert.Equal(expected, CitationMarkers.Isolate(text));

    [Fact]
    public void Hidden_markers_name_nothing() => Assert.Equal("a (1) (2, 3) [x]", CitationMarkers.Hide("a [1] [2, 3] [x]"));
}

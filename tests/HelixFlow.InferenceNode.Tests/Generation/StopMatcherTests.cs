using System.Text;
using HelixFlow.InferenceNode.Generation;

namespace HelixFlow.InferenceNode.Tests.Generation;

public sealed class StopMatcherTests
{
    [Fact]
    public void Without_stop_texts_everything_passes_at_once()
    {
        var matcher = new StopMatcher([]);

        Assert.Equal("anything", matcher.Append("anything"));
        Assert.False(matcher.Stopped);
    }

    [Fact]
    public void A_possible_beginning_is_held_back_and_released_when_it_turns_out_otherwise()
    {
        var matcher = new StopMatcher(["END"]);

        Assert.Equal("a", matcher.Append("aE"));
        Assert.Equal("", matcher.Append("N"));
        Assert.Equal("ENx", matcher.Append("x"));
        Assert.False(matcher.Stopped);
        Assert.Equal("", matcher.Found);
    }

    [Fact]
    public void Text_ends_before_the_first_of_several_stops()
    {
        var matcher = new StopMatcher(["two", "one"]);

        Assert.Equal("zero ", matcher.Append("zero one two"));
        Assert.True(matcher.Stopped);
        Assert.Equal("one", matcher.Found);
        Assert.Equal("", matcher.Append("three"));
        Assert.Equal("", matcher.Flush());
    }

    [Fact]
    public void Flush_releases_an_unfinished_beginning()
    {
        var matcher = new StopMatcher(["\n\n"]);

        Assert.Equal("line", matcher.Append("line\n"));
        Assert.Equal("\n", matcher.Flush());
    }

    [Fact]
    public void The_result_does_not_depend_on_how_the_text_is_cut()
    {
        var random = new Random(7);
        for (int round = 0; round < 3000; round++)
        {
            string text = RandomText(random, random.Next(0, 30));
            string[] stops = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => RandomText(random, random.Next(1, 5)))];
            string expected = CutCharacterByCharacter(text, stops);

            var matcher = new StopMatcher(stops);
            var output = new StringBuilder();
            for (int at = 0; at < text.Length;)
            {
                int length = Math.Min(text.Length - at, random.Next(1, 6));
                output.Append(matcher.Append(text.AsSpan(at, length)));
                at += length;
            }

            output.Append(matcher.Flush());

            Assert.Equal(expected, output.ToString());
        }
    }

    private static string CutCharacterByCharacter(string text, string[] stops)
    {
        for (int end = 1; end <= text.Length; end++)
        {
            string[] found = [.. stops.Where(stop => text.AsSpan(0, end).EndsWith(stop, StringComparison.Ordinal))];
            if (found.Length > 0)
            {
                return text[..(end - found.Max(stop => stop.Length))];
            }
        }

        return text;
    }

    private static string RandomText(Random random, int length) => string.Concat(Enumerable.Range(0, length).Select(_ => "ab\n"[random.Next(3)]));
}

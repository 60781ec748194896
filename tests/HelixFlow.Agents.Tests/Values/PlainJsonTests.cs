using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Values;

namespace HelixFlow.Agents.Tests.Values;

/// <summary>The quick look never takes for canonical what the full way would write otherwise, and takes what most values are.</summary>
public sealed class PlainJsonTests
{
    [Theory]
    [InlineData("0")]
    [InlineData("-17")]
    [InlineData("123456789012345")]
    [InlineData("\"\"")]
    [InlineData("\"a b\u00e9\u4e2d\U0001F600\"")]
    [InlineData("true")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("[1,[],{}]")]
    [InlineData("{\"\":0,\"A\":{\"b\":[1,2]},\"a\":\"x\"}")]
    public void What_is_plain_is_taken_as_it_is(string json)
    {
        Assert.True(CanonicalJson.IsPlain(Encoding.UTF8.GetBytes(json)));
        Assert.Equal(json, Encoding.UTF8.GetString(CanonicalJson.Of(JsonElement.Parse(json))));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" 1")]
    [InlineData("1 ")]
    [InlineData("[1, 2]")]
    [InlineData("-0")]
    [InlineData("01")]
    [InlineData("1.0")]
    [InlineData("1e2")]
    [InlineData("1234567890123456")]
    [InlineData("{\"b\":1,\"a\":2}")]
    [InlineData("{\"a\":1,\"a\":2}")]
    [InlineData("{\"\":1,\"\":2}")]
    [InlineData("{\"\u00e9\":1}")]
    [InlineData("\"\\u0041\"")]
    [InlineData("\"a\nb\"")]
    [InlineData("\"a")]
    [InlineData("{\"a\"}")]
    [InlineData("{\"a\":1,}")]
    [InlineData("[1,]")]
    [InlineData("[")]
    [InlineData("truer")]
    [InlineData("tru")]
    [InlineData("1]")]
    [InlineData("-")]
    public void All_else_is_left_to_the_full_way(string json) => Assert.False(CanonicalJson.IsPlain(Encoding.UTF8.GetBytes(json)));

    [Fact]
    public void Bytes_that_are_no_text_are_not_plain() => Assert.False(CanonicalJson.IsPlain([(byte)'"', 0xff, (byte)'"']));

    [Fact]
    public void Whatever_is_taken_is_what_the_full_way_writes()
    {
        var random = new Random(5);
        string[] pieces = ["{", "}", "[", "]", ",", ":", "\"a\"", "\"b\"", "\"\"", "\"\u00e9\"", "0", "1", "-", "12", ".5", "e1", "true", "null", " ", "\"\\n\""];
        int taken = 0;
        for (int round = 0; round < 200_000; round++)
        {
            string text = round % 2 == 0 ? string.Concat(Enumerable.Range(0, random.Next(1, 9)).Select(_ => pieces[random.Next(pieces.Length)])) : Value(random, 0);
            byte[] json = Encoding.UTF8.GetBytes(text);
            if (CanonicalJson.IsPlain(json))
            {
                Assert.Equal(text, Encoding.UTF8.GetString(CanonicalJson.Of(JsonElement.Parse(text))));
                taken++;
            }
        }

        Assert.True(taken > 5_000, $"{taken} were taken: the test shows little.");
    }

    private static string Value(Random random, int depth) => random.Next(depth > 3 ? 4 : 6) switch
    {
        0 => random.Next(-100, 100).ToString(System.Globalization.CultureInfo.InvariantCulture),
        1 => "\"x\"",
        2 => random.Next(2) == 0 ? "true" : "1.5",
        3 => "{}",
        4 => $"[{string.Join(',', Enumerable.Range(0, random.Next(3)).Select(_ => Value(random, depth + 1)))}]",
        _ => $"{{{string.Join(',', Enumerable.Range(0, random.Next(1, 4)).Select(_ => $"\"{(char)('a' + random.Next(5))}\":{Value(random, depth + 1)}"))}}}",
    };
}

using System.Text;
using HelixFlow.Agents.Values;

namespace HelixFlow.Agents.Tests.Values;

/// <summary>The witness is RFC 8785 itself: its examples and the numbers of its appendix B.</summary>
public sealed class CanonicalJsonTests
{
    [Theory]
    [InlineData(0x0000000000000000UL, "0")]
    [InlineData(0x8000000000000000UL, "0")]
    [InlineData(0x0000000000000001UL, "5e-324")]
    [InlineData(0x8000000000000001UL, "-5e-324")]
    [InlineData(0x7fefffffffffffffUL, "1.7976931348623157e+308")]
    [InlineData(0xffefffffffffffffUL, "-1.7976931348623157e+308")]
    [InlineData(0x4340000000000000UL, "9007199254740992")]
    [InlineData(0xc340000000000000UL, "-9007199254740992")]
    [InlineData(0x4430000000000000UL, "295147905179352830000")]
    [InlineData(0x44b52d02c7e14af5UL, "9.999999999999997e+22")]
    [InlineData(0x44b52d02c7e14af6UL, "1e+23")]
    [InlineData(0x44b52d02c7e14af7UL, "1.0000000000000001e+23")]
    [InlineData(0x444b1ae4d6e2ef4eUL, "999999999999999700000")]
    [InlineData(0x444b1ae4d6e2ef4fUL, "999999999999999900000")]
    [InlineData(0x444b1ae4d6e2ef50UL, "1e+21")]
    [InlineData(0x3eb0c6f7a0b5ed8cUL, "9.999999999999997e-7")]
    [InlineData(0x3eb0c6f7a0b5ed8dUL, "0.000001")]
    [InlineData(0x41b3de4355555553UL, "333333333.3333332")]
    [InlineData(0x41b3de4355555554UL, "333333333.33333325")]
    [InlineData(0x41b3de4355555555UL, "333333333.3333333")]
    [InlineData(0x41b3de4355555556UL, "333333333.3333334")]
    [InlineData(0x41b3de4355555557UL, "333333333.33333343")]
    [InlineData(0xbecbf647612f3696UL, "-0.0000033333333333333333")]
    [InlineData(0x43143ff3c1cb0959UL, "1424953923781206.2")]
    public void Numbers_are_written_as_the_standard_says(ulong bits, string expected) => Assert.Equal(expected, CanonicalJson.Of(BitConverter.UInt64BitsToDouble(bits)));

    [Fact]
    public void The_standards_example_gives_the_standards_bytes()
    {
        const string Example = """
            {
              "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
              "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
              "literals": [null, true, false]
            }
            """;

        string canonical = Encoding.UTF8.GetString(CanonicalJson.Of(Encoding.UTF8.GetBytes(Example)));

        Assert.Equal("""{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}""", canonical);
    }

    [Fact]
    public void Keys_are_sorted_by_their_code_units()
    {
        const string Example = """{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}""";

        using var sorted = System.Text.Json.JsonDocument.Parse(CanonicalJson.Of(Encoding.UTF8.GetBytes(Example)));

        Assert.Equal(["\r", "1", "\u0080", "ö", "€", "😀", "\ufb33"], sorted.RootElement.EnumerateObject().Select(static property => property.Name));
    }

    [Theory]
    [InlineData("""{"a":1,"a":2}""")]
    [InlineData("1e400")]
    [InlineData("\"\\ud800\"")]
    public void What_has_no_canonical_form_is_refused(string json) => Assert.Throws<FormatException>(() => CanonicalJson.Of(Encoding.UTF8.GetBytes(json)));

    [Fact]
    public void A_canonical_text_stays_as_it_is()
    {
        var random = new Random(7);
        for (int i = 0; i < 2000; i++)
        {
            byte[] once = CanonicalJson.Of(Encoding.UTF8.GetBytes(RandomJson(random, 4)));
            Assert.Equal(once, CanonicalJson.Of(once));
        }
    }

    private static string RandomJson(Random random, int depth) => random.Next(depth > 0 ? 6 : 4) switch
    {
        0 => BitConverter.Int64BitsToDouble(random.NextInt64()) is var number && double.IsFinite(number) ? number.ToString("R", System.Globalization.CultureInfo.InvariantCulture) : "17",
        1 => System.Text.Json.JsonSerializer.Serialize(new string([.. Enumerable.Range(0, random.Next(6)).Select(_ => (char)random.Next(1, 0x2fff))])),
        2 => "true",
        3 => "null",
        4 => $"[{string.Join(',', Enumerable.Range(0, random.Next(4)).Select(_ => RandomJson(random, depth - 1)))}]",
        _ => $"{{{string.Join(',', Enumerable.Range(0, random.Next(4)).Select(i => $"\"{(char)random.Next('a', 'z')}{i}\":{RandomJson(random, depth - 1)}"))}}}",
    };
}

using System.Text;
using HelixFlow.Agents.Values;

namespace HelixFlow.Agents.Tests.Values;

public sealed class ValueReferenceTests
{
    [Fact]
    public void Small_JSON_is_its_own_reference_and_larger_one_has_its_hash()
    {
        Assert.Equal("=42", ValueReference.Of("42"u8));
        Assert.Equal("73475cb40a568e8da8a045ced110137e159f890ac4da883b6b17dc651b3a8049", ValueReference.HashOf("=42")); // as sha256sum says
        Assert.Equal("73475cb40a568e8da8a045ced110137e159f890ac4da883b6b17dc651b3a8049", ValueReference.HashOf(ValueReference.HashOf("=42")));
        Assert.True(ValueReference.IsValue(ValueReference.Of(Text(ValueReference.MostBytes))));
        Assert.Equal(ActionDigest.HashOf(Text(ValueReference.MostBytes + 1)), ValueReference.Of(Text(ValueReference.MostBytes + 1)));
        Assert.Null(ValueReference.ValueOf(ValueReference.Of(Text(1_000))));
    }

    [Fact]
    public void What_is_its_own_reference_is_read_back_from_it_byte_for_byte_and_both_ways_of_writing_one_agree()
    {
        var random = new Random(7);
        Span<byte> space = stackalloc byte[ValueReference.MostBytes + 1];
        for (int i = 0; i < 2_000; i++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(1, 90)).Select(_ => new Rune(random.Next(4) == 0 ? random.Next(0x1F300, 0x1F600) : random.Next(0x20, 0x2000)).ToString()));
            byte[] canonical = CanonicalJson.Of(Encoding.UTF8.GetBytes(System.Text.Json.JsonSerializer.Serialize(text)));
            string reference = ValueReference.Of(canonical);

            Assert.Equal(reference, Encoding.UTF8.GetString(space[..ValueReference.Write(canonical, space)]));
            Assert.Equal(ActionDigest.HashOf(canonical), ValueReference.HashOf(reference));
            if (ValueReference.ValueOf(reference) is { } value)
            {
                Assert.Equal(canonical, value);
            }
        }
    }

    private static byte[] Text(int bytes) => Encoding.UTF8.GetBytes($"\"{new string('x', bytes - 2)}\"");
}

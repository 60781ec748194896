using System.Text.Json;
using HelixFlow.Agents.Catalog;

namespace HelixFlow.Agents.Tests.Catalog;

public sealed class ValueSchemaTests
{
    [Theory]
    [InlineData("""{"type":"integer","minimum":1,"maximum":3}""", "2", true)]
    [InlineData("""{"type":"integer","minimum":1,"maximum":3}""", "2.0", true)]
    [InlineData("""{"type":"integer"}""", "2.5", false)]
    [InlineData("""{"minimum":1}""", "0", false)]
    [InlineData("""{"minimum":1}""", "\"text\"", true)]
    [InlineData("""{"exclusiveMaximum":1}""", "1", false)]
    [InlineData("""{"type":["string","null"]}""", "null", true)]
    [InlineData("""{"type":["string","null"]}""", "1", false)]
    [InlineData("""{"maxLength":2}""", "\"\ud83d\ude00\ud83d\ude00\"", true)]
    [InlineData("""{"maxLength":2}""", "\"abc\"", false)]
    [InlineData("""{"enum":["a",1.0]}""", "1", true)]
    [InlineData("""{"enum":["a"]}""", "\"b\"", false)]
    [InlineData("""{"const":{"a":1,"b":2}}""", """{"b":2,"a":1}""", true)]
    [InlineData("""{"items":{"type":"string"},"minItems":1,"maxItems":2}""", """["a"]""", true)]
    [InlineData("""{"items":{"type":"string"}}""", """["a",1]""", false)]
    [InlineData("""{"minItems":1}""", "[]", false)]
    [InlineData("""{"properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}""", """{"a":"x"}""", true)]
    [InlineData("""{"properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}""", """{}""", false)]
    [InlineData("""{"properties":{"a":{"type":"string"}},"additionalProperties":false}""", """{"b":1}""", false)]
    [InlineData("""{"additionalProperties":{"type":"number"}}""", """{"b":1}""", true)]
    [InlineData("""{"additionalProperties":{"type":"number"}}""", """{"b":"1"}""", false)]
    [InlineData("""{"anyOf":[{"type":"string"},{"type":"number"}]}""", "1", true)]
    [InlineData("""{"anyOf":[{"type":"string"},{"type":"number"}]}""", "[]", false)]
    [InlineData("true", "[]", true)]
    [InlineData("false", "[]", false)]
    public void A_value_satisfies_a_schema_or_does_not(string schema, string value, bool isValid) =>
        Assert.Equal(isValid, ValueSchema.Parse(JsonElement.Parse(schema)).Check(JsonElement.Parse(value)).Count == 0);

    [Fact]
    public void Every_fault_is_told_with_its_place()
    {
        var schema = ValueSchema.Parse(JsonElement.Parse("""{"properties":{"a/b":{"items":{"type":"string"}}},"required":["c"]}"""));

        Assert.Equal(["/c", "/a~1b/1"], schema.Check(JsonElement.Parse("""{"a/b":["x",1]}""")).Select(static error => error.Pointer));
    }

    [Theory]
    [InlineData("""{"type":"object","patternProperties":{}}""", "/patternProperties")]
    [InlineData("""{"properties":{"a":{"format":"date"}}}""", "/properties/a/format")]
    [InlineData("""{"type":"text"}""", "/type")]
    [InlineData("""{"minimum":"1"}""", "/minimum")]
    [InlineData("""1""", "''")]
    public void A_schema_that_says_more_than_is_checked_is_refused(string schema, string place) =>
        Assert.Contains(place, Assert.Throws<ArgumentException>(() => ValueSchema.Parse(JsonElement.Parse(schema))).Message, StringComparison.Ordinal);
}

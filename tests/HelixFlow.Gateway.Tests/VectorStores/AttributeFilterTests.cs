using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.VectorStores;

namespace HelixFlow.Gateway.Tests.VectorStores;

public sealed class AttributeFilterTests
{
    private static readonly string[] Keys = ["a", "b", "c"];
    private static readonly string[] Types = ["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"];

    [Fact]
    public void A_filter_passes_what_a_plain_evaluation_passes()
    {
        var random = new Random(42);
        int passed = 0;
        for (int round = 0; round < 20_000; round++)
        {
            JsonObject filter = Filter(random, 3);
            JsonObject attributes = Attributes(random);

            bool actual = Read(filter.ToJsonString())!.Passes(JsonElement.Parse(attributes.ToJsonString()));

            Assert.True(Evaluate(filter, attributes) == actual, $"{filter.ToJsonString()} of {attributes.ToJsonString()} is {actual}");
            passed += actual ? 1 : 0;
        }

        Assert.InRange(passed, 2000, 18_000);
    }

    [Fact]
    public void Damaged_filters_are_refused_and_never_fail_otherwise()
    {
        var random = new Random(7);
        const string Letters = "{}[]\",:abtypeky1null-.ininandor";
        int refused = 0;
        for (int round = 0; round < 20_000; round++)
        {
            char[] text = Filter(random, 3).ToJsonString().ToCharArray();
            for (int i = random.Next(1, 4); i > 0; i--)
            {
                text[random.Next(text.Length)] = Letters[random.Next(Letters.Length)];
            }

            JsonElement parsed;
            try
            {
                parsed = JsonElement.Parse(new string(text), new JsonDocumentOptions { AllowDuplicateProperties = false });
            }
            catch (JsonException)
            {
                continue;
            }

            try
            {
                Read(parsed.GetRawText())?.Passes(JsonElement.Parse("""{"a":1,"b":"x","c":true}"""));
            }
            catch (OpenAiException exception)
            {
                Assert.Equal(400, exception.Error.Status);
                Assert.StartsWith("filters", exception.Error.Param, StringComparison.Ordinal);
                refused++;
            }
        }

        Assert.True(refused > 100);
    }

    private static AttributeFilter? Read(string filter)
    {
        using var document = JsonDocument.Parse($$"""{"filters":{{filter}}}""");
        return AttributeFilter.Read(new RequestFields(document.RootElement));
    }

    private static JsonObject Filter(Random random, int depth)
    {
        if (depth > 0 && random.Next(2) == 0)
        {
            var parts = new JsonArray();
            for (int i = random.Next(1, 4); i > 0; i--)
            {
                parts.Add(Filter(random, depth - 1));
            }

            return new JsonObject { ["type"] = random.Next(2) == 0 ? "and" : "or", ["filters"] = parts };
        }

        string type = Types[random.Next(Types.Length)];
        JsonNode value = type is "in" or "nin" ? new JsonArray(Value(random, false), Value(random, false)) : Value(random, type is "eq" or "ne");
        return new JsonObject { ["type"] = type, ["key"] = Keys[random.Next(Keys.Length)], ["value"] = value };
    }

    private static JsonObject Attributes(Random random)
    {
        var attributes = new JsonObject();
        foreach (string key in Keys)
        {
            if (random.Next(4) > 0)
            {
                attributes[key] = Value(random, true);
            }
        }

        return attributes;
    }

    private static JsonValue Value(Random random, bool withBooleans) => random.Next(withBooleans ? 3 : 2) switch
    {
        0 => JsonValue.Create(random.Next(-2, 3)),
        1 => JsonValue.Create(new[] { "", "a", "B", "ab" }[random.Next(4)]),
        _ => JsonValue.Create(random.Next(2) == 0),
    };

    private static bool Evaluate(JsonObject filter, JsonObject attributes)
    {
        string type = (string)filter["type"]!;
        if (type is "and" or "or")
        {
            IEnumerable<bool> parts = filter["filters"]!.AsArray().Select(part => Evaluate(part!.AsObject(), attributes));
            return type == "and" ? parts.All(static passes => passes) : parts.Any(static passes => passes);
        }

        JsonNode? found = attributes[(string)filter["key"]!];
        JsonNode value = filter["value"]!;
        return type switch
        {
            "eq" => found is not null && JsonNode.DeepEquals(found, value),
            "ne" => found is null || !JsonNode.DeepEquals(found, value),
            "in" => found is not null && value.AsArray().Any(one => JsonNode.DeepEquals(found, one)),
            "nin" => found is null || !value.AsArray().Any(one => JsonNode.DeepEquals(found, one)),
            _ => found is not null && found.GetValueKind() == value.GetValueKind() && Compare(found, value) is var order
                && (type.StartsWith("gt", StringComparison.Ordinal) ? order > 0 || (order == 0 && type == "gte") : order < 0 || (order == 0 && type == "lte")),
        };
    }

    private static int Compare(JsonNode left, JsonNode right) => left.GetValueKind() == JsonValueKind.String
        ? string.CompareOrdinal((string)left!, (string)right!)
        : ((int)left).CompareTo((int)right);
}

using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Requests;

namespace HelixFlow.Gateway.VectorStores;

/// <summary>Tells by a file's attributes whether a search looks into it.</summary>
/// <remarks>
/// A file without the attribute passes "ne" and "nin" and nothing else; values of different types are never equal and have no order. Texts are
/// ordered by their UTF-16 code units. Immutable.
/// </remarks>
internal abstract class AttributeFilter
{
    private const int MostFilters = 1000;

    /// <summary>Whether the attributes, a JSON object, pass.</summary>
    public abstract bool Passes(JsonElement attributes);

    /// <summary>The filter in the field "filters"; null when it is absent.</summary>
    /// <param name="fields">Where it is.</param>
    /// <param name="param">Its name in errors.</param>
    /// <exception cref="Errors.OpenAiException">It is malformed, or larger than any sensible one.</exception>
    public static AttributeFilter? Read(RequestFields fields, string param = "filters")
    {
        int count = 0;
        return fields.TryGet("filters", out JsonElement filter) ? Parse(filter, param, ref count) : null;
    }

    private static AttributeFilter Parse(JsonElement filter, string param, ref int count)
    {
        if (++count > MostFilters)
        {
            throw RequestFields.Invalid("filters", string.Create(CultureInfo.InvariantCulture, $"Invalid 'filters': more than {MostFilters} filters."), "invalid_value");
        }

        if (filter.ValueKind != JsonValueKind.Object)
        {
            throw RequestFields.WrongType(param, "an object", filter);
        }

        var fields = new RequestFields(filter, param + ".");
        string type = fields.RequiredString("type");
        switch (type)
        {
            case "and" or "or":
                JsonElement parts = fields.Array("filters") ?? throw fields.Missing("filters");
                var filters = new List<AttributeFilter>();
                foreach (JsonElement part in parts.EnumerateArray())
                {
                    filters.Add(Parse(part, string.Create(CultureInfo.InvariantCulture, $"{param}.filters[{filters.Count}]"), ref count));
                }

                return filters.Count > 0
                    ? new Compound(type == "and", filters)
                    : throw RequestFields.Invalid(param + ".filters", $"Invalid '{param}.filters': expected at least one filter.", "empty_array");
            case "eq" or "ne" or "gt" or "gte" or "lt" or "lte" or "in" or "nin":
                return Compare(fields, type, param);
            default:
                throw RequestFields.Invalid(
                    param + ".type", $"Invalid value: '{type}'. Supported values are: 'eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'nin', 'and' and 'or'.", "invalid_value");
        }
    }

    private static Comparison Compare(RequestFields fields, string type, string param)
    {
        string key = fields.RequiredString("key");
        if (!fields.TryGet("value", out JsonElement value))
        {
            throw fields.Missing("value");
        }

        if (type is "in" or "nin")
        {
            if (value.ValueKind != JsonValueKind.Array)
            {
                throw RequestFields.WrongType(param + ".value", "an array of strings or numbers", value);
            }

            var values = new List<AttributeValue>();
            foreach (JsonElement item in value.EnumerateArray())
            {
                values.Add(item.ValueKind is JsonValueKind.String or JsonValueKind.Number
                    ? AttributeValue.Of(item)
                    : throw RequestFields.WrongType(string.Create(CultureInfo.InvariantCulture, $"{param}.value[{values.Count}]"), "a string or a number", item));
            }

            return new Comparison(type, key, values);
        }

        if (value.ValueKind is not (JsonValueKind.String or JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False))
        {
            throw RequestFields.WrongType(param + ".value", "a string, a number or a boolean", value);
        }

        return type is "eq" or "ne" || value.ValueKind is JsonValueKind.String or JsonValueKind.Number
            ? new Comparison(type, key, [AttributeValue.Of(value)])
            : throw RequestFields.WrongType(param + ".value", $"a string or a number for '{type}'", value);
    }

    private sealed class Compound(bool isAnd, List<AttributeFilter> filters) : AttributeFilter
    {
        public override bool Passes(JsonElement attributes)
        {
            foreach (AttributeFilter filter in filters)
            {
                if (filter.Passes(attributes) != isAnd)
                {
                    return !isAnd;
                }
            }

            return isAnd;
        }
    }

    private sealed class Comparison(string type, string key, List<AttributeValue> values) : AttributeFilter
    {
        public override bool Passes(JsonElement attributes)
        {
            if (attributes.ValueKind != JsonValueKind.Object || !attributes.TryGetProperty(key, out JsonElement found))
            {
                return type is "ne" or "nin";
            }

            var value = AttributeValue.Of(found);
            return type switch
            {
                "eq" => value == values[0],
                "ne" => value != values[0],
                "in" => values.Contains(value),
                "nin" => !values.Contains(value),
                _ => value.CompareTo(values[0]) is { } order && type switch
                {
                    "gt" => order > 0,
                    "gte" => order >= 0,
                    "lt" => order < 0,
                    _ => order <= 0,
                },
            };
        }
    }

    // Numbers beyond the range of double are infinite, and equal to each other.
    private readonly record struct AttributeValue(JsonValueKind Kind, string? Text, double Number)
    {
        public static AttributeValue Of(JsonElement value) => value.ValueKind switch
        {
            JsonValueKind.String => new AttributeValue(JsonValueKind.String, value.GetString(), 0),
            JsonValueKind.Number => new AttributeValue(JsonValueKind.Number, null, value.GetDouble()),
            var kind => new AttributeValue(kind, null, 0),
        };

        public int? CompareTo(AttributeValue other) => (Kind, other.Kind) switch
        {
            (JsonValueKind.String, JsonValueKind.String) => string.CompareOrdinal(Text, other.Text),
            (JsonValueKind.Number, JsonValueKind.Number) => Number.CompareTo(other.Number),
            _ => null,
        };
    }
}

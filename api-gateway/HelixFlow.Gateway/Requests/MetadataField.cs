using System.Globalization;
using System.Text.Json;

namespace HelixFlow.Gateway.Requests;

/// <summary>What a client attaches to what is stored for it: texts in "metadata", values of any simple type in the "attributes" of a vector store's files.</summary>
internal static class MetadataField
{
    private const int MostPairs = 16;
    private const int LongestKey = 64;
    private const int LongestValue = 512;

    /// <summary>The metadata as JSON text; null when the field is absent.</summary>
    /// <exception cref="Errors.OpenAiException">It is no object of at most 16 texts of at most 512 characters under names of at most 64.</exception>
    public static string? Read(RequestFields fields) => Read(fields, "metadata", "a string", static kind => kind == JsonValueKind.String).Json;

    /// <summary>The attributes of a file as JSON text; null when there are none.</summary>
    /// <exception cref="Errors.OpenAiException">It is no object of at most 16 texts, numbers or truth values under names of at most 64 characters.</exception>
    public static string? ReadAttributes(RequestFields fields) => Read(fields, "attributes", "a string, a number or a boolean",
        static kind => kind is JsonValueKind.String or JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False) is { Count: > 0 } read ? read.Json : null;

    private static (string? Json, int Count) Read(RequestFields fields, string name, string expected, Func<JsonValueKind, bool> isTaken)
    {
        if (fields.Object(name) is null)
        {
            return (null, 0);
        }

        fields.TryGet(name, out JsonElement pairs);
        int count = 0;
        foreach (JsonProperty pair in pairs.EnumerateObject())
        {
            count++;
            if (pair.Name.Length > LongestKey)
            {
                throw RequestFields.Invalid(name, TooLong(name, "property name", LongestKey, pair.Name.Length), "string_above_max_length");
            }

            string param = $"{name}.{pair.Name}";
            if (!isTaken(pair.Value.ValueKind))
            {
                throw RequestFields.WrongType(param, expected, pair.Value);
            }

            if (pair.Value.ValueKind == JsonValueKind.String && pair.Value.GetString()!.Length is > LongestValue and var length)
            {
                throw RequestFields.Invalid(param, TooLong(param, "string", LongestValue, length), "string_above_max_length");
            }
        }

        return count <= MostPairs ? (pairs.GetRawText(), count) : throw RequestFields.Invalid(
            name,
            string.Create(CultureInfo.InvariantCulture, $"Invalid '{name}': too many properties. Expected an object with at most {MostPairs} properties, but got an object with {count} properties instead."),
            "object_above_max_properties");
    }

    private static string TooLong(string param, string what, int most, int length) => string.Create(
        CultureInfo.InvariantCulture, $"Invalid '{param}': {what} too long. Expected a {what} with maximum length {most}, but got a {what} with length {length} instead.");
}

using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Requests;

namespace HelixFlow.Gateway.VectorStores;

/// <summary>The field "attributes": values by which the files of a store can be told apart in a search.</summary>
internal static class FileAttributes
{
    private const int MostPairs = 16;
    private const int LongestKey = 64;
    private const int LongestValue = 512;

    /// <summary>The attributes as JSON text; null when the field is absent or empty.</summary>
    /// <exception cref="Errors.OpenAiException">It is no object of at most 16 texts, numbers or truth values under names of at most 64 characters.</exception>
    public static string? Read(RequestFields fields)
    {
        if (fields.Object("attributes") is null)
        {
            return null;
        }

        fields.TryGet("attributes", out JsonElement attributes);
        int count = 0;
        foreach (JsonProperty pair in attributes.EnumerateObject())
        {
            count++;
            if (pair.Name.Length > LongestKey)
            {
                throw RequestFields.Invalid("attributes", TooLong("attributes", "property name", LongestKey, pair.Name.Length), "string_above_max_length");
            }

            string param = "attributes." + pair.Name;
            if (pair.Value.ValueKind is not (JsonValueKind.String or JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False))
            {
                throw RequestFields.WrongType(param, "a string, a number or a boolean", pair.Value);
            }

            if (pair.Value.ValueKind == JsonValueKind.String && pair.Value.GetString()!.Length is > LongestValue and var length)
            {
                throw RequestFields.Invalid(param, TooLong(param, "string", LongestValue, length), "string_above_max_length");
            }
        }

        return count switch
        {
            0 => null,
            <= MostPairs => attributes.GetRawText(),
            _ => throw RequestFields.Invalid(
                "attributes",
                string.Create(CultureInfo.InvariantCulture, $"Invalid 'attributes': too many properties. Expected an object with at most {MostPairs} properties, but got an object with {count} properties instead."),
                "object_above_max_properties"),
        };
    }

    private static string TooLong(string param, string what, int most, int length) => string.Create(
        CultureInfo.InvariantCulture, $"Invalid '{param}': {what} too long. Expected a {what} with maximum length {most}, but got a {what} with length {length} instead.");
}

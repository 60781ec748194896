using System.Globalization;
using System.Text.Json;

namespace HelixFlow.Gateway.Requests;

/// <summary>The field "metadata": texts that a client attaches to what is stored for it.</summary>
internal static class MetadataField
{
    private const int MostPairs = 16;
    private const int LongestKey = 64;
    private const int LongestValue = 512;

    /// <summary>The metadata as JSON text; null when the field is absent.</summary>
    /// <exception cref="Errors.OpenAiException">It is no object of at most 16 texts of at most 512 characters under names of at most 64.</exception>
    public static string? Read(RequestFields fields)
    {
        if (fields.Object("metadata") is null)
        {
            return null;
        }

        fields.TryGet("metadata", out JsonElement metadata);
        int count = 0;
        foreach (JsonProperty pair in metadata.EnumerateObject())
        {
            count++;
            if (pair.Name.Length > LongestKey)
            {
                throw RequestFields.Invalid("metadata", TooLong("metadata", "property name", LongestKey, pair.Name.Length), "string_above_max_length");
            }

            string param = "metadata." + pair.Name;
            if (pair.Value.ValueKind != JsonValueKind.String)
            {
                throw RequestFields.WrongType(param, "a string", pair.Value);
            }

            int length = pair.Value.GetString()!.Length;
            if (length > LongestValue)
            {
                throw RequestFields.Invalid(param, TooLong(param, "string", LongestValue, length), "string_above_max_length");
            }
        }

        return count <= MostPairs ? metadata.GetRawText() : throw RequestFields.Invalid(
            "metadata",
            string.Create(CultureInfo.InvariantCulture, $"Invalid 'metadata': too many properties. Expected an object with at most {MostPairs} properties, but got an object with {count} properties instead."),
            "object_above_max_properties");
    }

    private static string TooLong(string param, string what, int most, int length) => string.Create(
        CultureInfo.InvariantCulture, $"Invalid '{param}': {what} too long. Expected a {what} with maximum length {most}, but got a {what} with length {length} instead.");
}

using System.Text.Json;
using HelixFlow.Gateway.Requests;

namespace HelixFlow.Gateway.Batches;

/// <summary>The field "metadata": up to 16 short texts that the client wants back.</summary>
internal static class BatchMetadata
{
    private const int MostPairs = 16;
    private const int LongestKey = 64;
    private const int LongestValue = 512;

    /// <summary>The field as JSON text; null when there is none.</summary>
    /// <exception cref="Errors.OpenAiException">It is no such object.</exception>
    public static string? Read(RequestFields fields)
    {
        if (!fields.TryGet("metadata", out JsonElement metadata))
        {
            return null;
        }

        if (metadata.ValueKind != JsonValueKind.Object)
        {
            throw RequestFields.WrongType("metadata", "an object", metadata);
        }

        int pairs = 0;
        foreach (JsonProperty pair in metadata.EnumerateObject())
        {
            string param = $"metadata.{(pair.Name.Length <= LongestKey ? pair.Name : pair.Name[..LongestKey] + "…")}";
            if (pair.Value.ValueKind != JsonValueKind.String)
            {
                throw RequestFields.WrongType(param, "a string", pair.Value);
            }

            if (++pairs > MostPairs || pair.Name.Length > LongestKey || pair.Value.GetString()!.Length > LongestValue)
            {
                throw RequestFields.Invalid(
                    pairs > MostPairs ? "metadata" : param,
                    $"Invalid 'metadata': it has at most {MostPairs} pairs, with keys of at most {LongestKey} and values of at most {LongestValue} characters.",
                    "invalid_value");
            }
        }

        return metadata.GetRawText();
    }
}

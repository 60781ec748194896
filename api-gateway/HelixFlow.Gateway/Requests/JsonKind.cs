using System.Text.Json;

namespace HelixFlow.Gateway.Requests;

/// <summary>Names JSON values in error messages the way OpenAI does.</summary>
internal static class JsonKind
{
    public static string Describe(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => value.TryGetInt64(out _) ? "an integer" : "a decimal",
        JsonValueKind.True or JsonValueKind.False => "a boolean",
        _ => "null",
    };
}

using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Errors;

namespace HelixFlow.Gateway.Requests;

/// <summary>Takes fields out of a JSON object, checking type and range; null counts as absent, unknown fields are ignored.</summary>
/// <param name="value">The object.</param>
/// <param name="path">What its fields' names are prefixed with in errors, for example "stream_options."</param>
internal readonly struct RequestFields(JsonElement value, string path = "")
{
    /// <summary>What errors call a field.</summary>
    public string Param(string name) => path + name;

    public bool TryGet(string name, out JsonElement field) => value.TryGetProperty(name, out field) && field.ValueKind != JsonValueKind.Null;

    public string? String(string name) =>
        !TryGet(name, out JsonElement field) ? null
        : field.ValueKind == JsonValueKind.String ? field.GetString()
        : throw WrongType(path + name, "a string", field);

    public string RequiredString(string name) => String(name) ?? throw Missing(name);

    public bool Bool(string name) =>
        TryGet(name, out JsonElement field)
        && (field.ValueKind is JsonValueKind.True or JsonValueKind.False ? field.GetBoolean() : throw WrongType(path + name, "a boolean", field));

    public float? Number(string name, float least, float most)
    {
        if (!TryGet(name, out JsonElement field))
        {
            return null;
        }

        if (field.ValueKind != JsonValueKind.Number || !field.TryGetDouble(out double number))
        {
            throw WrongType(path + name, "a number", field);
        }

        return number < least ? throw TooSmall(path + name, least, field)
            : number > most ? throw TooLarge(path + name, most, field)
            : (float)number;
    }

    public long? Integer(string name, long least, long most)
    {
        if (!TryGet(name, out JsonElement field))
        {
            return null;
        }

        if (field.ValueKind != JsonValueKind.Number || !field.TryGetInt64(out long number))
        {
            throw WrongType(path + name, "an integer", field);
        }

        return number < least ? throw TooSmall(path + name, least, field)
            : number > most ? throw TooLarge(path + name, most, field)
            : number;
    }

    public RequestFields? Object(string name) =>
        !TryGet(name, out JsonElement field) ? null
        : field.ValueKind == JsonValueKind.Object ? new RequestFields(field, $"{path}{name}.")
        : throw WrongType(path + name, "an object", field);

    public JsonElement? Array(string name) =>
        !TryGet(name, out JsonElement field) ? null
        : field.ValueKind == JsonValueKind.Array ? field
        : throw WrongType(path + name, "an array", field);

    /// <summary>A text or an array of texts.</summary>
    public IReadOnlyList<string> Strings(string name, int most)
    {
        if (!TryGet(name, out JsonElement field))
        {
            return [];
        }

        if (field.ValueKind == JsonValueKind.String)
        {
            return [field.GetString()!];
        }

        if (field.ValueKind != JsonValueKind.Array)
        {
            throw WrongType(path + name, "a string or an array of strings", field);
        }

        if (field.GetArrayLength() > most)
        {
            throw Invalid(path + name, $"Invalid '{path}{name}': array too long. Expected an array with maximum length {most}, but got an array with length {field.GetArrayLength()} instead.", "array_above_max_length");
        }

        var texts = new List<string>();
        foreach (JsonElement item in field.EnumerateArray())
        {
            string param = string.Create(CultureInfo.InvariantCulture, $"{path}{name}[{texts.Count}]");
            texts.Add(item.ValueKind == JsonValueKind.String ? item.GetString()! : throw WrongType(param, "a string", item));
        }

        return texts;
    }

    public IReadOnlyList<int> Integers(string name)
    {
        if (Array(name) is not { } array)
        {
            return [];
        }

        var integers = new List<int>();
        foreach (JsonElement item in array.EnumerateArray())
        {
            integers.Add(item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out int integer)
                ? integer
                : throw WrongType(string.Create(CultureInfo.InvariantCulture, $"{path}{name}[{integers.Count}]"), "an integer", item));
        }

        return integers;
    }

    public OpenAiException Missing(string name) =>
        Invalid(path + name, $"Missing required parameter: '{path}{name}'.", "missing_required_parameter");

    /// <summary>For a field that this server knows and cannot honour.</summary>
    public OpenAiException Unsupported(string name, string reason) =>
        Invalid(path + name, $"Unsupported value: '{path}{name}' {reason}", "unsupported_value");

    /// <summary>For a text that is none of those that are known.</summary>
    public OpenAiException InvalidValue(string name, string value, string supported) =>
        Invalid(path + name, $"Invalid value: '{value}'. Supported values are: {supported}.", "invalid_value");

    public static OpenAiException WrongType(string param, string expected, JsonElement actual) =>
        Invalid(param, $"Invalid type for '{param}': expected {expected}, but got {JsonKind.Describe(actual)} instead.", "invalid_type");

    public static OpenAiException Invalid(string param, string message, string code) => new(OpenAiError.Invalid(message, param, code));

    private static OpenAiException TooSmall(string param, double least, JsonElement actual) => Invalid(
        param, string.Create(CultureInfo.InvariantCulture, $"Invalid '{param}': below minimum value. Expected a value >= {least}, but got {actual.GetRawText()} instead."), "decimal_below_min_value");

    private static OpenAiException TooLarge(string param, double most, JsonElement actual) => Invalid(
        param, string.Create(CultureInfo.InvariantCulture, $"Invalid '{param}': above maximum value. Expected a value <= {most}, but got {actual.GetRawText()} instead."), "decimal_above_max_value");
}

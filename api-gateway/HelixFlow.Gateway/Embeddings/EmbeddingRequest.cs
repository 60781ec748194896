using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Embeddings;

/// <summary>A parsed and checked body of <c>POST /v1/embeddings</c>.</summary>
/// <param name="Template">Model, pooling, dimensions and priority; without inputs.</param>
/// <param name="Inputs">What to embed, in the order of the answer.</param>
/// <param name="IsList">Whether the inputs came as a list, which is how errors name them.</param>
/// <param name="Base64">Whether vectors are sent as base64 of little-endian 32-bit floats.</param>
internal sealed record EmbeddingRequest(EmbedRequest Template, IReadOnlyList<EmbedInput> Inputs, bool IsList, bool Base64)
{
    private const int MostInputs = 2048;

    /// <exception cref="OpenAiException">A field is missing, of the wrong type, or out of range.</exception>
    public static EmbeddingRequest Parse(JsonElement body)
    {
        var fields = new RequestFields(body);
        var template = new EmbedRequest { Model = fields.RequiredString("model") };
        ReadPooling(fields, template);
        bool base64 = fields.String("encoding_format") switch
        {
            null or "float" => false,
            "base64" => true,
            { } other => throw RequestFields.Invalid("encoding_format", $"Invalid value: '{other}'. Supported values are: 'float' and 'base64'.", "invalid_value"),
        };
        template.Dimensions = (uint)(fields.Integer("dimensions", 1, int.MaxValue) ?? 0);
        fields.String("user");
        (List<EmbedInput> inputs, bool isList) = Input(fields);
        return new EmbeddingRequest(template, inputs, isList, base64);
    }

    /// <summary>Reads the fields beyond OpenAI's that everything that embeds has: "pooling", "truncate_prompt_tokens" and "priority".</summary>
    public static void ReadPooling(RequestFields fields, EmbedRequest template)
    {
        template.Pooling = fields.String("pooling") switch
        {
            null => Pooling.Unspecified,
            "last" => Pooling.Last,
            "mean" => Pooling.Mean,
            "cls" => Pooling.First,
            { } other => throw RequestFields.Invalid("pooling", $"Invalid value: '{other}'. Supported values are: 'cls', 'last' and 'mean'.", "invalid_value"),
        };
        if (fields.Integer("truncate_prompt_tokens", -1, int.MaxValue) is { } most)
        {
            template.TruncateTokens = (int)most; // under the name that vLLM gives it; -1 is the model's own limit
        }

        template.Priority = (int)(fields.Integer("priority", int.MinValue, int.MaxValue) ?? 0);
    }

    /// <summary>A text to embed.</summary>
    /// <exception cref="OpenAiException">It is empty.</exception>
    public static EmbedInput Text(string text, string param) => text.Length > 0
        ? new EmbedInput { Text = text }
        : throw RequestFields.Invalid(param, $"Invalid '{param}': input cannot be an empty string.", "invalid_value");

    /// <summary>How errors name an input.</summary>
    public string NameOf(int index) => IsList ? At("input", index) : "input";

    // A text, an array of texts, an array of token ids, or an array of arrays of token ids.
    private static (List<EmbedInput> Inputs, bool IsList) Input(RequestFields fields)
    {
        if (!fields.TryGet("input", out JsonElement input))
        {
            throw fields.Missing("input");
        }

        if (input.ValueKind == JsonValueKind.String)
        {
            return ([Text(input.GetString()!, "input")], false);
        }

        if (input.ValueKind != JsonValueKind.Array)
        {
            throw RequestFields.WrongType("input", "a string, an array of strings, or an array of token ids", input);
        }

        int count = input.GetArrayLength();
        if (count > 0 && input[0].ValueKind == JsonValueKind.Number)
        {
            return ([Tokens(input, "input")], false);
        }

        if (count is 0 or > MostInputs)
        {
            throw RequestFields.Invalid(
                "input",
                count == 0
                    ? "Invalid 'input': input cannot be an empty array."
                    : $"Invalid 'input': array too long. Expected an array with maximum length {MostInputs}, but got an array with length {count} instead.",
                count == 0 ? "empty_array" : "array_above_max_length");
        }

        var inputs = new List<EmbedInput>(count);
        foreach (JsonElement item in input.EnumerateArray())
        {
            string param = At("input", inputs.Count);
            inputs.Add(item.ValueKind switch
            {
                JsonValueKind.String => Text(item.GetString()!, param),
                JsonValueKind.Array => Tokens(item, param),
                _ => throw RequestFields.WrongType(param, "a string or an array of token ids", item),
            });
        }

        return (inputs, true);
    }

    private static EmbedInput Tokens(JsonElement array, string param)
    {
        if (array.GetArrayLength() == 0)
        {
            throw RequestFields.Invalid(param, $"Invalid '{param}': input cannot be an empty array.", "empty_array");
        }

        var ids = new TokenIds();
        foreach (JsonElement item in array.EnumerateArray())
        {
            ids.Ids.Add(item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out int id) && id >= 0
                ? id
                : throw RequestFields.WrongType(At(param, ids.Ids.Count), "a token id", item));
        }

        return new EmbedInput { Tokens = ids };
    }

    private static string At(string param, int index) => string.Create(CultureInfo.InvariantCulture, $"{param}[{index}]");
}

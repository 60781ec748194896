using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Completions;

/// <summary>A parsed and checked body of <c>POST /v1/completions</c>: one generation per prompt.</summary>
/// <param name="Prompts">One request per prompt; their choices are numbered through.</param>
/// <param name="Stream">Whether to answer as server-sent events.</param>
/// <param name="IncludeUsage">Whether the stream ends with the usage.</param>
/// <param name="Logprobs">Whether the answer shows log probabilities.</param>
/// <param name="Constraint">Where the body says what the answers must look like; null when it does not.</param>
internal sealed record CompletionRequest(IReadOnlyList<GenerateRequest> Prompts, bool Stream, bool IncludeUsage, bool Logprobs, ConstraintSource? Constraint)
{
    private const int MostPrompts = 128;
    private const uint DefaultMaxTokens = 16;

    public string Model => Prompts[0].Model;

    public uint ChoicesPerPrompt => Prompts[0].N;

    /// <exception cref="OpenAiException">A field is missing, of the wrong type, out of range, or cannot be honoured.</exception>
    public static CompletionRequest Parse(JsonElement body, GatewayOptions options)
    {
        var fields = new RequestFields(body);
        var template = new GenerateRequest { Model = fields.RequiredString("model") };
        if (fields.String("suffix") is { Length: > 0 })
        {
            throw fields.Unsupported("suffix", "is not supported by this server.");
        }

        GenerationFields.Read(fields, options, template);
        ConstraintSource? constraint = ConstraintFields.Read(fields, template);
        if (fields.Integer("best_of", 1, 20) is { } bestOf && bestOf != template.N)
        {
            throw fields.Unsupported("best_of", "must equal 'n': this server does not rank hidden candidates.");
        }

        template.MaxTokens = (uint)(fields.Integer("max_tokens", 1, int.MaxValue) ?? DefaultMaxTokens);
        template.Echo = fields.Bool("echo");
        long? logprobs = fields.Integer("logprobs", 0, 20);
        if (logprobs is { } top)
        {
            template.TopLogprobs = (uint)top;
        }

        (bool stream, bool includeUsage) = GenerationFields.Streaming(fields);
        List<GenerateRequest> prompts = [.. Prompt(fields).Select(fill => Filled(template, fill))];
        return new CompletionRequest(prompts, stream, includeUsage, logprobs is not null, constraint);
    }

    private static GenerateRequest Filled(GenerateRequest template, Action<GenerateRequest> fill)
    {
        GenerateRequest request = template.Clone();
        fill(request);
        return request;
    }

    // A text, an array of texts, an array of token ids, or an array of arrays of token ids.
    private static List<Action<GenerateRequest>> Prompt(RequestFields fields)
    {
        if (!fields.TryGet("prompt", out JsonElement prompt))
        {
            throw fields.Missing("prompt");
        }

        if (prompt.ValueKind == JsonValueKind.String)
        {
            return [Text(prompt)];
        }

        if (prompt.ValueKind != JsonValueKind.Array)
        {
            throw RequestFields.WrongType("prompt", "a string, an array of strings, or an array of token ids", prompt);
        }

        if (prompt.GetArrayLength() == 0)
        {
            throw RequestFields.Invalid("prompt", "Invalid 'prompt': empty array. Expected at least one prompt or token id.", "empty_array");
        }

        if (prompt[0].ValueKind == JsonValueKind.Number)
        {
            return [Tokens(prompt, "prompt")];
        }

        if (prompt.GetArrayLength() > MostPrompts)
        {
            throw RequestFields.Invalid("prompt", $"Invalid 'prompt': array too long. Expected at most {MostPrompts} prompts.", "array_above_max_length");
        }

        var prompts = new List<Action<GenerateRequest>>();
        foreach (JsonElement item in prompt.EnumerateArray())
        {
            string param = string.Create(CultureInfo.InvariantCulture, $"prompt[{prompts.Count}]");
            prompts.Add(item.ValueKind switch
            {
                JsonValueKind.String => Text(item),
                JsonValueKind.Array => Tokens(item, param),
                _ => throw RequestFields.WrongType(param, "a string or an array of token ids", item),
            });
        }

        return prompts;
    }

    private static Action<GenerateRequest> Text(JsonElement prompt)
    {
        string text = prompt.GetString()!;
        return request => request.Text = text;
    }

    private static Action<GenerateRequest> Tokens(JsonElement prompt, string param)
    {
        var ids = new TokenIds();
        foreach (JsonElement item in prompt.EnumerateArray())
        {
            ids.Ids.Add(item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out int id) && id >= 0
                ? id
                : throw RequestFields.WrongType(string.Create(CultureInfo.InvariantCulture, $"{param}[{ids.Ids.Count}]"), "a token id", item));
        }

        return request => request.Tokens = ids;
    }
}

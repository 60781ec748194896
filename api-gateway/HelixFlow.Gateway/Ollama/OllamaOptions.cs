using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Ollama;

/// <summary>The object <c>options</c>, the fields <c>format</c>, <c>logprobs</c> and <c>think</c>: what the requests that generate have in common.</summary>
internal static class OllamaOptions
{
    private const int MostStops = 16;

    private static readonly (string Name, float Neutral)[] _samplers = [("mirostat", 0), ("tfs_z", 1), ("typical_p", 1)];

    /// <summary>Fills the request from the body's fields.</summary>
    /// <returns>Where the body says what the answer must look like; null when it does not.</returns>
    /// <exception cref="OpenAiException">A field is of the wrong type, out of range, or cannot be honoured.</exception>
    public static ConstraintSource? Read(RequestFields fields, GenerateRequest request)
    {
        request.N = 1;
        request.Sampling = new SamplingParameters();
        if (fields.Object("options") is { } options)
        {
            ReadOptions(options, request);
        }

        long top = fields.Integer("top_logprobs", 0, 20) ?? 0;
        if (fields.Bool("logprobs"))
        {
            request.TopLogprobs = (uint)top;
        }

        return Format(fields, request);
    }

    /// <summary>Reads <c>think</c>: whether the model reasons before it answers, or how much.</summary>
    /// <exception cref="OpenAiException">It has another value, or the model does not reason.</exception>
    public static string Think(RequestFields fields, ModelDescription model)
    {
        if (!fields.TryGet("think", out JsonElement think))
        {
            return "";
        }

        string? effort = think.ValueKind == JsonValueKind.String ? think.GetString() : null;
        if (think.ValueKind is not (JsonValueKind.True or JsonValueKind.False) && effort is not ("low" or "medium" or "high" or "max"))
        {
            throw RequestFields.Invalid("think", $"invalid think value: {think.GetRawText()} (must be \"low\", \"medium\", \"high\", \"max\", true, or false)", "invalid_value");
        }

        bool isOn = think.ValueKind != JsonValueKind.False;
        return isOn && !model.Reasoning
            ? throw RequestFields.Invalid("think", $"\"{model.Name}\" does not support thinking", "unsupported_value")
            : TemplateVariables.Of(isOn, effort);
    }

    /// <summary>Whether the answer comes in pieces: unless it is told otherwise.</summary>
    public static bool Stream(RequestFields fields) => !fields.TryGet("stream", out _) || fields.Bool("stream");

    /// <summary>Whether <c>keep_alive</c> is 0, which unloads the model; other values change nothing: models stay until their memory is needed.</summary>
    /// <exception cref="OpenAiException">It is neither a text nor a number.</exception>
    public static bool IsKeptAliveForNoTime(RequestFields fields) => fields.TryGet("keep_alive", out JsonElement keep) && keep.ValueKind switch
    {
        JsonValueKind.Number => keep.TryGetDouble(out double seconds) && seconds == 0,
        JsonValueKind.String => keep.GetString() is "0" or "0s" or "0m" or "0h" or "0ms",
        _ => throw RequestFields.Invalid("keep_alive", "Invalid type for 'keep_alive': expected a duration as a text or a number of seconds.", "invalid_type"),
    };

    private static void ReadOptions(RequestFields options, GenerateRequest request)
    {
        SamplingParameters sampling = request.Sampling;
        sampling.PresencePenalty = options.Number("presence_penalty", -2, 2) ?? 0;
        sampling.FrequencyPenalty = options.Number("frequency_penalty", -2, 2) ?? 0;
        if (options.Number("temperature", 0, 2) is { } temperature)
        {
            sampling.Temperature = temperature;
        }

        if (options.Number("top_p", 0, 1) is { } topP)
        {
            sampling.TopP = Math.Max(topP, GenerationFields.LeastTopP);
        }

        if (options.Integer("top_k", -1, int.MaxValue) is { } topK)
        {
            sampling.TopK = (uint)Math.Max(topK, 0);
        }

        if (options.Number("min_p", 0, 1) is { } minP)
        {
            sampling.MinP = minP;
        }

        if (options.Number("repeat_penalty", 0.01f, 100) is { } penalty)
        {
            sampling.RepetitionPenalty = penalty;
        }

        // A negative one asks for another with each request.
        if (options.Integer("seed", long.MinValue, long.MaxValue) is { } seed and >= 0)
        {
            sampling.Seed = seed;
        }

        // Not above 0, it stands for no limit but the context.
        if (options.Integer("num_predict", int.MinValue, int.MaxValue) is { } most and > 0)
        {
            request.MaxTokens = (uint)most;
            request.FitMaxTokens = true;
        }

        request.Stop.AddRange(options.Strings("stop", MostStops).Where(static stop => stop.Length > 0));
        foreach ((string name, float neutral) in _samplers)
        {
            if (options.Number(name, float.MinValue, float.MaxValue) is { } value && value != neutral)
            {
                throw options.Unsupported(name, "is not supported by this server.");
            }
        }
    }

    private static ConstraintSource? Format(RequestFields fields, GenerateRequest request)
    {
        if (!fields.TryGet("format", out JsonElement format) || (format.ValueKind == JsonValueKind.String && format.ValueEquals("")))
        {
            return null;
        }

        if (format.ValueKind == JsonValueKind.Object)
        {
            request.JsonSchema = format.GetRawText();
        }
        else if (format.ValueKind == JsonValueKind.String && format.ValueEquals("json"))
        {
            request.JsonObject = true;
        }
        else
        {
            throw RequestFields.Invalid("format", $"invalid format: {format.GetRawText()}; expected \"json\" or a valid JSON Schema object", "invalid_value");
        }

        return new ConstraintSource("format", "invalid format");
    }
}

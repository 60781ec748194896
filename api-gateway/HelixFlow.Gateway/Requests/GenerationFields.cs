using System.Globalization;
using System.Text.Json;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Requests;

/// <summary>The fields that chat completions and completions share: how to sample, when to stop, what to stream.</summary>
internal static class GenerationFields
{
    /// <summary>The least top_p that the inference service takes. APIs allow 0, which keeps just the most probable token, as this does.</summary>
    public const float LeastTopP = 1e-6f;

    private const int MostStops = 16;

    /// <summary>Fills the request from the body's sampling and stopping fields.</summary>
    public static void Read(RequestFields fields, GatewayOptions options, GenerateRequest request)
    {
        fields.String("user");
        request.Sampling = Sampling(fields);
        request.N = (uint)(fields.Integer("n", 1, options.MaxChoices) ?? 1);
        request.Stop.AddRange(fields.Strings("stop", MostStops));
        request.StopTokenIds.AddRange(fields.Integers("stop_token_ids"));
        request.IgnoreEos = fields.Bool("ignore_eos");
        request.Priority = (int)(fields.Integer("priority", int.MinValue, int.MaxValue) ?? 0);
    }

    /// <summary>Whether the answer is streamed, and whether usage comes with it.</summary>
    public static (bool Stream, bool IncludeUsage) Streaming(RequestFields fields)
    {
        bool stream = fields.Bool("stream");
        if (fields.Object("stream_options") is not { } streamOptions)
        {
            return (stream, false);
        }

        return stream
            ? (true, streamOptions.Bool("include_usage"))
            : throw RequestFields.Invalid("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.", "invalid_value");
    }

    private static SamplingParameters Sampling(RequestFields fields)
    {
        var sampling = new SamplingParameters
        {
            PresencePenalty = fields.Number("presence_penalty", -2, 2) ?? 0,
            FrequencyPenalty = fields.Number("frequency_penalty", -2, 2) ?? 0,
        };
        if (fields.Number("temperature", 0, 2) is { } temperature)
        {
            sampling.Temperature = temperature;
        }

        if (fields.Number("top_p", 0, 1) is { } topP)
        {
            sampling.TopP = Math.Max(topP, LeastTopP);
        }

        if (fields.Integer("top_k", -1, int.MaxValue) is { } topK)
        {
            sampling.TopK = (uint)Math.Max(topK, 0);
        }

        if (fields.Number("min_p", 0, 1) is { } minP)
        {
            sampling.MinP = minP;
        }

        if (fields.Number("repetition_penalty", 0.01f, 100) is { } repetition)
        {
            sampling.RepetitionPenalty = repetition;
        }

        if (fields.Integer("seed", long.MinValue, long.MaxValue) is { } seed)
        {
            sampling.Seed = seed;
        }

        ReadBias(fields, sampling);
        return sampling;
    }

    private static void ReadBias(RequestFields fields, SamplingParameters sampling)
    {
        if (!fields.TryGet("logit_bias", out JsonElement bias))
        {
            return;
        }

        if (bias.ValueKind != JsonValueKind.Object)
        {
            throw RequestFields.WrongType("logit_bias", "an object", bias);
        }

        var values = new RequestFields(bias, "logit_bias.");
        foreach (JsonProperty entry in bias.EnumerateObject())
        {
            if (!int.TryParse(entry.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int token))
            {
                throw RequestFields.Invalid("logit_bias", $"Invalid key in 'logit_bias': {entry.Name}. Keys are token ids.", "invalid_value");
            }

            sampling.LogitBias[token] = values.Number(entry.Name, -100, 100) ?? 0;
        }
    }
}

using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Anthropic;

/// <summary>A parsed and checked body of <c>POST /v1/messages</c>.</summary>
/// <param name="Generate">What to ask the inference service.</param>
/// <param name="Stream">Whether to answer as server-sent events.</param>
/// <param name="OmitsThinking">Whether blocks of reasoning come without their text.</param>
/// <param name="Constraint">Where the body says what the answer must look like; null when it does not.</param>
internal sealed record MessageRequest(GenerateRequest Generate, bool Stream, bool OmitsThinking, ConstraintSource? Constraint)
{
    private const int MostStops = 16;

    /// <exception cref="OpenAiException">A field is missing, of the wrong type, out of range, or cannot be honoured.</exception>
    public static MessageRequest Parse(JsonElement body)
    {
        var fields = new RequestFields(body);
        var generate = new GenerateRequest
        {
            Model = fields.RequiredString("model"),
            MaxTokens = (uint)(fields.Integer("max_tokens", 1, int.MaxValue) ?? throw fields.Missing("max_tokens")),
            FitMaxTokens = true, // it is required, so clients send large ones; the model's context is the limit that counts
            Sampling = Sampling(fields),
            N = 1,
        };
        generate.Stop.AddRange(Stops(fields));
        RefuseWhatIsNotThere(fields);
        (generate.Chat, bool omitsThinking) = Prompt(fields);
        fields.Object("metadata")?.String("user_id"); // ignored, but of the right types
        fields.String("service_tier");
        return new MessageRequest(generate, fields.Bool("stream"), omitsThinking, ReadConstraint(fields, generate));
    }

    /// <summary>A body of <c>POST /v1/messages/count_tokens</c>: the fields that make the prompt.</summary>
    /// <exception cref="OpenAiException">A field is missing or wrong.</exception>
    public static CountTokensRequest ParseCount(JsonElement body)
    {
        var fields = new RequestFields(body);
        ReadConstraint(fields, new GenerateRequest()); // it is not part of the prompt, but a wrong one is refused here as well
        return new CountTokensRequest { Model = fields.RequiredString("model"), Chat = Prompt(fields).Chat };
    }

    private static (ChatPrompt Chat, bool OmitsThinking) Prompt(RequestFields fields)
    {
        var prompt = new ChatPrompt { MessagesJson = Conversation.ToChat(fields) };
        MessageTools.Read(fields, prompt);
        return (prompt, ThinkingFields.Read(fields, prompt));
    }

    private static SamplingParameters Sampling(RequestFields fields)
    {
        var sampling = new SamplingParameters();
        if (fields.Number("temperature", 0, 1) is { } temperature)
        {
            sampling.Temperature = temperature;
        }

        if (fields.Number("top_p", 0, 1) is { } topP)
        {
            sampling.TopP = Math.Max(topP, GenerationFields.LeastTopP);
        }

        if (fields.Integer("top_k", 0, int.MaxValue) is { } topK)
        {
            sampling.TopK = (uint)topK;
        }

        return sampling;
    }

    private static IReadOnlyList<string> Stops(RequestFields fields)
    {
        if (fields.Array("stop_sequences") is null)
        {
            return [];
        }

        IReadOnlyList<string> stops = fields.Strings("stop_sequences", MostStops);
        for (int i = 0; i < stops.Count; i++)
        {
            if (string.IsNullOrWhiteSpace(stops[i]))
            {
                string param = string.Create(CultureInfo.InvariantCulture, $"stop_sequences.{i}");
                throw RequestFields.Invalid(param, $"{param}: each stop sequence must contain non-whitespace", "invalid_value");
            }
        }

        return stops;
    }

    // What it was called before output_config is taken as well.
    private static ConstraintSource? ReadConstraint(RequestFields fields, GenerateRequest generate)
    {
        string param = "output_config.format";
        if (fields.Object("output_config")?.Object("format") is not { } format)
        {
            param = "output_format";
            if (fields.Object(param) is not { } older)
            {
                return null;
            }

            format = older;
        }

        if (format.RequiredString("type") is not "json_schema" and { } type)
        {
            throw RequestFields.Invalid(param + ".type", $"{param}.type: Invalid value: '{type}'. Supported values are: 'json_schema'.", "invalid_value");
        }

        _ = format.Object("schema") ?? throw format.Missing("schema");
        format.TryGet("schema", out JsonElement schema);
        generate.JsonSchema = schema.GetRawText();
        return new ConstraintSource(param + ".schema", param + ".schema");
    }

    // Fields that change the answer must not be ignored silently when they cannot be honoured.
    private static void RefuseWhatIsNotThere(RequestFields fields)
    {
        if (fields.TryGet("container", out _))
        {
            throw fields.Unsupported("container", "is not supported: this server runs no code.");
        }

        // Clients then send whole conversations, as long as the error says it in the form that they look for.
        if (fields.TryGet("thread", out _))
        {
            throw RequestFields.Invalid("thread", "thread: this server keeps no conversations: send all messages with each request.", AnthropicErrors.NoThreads);
        }

        if (fields.Array("mcp_servers") is { } servers && servers.GetArrayLength() > 0)
        {
            throw fields.Unsupported("mcp_servers", "is not supported: this server calls no tools itself.");
        }
    }
}

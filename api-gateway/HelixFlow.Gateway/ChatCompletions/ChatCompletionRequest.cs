using System.Text.Json;
using HelixFlow.Gateway.Files;
using HelixFlow.Gateway.Requests;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.ChatCompletions;

/// <summary>A parsed and checked body of <c>POST /v1/chat/completions</c>.</summary>
/// <param name="Generate">What to ask the inference service.</param>
/// <param name="Stream">Whether to answer as server-sent events.</param>
/// <param name="IncludeUsage">Whether the stream ends with the usage.</param>
/// <param name="Logprobs">Whether the answer shows log probabilities.</param>
/// <param name="LegacyCalls">Whether calls are told in the older <c>function_call</c>, as the request uses <c>functions</c>.</param>
/// <param name="Constraint">Where the body says what the answer must look like; null when it does not.</param>
internal sealed record ChatCompletionRequest(
    GenerateRequest Generate, bool Stream, bool IncludeUsage, bool Logprobs, bool LegacyCalls, ConstraintSource? Constraint)
{
    /// <param name="body">The body.</param>
    /// <param name="options">Limits.</param>
    /// <param name="files">Those that the body names.</param>
    /// <exception cref="Errors.OpenAiException">A field is missing, of the wrong type, out of range, or cannot be honoured.</exception>
    public static ChatCompletionRequest Parse(JsonElement body, GatewayOptions options, InputFiles files)
    {
        var fields = new RequestFields(body);
        var generate = new GenerateRequest { Model = fields.RequiredString("model") };
        JsonElement messages = fields.Array("messages") ?? throw fields.Missing("messages");
        ChatMessages.Check(messages, files);
        RefuseWhatIsNotThere(fields);
        generate.Chat = new ChatPrompt { MessagesJson = ChatMessages.Normalise(messages, files), TemplateVariablesJson = ReasoningFields.Variables(fields, body) };
        bool legacyCalls = ToolFields.Read(fields, generate.Chat);
        GenerationFields.Read(fields, options, generate);
        ConstraintSource? constraint = ConstraintFields.Read(fields, generate);
        long? olderMost = fields.Integer("max_tokens", 1, int.MaxValue);
        if ((fields.Integer("max_completion_tokens", 1, int.MaxValue) ?? olderMost) is { } most)
        {
            generate.MaxTokens = (uint)most;
        }

        bool logprobs = fields.Bool("logprobs");
        long? top = fields.Integer("top_logprobs", 0, 20);
        if (top is not null && !logprobs)
        {
            throw RequestFields.Invalid("top_logprobs", "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", "invalid_value");
        }

        if (logprobs)
        {
            generate.TopLogprobs = (uint)(top ?? 0);
        }

        (bool stream, bool includeUsage) = GenerationFields.Streaming(fields);
        return new ChatCompletionRequest(generate, stream, includeUsage, logprobs, legacyCalls, constraint);
    }

    // Fields that change the answer must not be ignored silently when they cannot be honoured.
    private static void RefuseWhatIsNotThere(RequestFields fields)
    {
        foreach (string name in (string[])["audio", "moderation", "web_search_options"])
        {
            if (fields.TryGet(name, out _))
            {
                throw fields.Unsupported(name, "is not supported by this server.");
            }
        }

        if (fields.Array("modalities") is { } modalities && modalities.EnumerateArray().Any(item => item.ValueKind != JsonValueKind.String || item.GetString() != "text"))
        {
            throw fields.Unsupported("modalities", "is not supported: this server answers with text only.");
        }
    }
}

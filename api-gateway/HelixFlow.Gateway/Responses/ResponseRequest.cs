using System.Text.Json;
using HelixFlow.Gateway.ChatCompletions;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Files;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses.Items;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Responses;

/// <summary>A parsed and checked body of <c>POST /v1/responses</c>.</summary>
internal sealed record ResponseRequest
{
    private const int LeastOutputTokens = 16;
    private const int LongestIdentifier = 64;

    private static readonly string[] Includes =
    [
        SearchItems.Include, "web_search_call.results", "web_search_call.action.sources", "message.input_image.image_url",
        "computer_call_output.output.image_url", "code_interpreter_call.outputs", "reasoning.encrypted_content", "message.output_text.logprobs",
    ];

    private static readonly string[] Tiers = ["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"];

    // Fields of chat completions, and where their meaning is here.
    private static readonly (string Name, string Place)[] Moved =
    [
        ("messages", "input"), ("response_format", "text.format"), ("reasoning_effort", "reasoning.effort"), ("verbosity", "text.verbosity"),
        ("max_tokens", "max_output_tokens"), ("max_completion_tokens", "max_output_tokens"), ("functions", "tools"), ("function_call", "tool_choice"),
    ];

    /// <summary>What to ask the inference service; its prompt and project are filled when the context is known.</summary>
    public required GenerateRequest Generate { get; init; }

    public required ConstraintSource? Constraint { get; init; }

    /// <summary>The items of the request itself.</summary>
    public required IReadOnlyList<StoredItem> Input { get; init; }

    public required ResponseTools Tools { get; init; }

    /// <summary>Further variables for the template.</summary>
    public required string TemplateVariables { get; init; }

    /// <summary>The field "text" as the response shows it.</summary>
    public required string TextJson { get; init; }

    public required string MetadataJson { get; init; }

    public string? Instructions { get; init; }

    public string? PreviousResponse { get; init; }

    public string? Conversation { get; init; }

    public bool Store { get; init; } = true;

    public bool Stream { get; init; }

    public bool Background { get; init; }

    /// <summary>Whether the oldest items may be dropped when not all fit.</summary>
    public bool Truncate { get; init; }

    /// <summary>Whether texts come with their log probabilities.</summary>
    public bool Logprobs { get; init; }

    public long TopLogprobs { get; init; }

    /// <summary>Whether items of searches show what was found.</summary>
    public bool ShowsSearchResults { get; init; }

    /// <summary>The most searches; null for the server's own limit.</summary>
    public long? MaxToolCalls { get; init; }

    public string? Effort { get; init; }

    public string? Summary { get; init; }

    public string? ServiceTier { get; init; }

    public string? User { get; init; }

    public string? SafetyIdentifier { get; init; }

    public string? CacheKey { get; init; }

    public string? CacheRetention { get; init; }

    /// <param name="body">The body.</param>
    /// <param name="options">Limits.</param>
    /// <param name="files">Those that the body names.</param>
    /// <param name="model">The model when the body names none; null: it must.</param>
    /// <exception cref="OpenAiException">A field is missing, of the wrong type, out of range, or cannot be honoured.</exception>
    public static ResponseRequest Parse(JsonElement body, GatewayOptions options, InputFiles files, string? model = null)
    {
        var fields = new RequestFields(body);
        RefuseWhatIsNotThere(fields);
        var generate = new GenerateRequest { Model = model ?? fields.RequiredString("model") };
        GenerationFields.Read(fields, options, generate);
        generate.N = 1;
        ResponseText text = ResponseText.Read(fields, generate);
        if (fields.Integer("max_output_tokens", LeastOutputTokens, int.MaxValue) is { } most)
        {
            generate.MaxTokens = (uint)most;
        }

        IReadOnlyList<string> includes = ReadIncludes(fields);
        bool logprobs = includes.Contains("message.output_text.logprobs");
        long top = fields.Integer("top_logprobs", 0, 20) ?? 0;
        if (logprobs)
        {
            generate.TopLogprobs = (uint)top;
        }

        bool stream = fields.Bool("stream");
        if (fields.Object("stream_options") is { } streamOptions)
        {
            streamOptions.Bool("include_obfuscation"); // what it pads, this server sends over connections of its own: nothing is padded
            _ = stream ? true : throw RequestFields.Invalid("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.", "invalid_value");
        }

        (string? effort, string? summary) = ReadReasoning(fields);
        ResponseRequest request = new()
        {
            Generate = generate,
            Constraint = text.Constraint,
            Input = fields.TryGet("input", out JsonElement input) ? InputItems.Read(input, "input", files) : [],
            Tools = ResponseTools.Read(fields),
            TemplateVariables = ReasoningFields.Variables(effort, fields.Object("chat_template_kwargs") is null ? default : body.GetProperty("chat_template_kwargs")),
            TextJson = text.Json,
            MetadataJson = MetadataField.Read(fields) ?? "{}",
            Instructions = fields.String("instructions"),
            PreviousResponse = fields.String("previous_response_id"),
            Conversation = ReadConversation(fields),
            Store = !fields.TryGet("store", out _) || fields.Bool("store"),
            Stream = stream,
            Background = fields.Bool("background"),
            Truncate = OneOf(fields, "truncation", ["auto", "disabled"]) == "auto",
            Logprobs = logprobs,
            TopLogprobs = top,
            ShowsSearchResults = includes.Contains(SearchItems.Include),
            MaxToolCalls = fields.Integer("max_tool_calls", 1, int.MaxValue),
            Effort = effort,
            Summary = summary,
            ServiceTier = OneOf(fields, "service_tier", Tiers),
            User = fields.String("user"),
            SafetyIdentifier = Short(fields, "safety_identifier"),
            CacheKey = fields.String("prompt_cache_key"),
            CacheRetention = OneOf(fields, "prompt_cache_retention", ["in_memory", "24h"]),
        };
        CheckTogether(request, fields);
        return request;
    }

    private static void CheckTogether(ResponseRequest request, RequestFields fields)
    {
        if (request.PreviousResponse is not null && request.Conversation is not null)
        {
            throw RequestFields.Invalid(
                "previous_response_id", "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Ensure you are only providing one of them.", "mutually_exclusive_parameters");
        }

        if (request.Background && !request.Store)
        {
            throw RequestFields.Invalid("background", "Background mode requires 'store' to be true: the response is fetched from the store.", "invalid_value");
        }

        if (request.Conversation is not null && !request.Store)
        {
            throw RequestFields.Invalid("store", "A response with a 'conversation' requires 'store' to be true: the conversation keeps its items.", "invalid_value");
        }

        if (!fields.TryGet("input", out _) && request.PreviousResponse is null && request.Conversation is null && request.Instructions is null)
        {
            throw fields.Missing("input");
        }
    }

    // Fields that change the answer must not be ignored silently when they cannot be honoured.
    private static void RefuseWhatIsNotThere(RequestFields fields)
    {
        foreach ((string name, string place) in Moved)
        {
            if (fields.TryGet(name, out _))
            {
                throw RequestFields.Invalid(name, $"Unsupported parameter: '{name}'. In the Responses API, this parameter has moved to '{place}'.", "unsupported_parameter");
            }
        }

        foreach (string name in (string[])["prompt", "moderation", "context_management"])
        {
            if (fields.TryGet(name, out _))
            {
                throw fields.Unsupported(name, "is not supported by this server.");
            }
        }
    }

    private static IReadOnlyList<string> ReadIncludes(RequestFields fields)
    {
        if (fields.Array("include") is null)
        {
            return [];
        }

        IReadOnlyList<string> includes = fields.Strings("include", int.MaxValue);
        return includes.FirstOrDefault(name => !Includes.Contains(name)) is { } unknown
            ? throw RequestFields.Invalid("include", $"Invalid value: '{unknown}'. Supported values are: {Quoted(Includes)}.", "invalid_value")
            : includes;
    }

    private static (string? Effort, string? Summary) ReadReasoning(RequestFields fields)
    {
        if (fields.Object("reasoning") is not { } reasoning)
        {
            return (null, null);
        }

        if (reasoning.String("mode") is { } mode and not "standard")
        {
            throw reasoning.Unsupported("mode", $"'{mode}' is not supported by this server. Supported values are: 'standard'.");
        }

        if (reasoning.String("context") is { } context and not ("auto" or "all_turns"))
        {
            throw reasoning.Unsupported("context", $"'{context}' is not supported by this server. Supported values are: 'auto' and 'all_turns'.");
        }

        string[] summaries = ["auto", "concise", "detailed"];
        string? summary = OneOf(reasoning, "summary", summaries, "reasoning.") ?? OneOf(reasoning, "generate_summary", summaries, "reasoning.");
        return (OneOf(reasoning, "effort", ReasoningFields.Efforts, "reasoning."), summary);
    }

    private static string? ReadConversation(RequestFields fields) =>
        !fields.TryGet("conversation", out JsonElement value) ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString()
        : value.ValueKind == JsonValueKind.Object ? new RequestFields(value, "conversation.").RequiredString("id")
        : throw RequestFields.WrongType("conversation", "a string or an object", value);

    private static string? OneOf(RequestFields fields, string name, string[] values, string path = "") =>
        fields.String(name) is not { } value ? null
        : values.Contains(value) ? value
        : throw RequestFields.Invalid(path + name, $"Invalid value: '{value}'. Supported values are: {Quoted(values)}.", "invalid_value");

    private static string? Short(RequestFields fields, string name) =>
        fields.String(name) is { Length: > LongestIdentifier } value
            ? throw RequestFields.Invalid(
                name, $"Invalid '{name}': string too long. Expected a string with maximum length {LongestIdentifier}, but got a string with length {value.Length} instead.", "string_above_max_length")
            : fields.String(name);

    private static string Quoted(IEnumerable<string> values) => string.Join(", ", values.Select(value => $"'{value}'"));
}

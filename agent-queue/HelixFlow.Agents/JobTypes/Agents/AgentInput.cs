using System.Text.Json;
using System.Text.Json.Serialization;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.JobTypes.Passages;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.JobTypes.Agents;

/// <summary>What an agent is to do. Its properties have setters because source-generated readers forget the defaults of others.</summary>
internal sealed record AgentInput
{
    public string? Goal { get; set; }

    public IReadOnlyList<ModelMessage> Messages { get; set; } = [];

    public string? Instructions { get; set; }

    public string? Model { get; set; }

    public IReadOnlyList<ToolInput> Tools { get; set; } = [];

    public string ToolChoice { get; set; } = "auto";

    public IReadOnlyList<SourceDocument> Documents { get; set; } = [];

    public AgentBudget Budget { get; set; } = new();

    public ApprovalPolicy Approval { get; set; } = new();

    public JsonElement? OutputSchema { get; set; }

    public int MaxAnswerTokens { get; set; } = 1024;

    public int MaxResultCharacters { get; set; } = 8000;
}

/// <summary>Where tools come from.</summary>
internal sealed record ToolInput
{
    /// <summary><c>builtin</c>, <c>openapi</c> or <c>mcp</c>.</summary>
    public required string Type { get; set; }

    /// <summary>Of a built-in tool, its name; of others, what their tools' names begin with.</summary>
    public string? Name { get; set; }

    /// <summary>The OpenAPI document, as an object or as JSON text.</summary>
    public JsonElement? Document { get; set; }

    /// <summary>The operator's name of an MCP server; or the address of an OpenAPI document's server.</summary>
    public string? Server { get; set; }

    /// <summary>The address of an MCP server.</summary>
    public string? Url { get; set; }

    /// <summary>The operations or tools that may be used; null for all.</summary>
    public IReadOnlyList<string>? Only { get; set; }

    /// <summary>POST and PATCH operations, or MCP tools, that may be repeated with the same key.</summary>
    public IReadOnlyList<string> Idempotent { get; set; } = [];

    /// <summary>The header that carries the key of a request that may be repeated.</summary>
    public string IdempotencyHeader { get; set; } = "Idempotency-Key";

    public ToolAuth? Auth { get; set; }
}

/// <summary>How requests are authorised.</summary>
internal sealed record ToolAuth
{
    /// <summary>The operator's name of the secret.</summary>
    public required string Secret { get; set; }

    /// <summary>The header that carries it.</summary>
    public string Header { get; set; } = "Authorization";

    /// <summary>What stands before it in the header, for example <c>Bearer</c>; empty for nothing.</summary>
    public string Scheme { get; set; } = "Bearer";
}

/// <summary>What an agent may use; a null is no limit.</summary>
internal sealed record AgentBudget
{
    /// <summary>Turns of the model and calls of tools, together.</summary>
    public int MaxSteps { get; set; } = 50;

    public long? MaxTokens { get; set; }

    public decimal? MaxCost { get; set; }

    public ModelPrice? Prices { get; set; }
}

/// <summary>Which calls a person must approve.</summary>
internal sealed record ApprovalPolicy
{
    /// <summary>Names of tools; <c>*</c> for all.</summary>
    public IReadOnlyList<string> Tools { get; set; } = [];

    /// <summary>Effect classes.</summary>
    public IReadOnlyList<string> Effects { get; set; } = [];

    /// <summary>How long a call waits for its approval; null for without end.</summary>
    public double? ExpiresSeconds { get; set; }

    /// <summary>What counts then: <c>reject</c> or <c>fail</c>.</summary>
    public string OnExpiry { get; set; } = "reject";

    /// <summary>Both of them.</summary>
    [JsonIgnore]
    public QuestionExpiry? Expiry => ExpiresSeconds is { } seconds ? new QuestionExpiry(TimeSpan.FromSeconds(seconds), OnExpiry == "fail") : null;
}

/// <summary>The result.</summary>
/// <param name="Answer">A text, or a value of the output schema.</param>
/// <param name="StopReason"><c>answered</c>, or what stopped the agent: <c>max_steps</c>, <c>max_tokens</c>, <c>max_cost</c>, <c>loop</c>.</param>
/// <param name="Transcript">What was said and done, in order.</param>
/// <param name="Turns">Questions to the model.</param>
/// <param name="Calls">Calls of tools that the model asked for, made or not.</param>
/// <param name="Usage">What the model has used.</param>
/// <param name="Cost">In the currency of the prices; null without prices.</param>
/// <param name="Model">Who it was.</param>
internal sealed record AgentOutput(
    JsonElement Answer, string StopReason, IReadOnlyList<TranscriptEntry> Transcript, int Turns, int Calls, AgentUsage Usage, decimal? Cost, string Model);

/// <param name="PromptTokens">Tokens of the questions.</param>
/// <param name="CompletionTokens">Tokens of the answers.</param>
internal sealed record AgentUsage(long PromptTokens, long CompletionTokens);

/// <summary>A turn of the model, or a call of a tool.</summary>
/// <param name="Address">Its step in the job; a call that was not made has the address that it would have had.</param>
/// <param name="Kind"><c>turn</c> or <c>call</c>.</param>
/// <param name="Text">What the model wrote, or what the tool gave.</param>
internal sealed record TranscriptEntry(string Address, string Kind, string Text)
{
    public string? Tool { get; init; }

    /// <summary>As they were used: edited ones where an approver has edited them.</summary>
    public string? Arguments { get; init; }

    public string? Effect { get; init; }

    /// <summary><c>ok</c>, <c>error</c>, <c>rejected</c> (by a person), or <c>not_made</c> (unknown tool, wrong arguments, repeated too often, no budget).</summary>
    public string? Outcome { get; init; }

    /// <summary>Who approved or rejected it.</summary>
    public string? By { get; init; }

    /// <summary>Of a turn: how many earlier turns had to be left out for the model's context.</summary>
    public int? LeftOut { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AgentInput))]
[JsonSerializable(typeof(AgentOutput))]
[JsonSerializable(typeof(TurnQuestion))]
[JsonSerializable(typeof(TurnAnswer))]
[JsonSerializable(typeof(ToolCall))]
[JsonSerializable(typeof(ToolResult))]
[JsonSerializable(typeof(string))]
[JsonSerializable(typeof(IReadOnlyList<ToolDescription>))]
internal sealed partial class AgentJson : JsonSerializerContext;

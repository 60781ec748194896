using System.Text.Json;
using System.Text.Json.Serialization;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.JobTypes;

/// <summary>The platform's own models, to job types. Thread-safe.</summary>
public interface IModelClient
{
    /// <summary>A model that can hold a conversation, and what fits into it.</summary>
    /// <param name="model">Its name; null for the first one that is served.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="JobFailedException">There is no such model.</exception>
    /// <exception cref="StepHadNoEffectException">No model can be asked at this moment.</exception>
    Task<ModelLimits> FindAsync(string? model, CancellationToken cancellationToken);

    /// <summary>The tokens of a conversation, with all that the model's template puts around it.</summary>
    /// <exception cref="JobFailedException">The model cannot take it.</exception>
    Task<int> CountAsync(string model, IReadOnlyList<ModelMessage> messages, CancellationToken cancellationToken);

    /// <summary>The tokens of a question with all that belongs to it, the tools too.</summary>
    /// <exception cref="JobFailedException">The model cannot take it.</exception>
    Task<int> CountAsync(ModelCall question, CancellationToken cancellationToken);

    /// <summary>What the model answers.</summary>
    /// <param name="question">What it is asked.</param>
    /// <param name="context">On whose account, and for which step.</param>
    /// <param name="cancellationToken">Ends the generation.</param>
    /// <exception cref="JobFailedException">The model cannot take it, and never will.</exception>
    Task<ModelAnswer> AnswerAsync(ModelCall question, StepContext context, CancellationToken cancellationToken);
}

/// <summary>A model as it is served.</summary>
/// <param name="Name">Its name.</param>
/// <param name="ContextLength">Most tokens of prompt and answer together.</param>
public sealed record ModelLimits(string Name, int ContextLength);

/// <summary>A message of a conversation.</summary>
/// <param name="Role"><c>system</c>, <c>user</c>, <c>assistant</c> or <c>tool</c>.</param>
/// <param name="Content">Its text.</param>
public sealed record ModelMessage(string Role, string Content)
{
    /// <summary>The tools that an assistant's message calls; null for none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ModelToolCall>? Calls { get; init; }

    /// <summary>Of a tool's message: the id of the call whose result it is.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? CallId { get; init; }
}

/// <summary>A tool that a model may call.</summary>
/// <param name="Name">1 to 64 letters, digits, <c>_</c> and <c>-</c>.</param>
/// <param name="Description">What it does, for the model.</param>
/// <param name="Parameters">JSON Schema of its arguments, an object.</param>
public sealed record ModelTool(string Name, string Description, JsonElement Parameters);

/// <summary>A call that a model makes.</summary>
/// <param name="Id">Names it within the conversation.</param>
/// <param name="Name">The tool.</param>
/// <param name="Arguments">As the model wrote them; as a rule a JSON object.</param>
public sealed record ModelToolCall(string Id, string Name, string Arguments);

/// <summary>A question to a model, answered greedily.</summary>
/// <param name="Model">The model's name.</param>
/// <param name="Messages">The conversation so far.</param>
/// <param name="MaxTokens">Most tokens of the answer.</param>
public sealed record ModelCall(string Model, IReadOnlyList<ModelMessage> Messages, int MaxTokens)
{
    /// <summary>A JSON Schema (2020-12), as text, that the answer satisfies unless it is cut; null for none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Schema { get; init; }

    /// <summary>The tools that the model may call; null for none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ModelTool>? Tools { get; init; }

    /// <summary>The tool that the answer must call, an empty text for any; null leaves it to the model.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? ForcedTool { get; init; }
}

/// <summary>A model's answer.</summary>
/// <param name="Text">What it wrote.</param>
/// <param name="IsCut">Whether it had to stop before its end.</param>
/// <param name="PromptTokens">Tokens of the question.</param>
/// <param name="CompletionTokens">Tokens of the answer.</param>
public sealed record ModelAnswer(string Text, bool IsCut, int PromptTokens, int CompletionTokens)
{
    /// <summary>The tools that it calls, in order; null for none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ModelToolCall>? Calls { get; init; }
}

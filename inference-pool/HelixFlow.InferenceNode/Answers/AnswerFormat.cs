using System.Collections.Frozen;
using System.Text.Json;
using HelixFlow.Engine.Grammar;
using HelixFlow.Engine.Tokenization;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>How a model's answers to chat prompts are to be read. Immutable and thread-safe.</summary>
internal sealed class AnswerFormat
{
    private readonly JsonWhiteSpace _whiteSpace;
    private readonly FrozenSet<int> _callMarkers;
    private readonly FrozenSet<int> _reasoningMarkers;

    /// <param name="template">The model's chat template.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="whiteSpace">Between the tokens of JSON that has to have a form.</param>
    public AnswerFormat(string template, Tokenizer tokenizer, JsonWhiteSpace whiteSpace = JsonWhiteSpace.Indented)
    {
        _whiteSpace = whiteSpace;
        Calls = ToolCallFormat.Of(template);
        Reasoning = ReasoningStyle.Of(template);
        TakesToolsInMessage = Calls.Family == ToolCallFamily.Phi && template.Contains("message['tools']", StringComparison.Ordinal);
        WantsShortIds = template.Contains("length 9", StringComparison.Ordinal);
        _reasoningMarkers = Special(Reasoning is { } style ? [style.Open, style.Close] : [], tokenizer);
        _callMarkers = _reasoningMarkers.Concat(Special(Calls.Markers, tokenizer)).ToFrozenSet();
    }

    public ToolCallFormat Calls { get; }

    public ReasoningStyle? Reasoning { get; }

    /// <summary>Whether the template takes ids of calls only if they are nine letters or digits, as Mistral's do.</summary>
    public bool WantsShortIds { get; }

    /// <summary>Whether the template takes the tools out of the system message and knows calls only as text: Phi-4-mini's.</summary>
    public bool TakesToolsInMessage { get; }

    /// <summary>The special tokens that are needed as text to read the answer to a prompt; null for none.</summary>
    public IReadOnlySet<int>? ShownTokens(ChatPrompt prompt) =>
        (prompt.ToolsJson.Length > 0 ? _callMarkers : _reasoningMarkers) is { Count: > 0 } shown ? shown : null;

    /// <summary>The tools of a prompt; null when it has none.</summary>
    public static ToolCatalog? ToolsOf(ChatPrompt prompt)
    {
        if (prompt.ToolsJson.Length == 0)
        {
            return null;
        }

        using JsonDocument tools = JsonDocument.Parse(prompt.ToolsJson);
        return new ToolCatalog(tools.RootElement.Clone());
    }

    /// <summary>What the answer must look like, reasoning and calls included; null when anything will do.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="text">The prompt as rendered.</param>
    /// <param name="tools">Its tools.</param>
    /// <param name="content">What the request demands of the answer's content; null for nothing.</param>
    public Constraint? ConstraintOf(ChatPrompt prompt, string text, ToolCatalog? tools, Constraint? content)
    {
        if (tools is not null && prompt.HasForcedTool)
        {
            return new Constraint.Composed(AfterReasoning(CallForms.Calls(Calls, tools, CallableOf(prompt, tools), prompt.SingleToolCall, _whiteSpace), text, isSure: true));
        }

        if (content is not null)
        {
            return Reasoning?.IsOpenAtEnd(text) == true ? new Constraint.Composed(AfterReasoning(new TextPart.Constrained(content), text, isSure: true)) : content;
        }

        // Else the model may write what it likes, and its calls are read as they come.
        return tools is not null && (tools.HasStrict || prompt.SingleToolCall || prompt.AllowedTools.Count > 0)
            ? new Constraint.Composed(AfterReasoning(CallForms.TextOrCalls(Calls, tools, CallableOf(prompt, tools), prompt.SingleToolCall, _whiteSpace), text, isSure: false))
            : null;
    }

    /// <summary>A reader for one choice of the answer to a prompt; null when all text is content.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="text">The prompt as rendered.</param>
    /// <param name="tools">Its tools.</param>
    /// <param name="isConstrained">Whether the content has a form of its own: nothing in it is a call.</param>
    public AnswerReader? CreateReader(ChatPrompt prompt, string text, ToolCatalog? tools, bool isConstrained)
    {
        bool isOpen = Reasoning?.IsOpenAtEnd(text) == true;
        bool hasCalls = tools is not null && (!isConstrained || prompt.HasForcedTool);
        bool hasReasoning = Reasoning is not null && (!isConstrained || hasCalls || isOpen);
        return hasCalls || hasReasoning
            ? new AnswerReader(hasReasoning ? Reasoning : null, isOpen, hasCalls ? output => Calls.CreateParser(tools!, output) : null, prompt.SingleToolCall)
            : null;
    }

    /// <summary>The tools that an answer may call.</summary>
    private static string[] CallableOf(ChatPrompt prompt, ToolCatalog tools) =>
        prompt.HasForcedTool && prompt.ForcedTool.Length > 0 ? [prompt.ForcedTool]
        : prompt.AllowedTools.Count > 0 ? [.. tools.Names.Where(prompt.AllowedTools.Contains)]
        : [.. tools.Names];

    // The model may think first, if it has not been told that it is done with that, and may end in the midst of it if nothing has to follow.
    private TextPart AfterReasoning(TextPart answer, string prompt, bool isSure)
    {
        if (Reasoning is not { } style || style.IsClosedAtEnd(prompt))
        {
            return answer;
        }

        TextPart whole = new TextPart.Sequence(new TextPart.Free([]) { Until = style.Close }, new TextPart.Constrained(new Constraint.Regex(@"\n{0,2}")), answer);
        whole = isSure ? whole : new TextPart.OneOf(new TextPart.Free(style.Close), whole);
        return style.IsOpenAtEnd(prompt) ? whole : new TextPart.OneOf(answer, new TextPart.Sequence(new TextPart.Marker(style.Open), whole));
    }

    private static FrozenSet<int> Special(IEnumerable<string> markers, Tokenizer tokenizer) =>
        markers.Select(tokenizer.FindToken).OfType<int>().Where(tokenizer.IsSpecial).ToFrozenSet();
}

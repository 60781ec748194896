using System.Collections.Frozen;
using System.Text.Json;
using HelixFlow.Engine.Tokenization;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>How a model's answers to chat prompts are to be read. Immutable and thread-safe.</summary>
internal sealed class AnswerFormat
{
    private readonly FrozenSet<int> _callMarkers;
    private readonly FrozenSet<int> _reasoningMarkers;

    /// <param name="template">The model's chat template.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    public AnswerFormat(string template, Tokenizer tokenizer)
    {
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

    /// <summary>A reader for one choice of the answer to a prompt; null when all text is content.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="text">The prompt as rendered.</param>
    public AnswerReader? CreateReader(ChatPrompt prompt, string text)
    {
        if (prompt.ToolsJson.Length == 0 && Reasoning is null)
        {
            return null;
        }

        Func<AnswerParts, ToolCallParser>? calls = null;
        if (prompt.ToolsJson.Length > 0)
        {
            using JsonDocument tools = JsonDocument.Parse(prompt.ToolsJson);
            var catalog = new ToolCatalog(tools.RootElement.Clone());
            calls = output => Calls.CreateParser(catalog, output);
        }

        return new AnswerReader(Reasoning, Reasoning?.IsOpenAtEnd(text) == true, calls, prompt.SingleToolCall);
    }

    private static FrozenSet<int> Special(IEnumerable<string> markers, Tokenizer tokenizer) =>
        markers.Select(tokenizer.FindToken).OfType<int>().Where(tokenizer.IsSpecial).ToFrozenSet();
}

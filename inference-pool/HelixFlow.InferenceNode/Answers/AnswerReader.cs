using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>Reads one choice's text as reasoning, content and calls.</summary>
/// <remarks>Used by its request's thread alone. What it finds does not depend on how the text is cut.</remarks>
internal sealed class AnswerReader
{
    private readonly AnswerParts _parts;
    private readonly ReasoningSplitter? _reasoning;
    private readonly ToolCallParser? _calls;

    /// <param name="reasoning">How reasoning is marked; null when there is none.</param>
    /// <param name="isReasoningOpen">Whether the prompt has begun the reasoning.</param>
    /// <param name="calls">Makes the parser of calls; null when there are no tools.</param>
    /// <param name="singleCall">Only the first call is told.</param>
    public AnswerReader(ReasoningStyle? reasoning, bool isReasoningOpen, Func<AnswerParts, ToolCallParser>? calls, bool singleCall = false)
    {
        _parts = new AnswerParts(singleCall);
        _calls = calls?.Invoke(_parts);
        _reasoning = reasoning is null ? null : new ReasoningSplitter(reasoning, isReasoningOpen, _parts, _calls is null ? _parts.Content : _calls.Accept);
    }

    /// <summary>Tokens that were reasoning, the markers included.</summary>
    public int ReasoningTokens { get; private set; }

    /// <summary>Takes the text that a token has completed, which may be none.</summary>
    public void Append(string text)
    {
        bool wasReasoning = _reasoning?.IsReasoning == true;
        Read(text);
        ReasoningTokens += wasReasoning || _reasoning?.IsReasoning == true ? 1 : 0;
    }

    /// <summary>The text is complete: what was held back is content.</summary>
    /// <param name="rest">The text's end, which belongs to tokens that have been counted.</param>
    public void End(string rest = "")
    {
        Read(rest);
        _reasoning?.End();
        _calls?.End();
    }

    /// <summary>Moves what has been found into a chunk; false when there is nothing.</summary>
    public bool TakeInto(TokenChunk chunk) => _parts.TakeInto(chunk);

    private void Read(string text)
    {
        foreach (char c in text)
        {
            if (_reasoning is not null)
            {
                _reasoning.Accept(c);
            }
            else if (_calls is not null)
            {
                _calls.Accept(c);
            }
            else
            {
                _parts.Content(c);
            }
        }
    }
}

using System.Text;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>How a family marks what it thinks before it answers.</summary>
internal sealed record ReasoningStyle(string Open, string Close)
{
    /// <summary>The style that a chat template speaks of; null for none.</summary>
    public static ReasoningStyle? Of(string template) =>
        template.Contains("think>", StringComparison.Ordinal) ? new ReasoningStyle("<think>", "</think>")
        : template.Contains("[THINK]", StringComparison.Ordinal) ? new ReasoningStyle("[THINK]", "[/THINK]")
        : null;

    /// <summary>Whether a prompt ends in the middle of reasoning, so that the answer goes on there.</summary>
    public bool IsOpenAtEnd(string prompt) => prompt.AsSpan().TrimEnd().EndsWith(Open, StringComparison.Ordinal);

    /// <summary>Whether a prompt ends with reasoning that is over, so that the answer begins at once.</summary>
    public bool IsClosedAtEnd(string prompt) => prompt.AsSpan().TrimEnd().EndsWith(Close, StringComparison.Ordinal);
}

/// <summary>Splits the reasoning off an answer's beginning; white space at its borders is dropped. Elsewhere the markers are text.</summary>
internal sealed class ReasoningSplitter
{
    private enum Place
    {
        Start,
        ReasoningStart,
        Reasoning,
        AnswerStart,
        Answer,
    }

    private readonly AnswerParts _output;
    private readonly Action<char> _answer;
    private readonly MarkerScan _open;
    private readonly MarkerScan _close;
    private readonly StringBuilder _space = new();
    private readonly StringBuilder _text = new();
    private Place _place;

    /// <param name="style">The markers.</param>
    /// <param name="isOpen">Whether the prompt has begun the reasoning.</param>
    /// <param name="output">Where reasoning goes.</param>
    /// <param name="answer">Takes the rest.</param>
    public ReasoningSplitter(ReasoningStyle style, bool isOpen, AnswerParts output, Action<char> answer)
    {
        _output = output;
        _answer = answer;
        _open = new MarkerScan(style.Open);
        _close = new MarkerScan(style.Close);
        _place = isOpen ? Place.ReasoningStart : Place.Start;
    }

    /// <summary>Whether the next character is reasoning, so far as is known.</summary>
    public bool IsReasoning => _place is Place.ReasoningStart or Place.Reasoning;

    public void Accept(char c)
    {
        switch (_place)
        {
            case Place.Start:
                AcceptStart(c);
                break;
            case Place.ReasoningStart when char.IsWhiteSpace(c):
                break;
            case Place.ReasoningStart or Place.Reasoning:
                AcceptReasoning(c);
                break;
            case Place.AnswerStart when char.IsWhiteSpace(c):
                break;
            default:
                _place = Place.Answer;
                _answer(c);
                break;
        }
    }

    /// <summary>The answer has ended.</summary>
    public void End()
    {
        _close.Flush(_text);
        Reason();
        _open.Flush(_space);
        Answer(_place == Place.Start ? _space : new StringBuilder());
    }

    private void AcceptStart(char c)
    {
        if (_open.IsEmpty && char.IsWhiteSpace(c))
        {
            _space.Append(c);
        }
        else if (_open.Accept(c, _text) == 0)
        {
            _space.Clear();
            _place = Place.ReasoningStart;
        }
        else if (_text.Length > 0)
        {
            _space.Append(_text);
            _text.Clear();
            _open.Flush(_space);
            _place = Place.Answer;
            Answer(_space);
        }
    }

    private void AcceptReasoning(char c)
    {
        if (_close.IsEmpty && char.IsWhiteSpace(c))
        {
            _space.Append(c);
            return;
        }

        bool closed = _close.Accept(c, _text) == 0;
        Reason();
        if (closed)
        {
            _space.Clear();
            _place = Place.AnswerStart;
        }
    }

    private void Reason()
    {
        if (_text.Length > 0)
        {
            _place = Place.Reasoning;
            _output.Reasoning(_space);
            _space.Clear();
            _output.Reasoning(_text);
            _text.Clear();
        }
    }

    private void Answer(StringBuilder text)
    {
        string held = text.ToString();
        text.Clear();
        foreach (char c in held)
        {
            _answer(c);
        }
    }
}

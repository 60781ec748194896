using System.Text;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>Finds calls in an answer's text, character by character: how the text was cut makes no difference.</summary>
/// <remarks>
/// What is not a call is content, among it what looked like one and is malformed. White space between and after calls is dropped. One per choice,
/// used by its request's thread.
/// </remarks>
internal abstract class ToolCallParser(AnswerParts output)
{
    private readonly StringBuilder _space = new();

    /// <summary>Characters since a marker that may turn out not to begin a call.</summary>
    protected StringBuilder Pending { get; } = new();

    protected AnswerParts Output { get; } = output;

    /// <summary>Whether a call has just ended and nothing but white space has followed.</summary>
    protected bool IsAfterCall { get; private set; }

    public abstract void Accept(char c);

    /// <summary>The answer has ended.</summary>
    public abstract void End();

    /// <summary>A call has ended: its characters are accounted for.</summary>
    protected void EndCall()
    {
        Pending.Clear();
        _space.Clear();
        IsAfterCall = true;
    }

    /// <summary>Another call may begin: what separates it from the one before is of no interest.</summary>
    protected void DropSpace() => _space.Clear();

    /// <summary>Keeps a separator after a call until it is known whether another call follows; false when it is none.</summary>
    protected bool HoldSpace(char c, string separators = "")
    {
        if (!IsAfterCall || !(char.IsWhiteSpace(c) || separators.Contains(c)))
        {
            return false;
        }

        _space.Append(c);
        return true;
    }

    protected void Release(StringBuilder text)
    {
        if (text.Length > 0)
        {
            Output.Content(_space);
            _space.Clear();
            IsAfterCall = false;
            Output.Content(text);
            text.Clear();
        }
    }

    /// <summary>What has been pending is no call.</summary>
    protected void ReleasePending() => Release(Pending);
}

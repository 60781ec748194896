using System.Text;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>What has been found in an answer since it was last taken: text, reasoning and calls.</summary>
/// <remarks>Used by its request's thread alone.</remarks>
/// <param name="single">Only the first call is told.</param>
internal sealed class AnswerParts(bool single = false)
{
    private readonly StringBuilder _content = new();
    private readonly StringBuilder _reasoning = new();
    private readonly StringBuilder _arguments = new(); // of the latest call, since they were last added to its piece
    private readonly List<ToolCallDelta> _calls = [];
    private int _count;

    /// <summary>How many calls have begun.</summary>
    public int CallCount => _count;

    private bool IsTold => !single || _count == 1;

    public void Content(char character) => _content.Append(character);

    public void Content(StringBuilder text) => _content.Append(text);

    public void Reasoning(char character) => _reasoning.Append(character);

    public void Reasoning(StringBuilder text) => _reasoning.Append(text);

    /// <summary>Begins the next call; what follows by <see cref="Arguments(string)"/> belongs to it.</summary>
    public void BeginCall(string name)
    {
        EndPiece();
        _count++;
        if (IsTold)
        {
            _calls.Add(new ToolCallDelta { Index = (uint)(_count - 1), Name = name });
        }
    }

    public void Arguments(char character)
    {
        if (IsTold)
        {
            _arguments.Append(character);
        }
    }

    public void Arguments(string text)
    {
        if (IsTold)
        {
            _arguments.Append(text);
        }
    }

    /// <summary>Moves what has been found into a chunk; false when there is nothing.</summary>
    public bool TakeInto(TokenChunk chunk)
    {
        EndPiece();
        chunk.Text = Take(_content);
        chunk.Reasoning = Take(_reasoning);
        chunk.ToolCalls.AddRange(_calls);
        _calls.Clear();
        return chunk.Text.Length > 0 || chunk.Reasoning.Length > 0 || chunk.ToolCalls.Count > 0;
    }

    private void EndPiece()
    {
        if (_arguments.Length == 0)
        {
            return;
        }

        if (_calls.Count == 0)
        {
            _calls.Add(new ToolCallDelta { Index = (uint)(_count - 1) });
        }

        _calls[^1].Arguments += Take(_arguments);
    }

    private static string Take(StringBuilder text)
    {
        string taken = text.ToString();
        text.Clear();
        return taken;
    }
}

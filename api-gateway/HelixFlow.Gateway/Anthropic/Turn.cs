using System.Text;

namespace HelixFlow.Gateway.Anthropic;

/// <summary>What one side says before the other answers: messages of the same role in a row are one turn.</summary>
/// <param name="role">"system", "user" or "assistant".</param>
internal sealed class Turn(string role)
{
    public string Role => role;

    /// <summary>The index of the latest message that belongs to it.</summary>
    public int LastMessage { get; set; }

    public StringBuilder Text { get; } = new();

    public StringBuilder Reasoning { get; } = new();

    /// <summary>The assistant's calls.</summary>
    public List<TurnCall> Calls { get; } = [];

    /// <summary>The user's results of the calls in the turn before.</summary>
    public List<TurnResult> Results { get; } = [];

    /// <summary>Adds a block of text, on a line of its own.</summary>
    public void Add(string text) => Add(Text, text);

    /// <summary>Adds a block of reasoning.</summary>
    public void AddReasoning(string text) => Add(Reasoning, text);

    private static void Add(StringBuilder blocks, string text)
    {
        if (blocks.Length > 0 && text.Length > 0)
        {
            blocks.Append('\n');
        }

        blocks.Append(text);
    }
}

/// <summary>A call of a tool; the arguments as JSON text.</summary>
internal sealed record TurnCall(string Id, string Name, string Arguments);

/// <summary>What a call gave; <paramref name="Param"/> is its place in the request, for errors.</summary>
internal sealed record TurnResult(string CallId, string Text, string Param);

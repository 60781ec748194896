using System.Text;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.JobTypes.Agents;

/// <summary>A conversation that fits.</summary>
/// <param name="Messages">Its messages.</param>
/// <param name="Tokens">How many tokens they have, with the tools.</param>
/// <param name="LeftOut">Turns that are not among them.</param>
internal sealed record FittedMessages(IReadOnlyList<ModelMessage> Messages, int Tokens, int LeftOut);

/// <summary>Makes a conversation fit a model's context: results of earlier turns are shortened first, then the earliest turns are replaced by a note of what was done in them.</summary>
/// <remarks>The task itself is never shortened, and the last turn's results only when nothing else is left.</remarks>
internal static class ContextFit
{
    private const int Margin = 8; // templates may count a joint of two texts otherwise than the texts alone
    private const int MostNote = 1200;
    private const int MostPart = 100; // of arguments and results in the note

    private static readonly int[] _earlier = [2000, 500];
    private static readonly int[] _last = [4000, 1000, 250];

    /// <summary>The conversation with at most so many tokens, or its task alone with a few more.</summary>
    /// <param name="models">Who counts them.</param>
    /// <param name="question">The conversation.</param>
    /// <param name="room">How many it should have.</param>
    /// <param name="limit">How many it may have when nothing is left to be shortened.</param>
    /// <param name="cancellationToken">Ends the wait for the model.</param>
    /// <exception cref="JobFailedException">The task alone has more.</exception>
    public static async Task<FittedMessages> FitAsync(IModelClient models, TurnQuestion question, int room, int limit, CancellationToken cancellationToken)
    {
        List<ModelMessage> messages = [.. question.Messages];
        int tokens = await CountAsync().ConfigureAwait(false);
        foreach (int length in _earlier)
        {
            if (tokens > room && Shorten(messages, question.Head, LastTurn(messages, question.Head), length))
            {
                tokens = await CountAsync().ConfigureAwait(false);
            }
        }

        var note = new List<string>();
        int leftOut = 0;
        while (tokens > room && LastTurn(messages, question.Head) > question.Head)
        {
            LeaveOut(messages, question, note);
            leftOut++;
            tokens = await CountAsync().ConfigureAwait(false);
        }

        foreach (int length in _last)
        {
            if (tokens > room && Shorten(messages, question.Head, messages.Count, length))
            {
                tokens = await CountAsync().ConfigureAwait(false);
            }
        }

        return tokens <= limit ? new FittedMessages(messages, tokens, leftOut) : throw new JobFailedException(
            "context_too_small",
            $"The model '{question.Model.Name}' has {question.Model.ContextLength} tokens of context; the task with its tools has {tokens}, which leaves too little for an answer. " +
            "Give it less to read, fewer tools, or name another model.");

        async Task<int> CountAsync() => Margin + await models.CountAsync(
            new ModelCall(question.Model.Name, messages, 0) { Tools = question.Tools }, cancellationToken).ConfigureAwait(false);
    }

    private static int LastTurn(List<ModelMessage> messages, int head)
    {
        int last = messages.FindLastIndex(static message => message.Role == "assistant");
        return last < head ? messages.Count : last;
    }

    private static bool Shorten(List<ModelMessage> messages, int from, int to, int length)
    {
        bool hasChanged = false;
        for (int i = from; i < to; i++)
        {
            if (messages[i].Role == "tool" && messages[i].Content.Length > length)
            {
                messages[i] = messages[i] with { Content = Results.Cut(messages[i].Content, length) };
                hasChanged = true;
            }
        }

        return hasChanged;
    }

    /// <summary>Takes the earliest turn out, and notes in the task's last message what was done in it.</summary>
    private static void LeaveOut(List<ModelMessage> messages, TurnQuestion question, List<string> note)
    {
        int end = messages.FindIndex(question.Head + 1, static message => message.Role == "assistant");
        List<ModelMessage> turn = messages.GetRange(question.Head, end - question.Head);
        messages.RemoveRange(question.Head, end - question.Head);
        foreach (ModelToolCall call in turn[0].Calls ?? [])
        {
            string result = turn.Find(message => message.CallId == call.Id)?.Content ?? "";
            note.Add($"{call.Name}({Part(call.Arguments)}) gave: {Part(result)}");
        }

        while (note.Sum(static line => line.Length + 1) > MostNote)
        {
            note.RemoveAt(0);
        }

        ModelMessage task = question.Messages[question.Head - 1];
        messages[question.Head - 1] = task with { Content = $"{task.Content}\n\n[Earlier steps are left out for want of room. What was done in them:\n{string.Join('\n', note)}]" };
    }

    private static string Part(string text)
    {
        string line = text.ReplaceLineEndings(" ");
        return line.Length <= MostPart ? line : $"{line[..Results.Boundary(line, MostPart)]}…";
    }
}

/// <summary>Texts that are too long.</summary>
internal static class Results
{
    /// <summary>The beginning of a text, with a note of what is missing.</summary>
    public static string Cut(string text, int length)
    {
        if (text.Length <= length)
        {
            return text;
        }

        int end = Boundary(text, length);
        return new StringBuilder(text, 0, end, end + 64).Append("\n[shortened: ").Append(end).Append(" of ").Append(text.Length).Append(" characters]").ToString();
    }

    /// <summary>A place at or before a length that does not split a character.</summary>
    public static int Boundary(string text, int length) => length > 0 && length < text.Length && char.IsLowSurrogate(text[length]) ? length - 1 : length;
}

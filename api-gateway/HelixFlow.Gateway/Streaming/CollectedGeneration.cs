using System.Text;
using HelixFlow.Gateway.Errors;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Streaming;

/// <summary>A generation that is answered as a whole.</summary>
internal sealed class CollectedGeneration
{
    /// <summary>The choices by their index.</summary>
    public SortedDictionary<uint, CollectedChoice> Choices { get; } = [];

    public Usage Usage { get; private set; } = new();

    /// <exception cref="OpenAiException">The engine failed.</exception>
    public static async Task<CollectedGeneration> ReadAsync(IAsyncEnumerator<GenerateEvent> events)
    {
        var generation = new CollectedGeneration();
        while (await events.MoveNextAsync())
        {
            generation.Add(events.Current);
        }

        return generation;
    }

    /// <summary>Adds what an event tells.</summary>
    /// <exception cref="OpenAiException">The engine failed.</exception>
    public void Add(GenerateEvent next)
    {
        switch (next)
        {
            case { Token: { } token }:
                CollectedChoice choice = Choice(token.Choice);
                choice.Text.Append(token.Text);
                choice.Reasoning.Append(token.Reasoning);
                choice.Add(token.ToolCalls);
                choice.Tokens.AddRange(token.Tokens);
                break;
            case { Finish: { Reason: FinishReason.Error } failure }:
                throw new OpenAiException(new OpenAiError(500, "server_error", failure.Error));
            case { Finish: { } finish }:
                Choice(finish.Choice).End = finish;
                break;
            case { Usage: { } usage }:
                Usage = usage;
                break;
        }
    }

    private CollectedChoice Choice(uint index)
    {
        if (!Choices.TryGetValue(index, out CollectedChoice? choice))
        {
            Choices.Add(index, choice = new CollectedChoice());
        }

        return choice;
    }
}

/// <summary>One choice of a <see cref="CollectedGeneration"/>.</summary>
internal sealed class CollectedChoice
{
    public StringBuilder Text { get; } = new();

    public StringBuilder Reasoning { get; } = new();

    public List<CollectedCall> Calls { get; } = [];

    public List<TokenLogprob> Tokens { get; } = [];

    /// <summary>How it ended.</summary>
    public Finish End { get; set; } = new();

    public FinishReason Reason => End.Reason;

    public void Add(IEnumerable<ToolCallDelta> pieces)
    {
        foreach (ToolCallDelta piece in pieces)
        {
            if (piece.Index == Calls.Count)
            {
                Calls.Add(new CollectedCall(piece.Name));
            }

            Calls[(int)piece.Index].Arguments.Append(piece.Arguments);
        }
    }
}

/// <summary>One call of a <see cref="CollectedChoice"/>.</summary>
internal sealed record CollectedCall(string Name)
{
    public StringBuilder Arguments { get; } = new();
}

using HelixFlow.Engine.Execution;

namespace HelixFlow.Engine.Tests.Execution;

/// <summary>Everything that one choice of a stream said.</summary>
internal sealed class ChoiceTrace
{
    public List<int> Tokens { get; } = [];

    public List<float> Logprobs { get; } = [];

    /// <summary>The generated counts of the token events.</summary>
    public List<int> Counts { get; } = [];

    /// <summary>The alternatives of all tokens, in order.</summary>
    public List<(int Token, float Logprob)> Alternatives { get; } = [];

    /// <summary>Null until it ended.</summary>
    public SequenceEvent? End { get; private set; }

    /// <summary>Reads a stream to its end; choices that are not in it are missing from the result.</summary>
    public static async Task<SortedDictionary<int, ChoiceTrace>> ReadAsync(SequenceStream stream)
    {
        var choices = new SortedDictionary<int, ChoiceTrace>();
        await foreach (SequenceEvent next in stream.ReadAllAsync())
        {
            if (!choices.TryGetValue(next.Choice, out ChoiceTrace? choice))
            {
                choices.Add(next.Choice, choice = new ChoiceTrace());
            }

            Assert.Null(choice.End);
            if (next.Kind == SequenceEventKind.Finished)
            {
                choice.End = next;
                continue;
            }

            choice.Tokens.Add(next.Token);
            choice.Logprobs.Add(next.Logprob);
            choice.Counts.Add(next.GeneratedTokens);
            foreach (Engine.Sampling.TokenLogprob alternative in next.TopLogprobs.Span)
            {
                choice.Alternatives.Add((alternative.Token, alternative.Logprob));
            }
        }

        Assert.All(choices.Values, choice => Assert.NotNull(choice.End));
        return choices;
    }
}

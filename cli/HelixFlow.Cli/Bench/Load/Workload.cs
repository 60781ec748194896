namespace HelixFlow.Cli.Bench.Load;

/// <summary>What the requests look like.</summary>
internal sealed record WorkloadOptions
{
    /// <summary>The same seed gives the same requests.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Tokens of every new message; null for the ShareGPT-like mix.</summary>
    public int? PromptTokens { get; init; }

    /// <summary>Tokens of every answer; null for the ShareGPT-like mix.</summary>
    public int? OutputTokens { get; init; }

    /// <summary>Tokens of a text that all requests begin with, as a system prompt that all users share.</summary>
    public int PrefixTokens { get; init; }

    /// <summary>The share of requests, 0 to 1, that continue an earlier conversation while there is one that still fits.</summary>
    public double TurnShare { get; init; }

    /// <summary>The most tokens of a request, prompt and output together.</summary>
    public int MaxTokens { get; init; } = 2048;
}

/// <summary>A request to make.</summary>
/// <param name="Index">From 0, in order of arrival.</param>
/// <param name="Arrival">When it is to be sent, since the start; unused in a closed loop.</param>
/// <param name="Conversation">Which conversation it belongs to; its texts depend on it.</param>
/// <param name="Messages">Tokens of its messages: user, assistant, user, …; the last is the user's.</param>
/// <param name="PrefixTokens">Tokens of the shared prefix before the first of them.</param>
/// <param name="OutputTokens">Tokens of the answer wanted.</param>
internal sealed record PlannedRequest(int Index, TimeSpan Arrival, int Conversation, IReadOnlyList<int> Messages, int PrefixTokens, int OutputTokens)
{
    /// <summary>Tokens of the prompt, as far as they are planned: a chat template adds its own.</summary>
    public int PromptTokens => PrefixTokens + Messages.Sum();

    /// <summary>From 0.</summary>
    public int Turn => Messages.Count / 2;
}

/// <summary>Plans requests from a seed.</summary>
/// <remarks>
/// An open loop cannot wait for answers, so a conversation goes on from answers that are made up: of the length that was asked for, but not of
/// the words that the server said. Its prompts extend one another as real ones do.
/// </remarks>
internal sealed class Workload(WorkloadOptions options)
{
    // More conversations than this are not kept to be continued.
    private const int OpenConversations = 256;

    public IEnumerable<PlannedRequest> Plan(IEnumerable<TimeSpan> arrivals)
    {
        var random = new Random(options.Seed);
        var open = new List<PlannedRequest>();
        int index = 0;
        int conversations = 0;
        foreach (TimeSpan arrival in arrivals)
        {
            // Always drawn, so that options change as little as possible of what follows.
            int prompt = LengthMix.ShareGptPrompts.Sample(random);
            int output = LengthMix.ShareGptOutputs.Sample(random);
            double turn = random.NextDouble();
            double pick = random.NextDouble();
            prompt = options.PromptTokens ?? prompt;
            output = options.OutputTokens ?? output;

            PlannedRequest? earlier = turn < options.TurnShare && open.Count > 0 ? open[(int)(pick * open.Count)] : null;
            PlannedRequest? next = earlier is null ? null : Continue(earlier, index, arrival, prompt, output);
            if (earlier is not null)
            {
                open.Remove(earlier);
            }

            next ??= Begin(index, arrival, conversations++, prompt, output);
            open.Add(next);
            if (open.Count > OpenConversations)
            {
                open.RemoveAt(0);
            }

            index++;
            yield return next;
        }
    }

    private PlannedRequest Begin(int index, TimeSpan arrival, int conversation, int prompt, int output)
    {
        output = Math.Min(output, Math.Max(1, options.MaxTokens - options.PrefixTokens - 1));
        prompt = Math.Min(prompt, Math.Max(1, options.MaxTokens - options.PrefixTokens - output));
        return new PlannedRequest(index, arrival, conversation, [prompt], options.PrefixTokens, output);
    }

    private PlannedRequest? Continue(PlannedRequest earlier, int index, TimeSpan arrival, int prompt, int output)
    {
        var next = earlier with { Index = index, Arrival = arrival, Messages = [.. earlier.Messages, earlier.OutputTokens, prompt], OutputTokens = output };
        return next.PromptTokens + output <= options.MaxTokens ? next : null;
    }
}

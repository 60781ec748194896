namespace HelixFlow.Engine.Sampling;

/// <summary>How the next token is chosen from a row of logits. Immutable; one instance may serve many requests.</summary>
/// <remarks>
/// Applied in this order: repetition penalty, presence and frequency penalties, logit bias, temperature, top-k, top-p, min-p. Each filter sees
/// what the one before left over, with probabilities rescaled to sum to one (vLLM and llama.cpp agree on this).
/// </remarks>
public sealed class SamplingOptions
{
    /// <summary>Below this a temperature means "always the most probable token": dividing by it would overflow.</summary>
    internal const float GreedyBelow = 1e-5f;

    /// <summary>The seed of requests that have none where equal requests shall get equal answers.</summary>
    public const long FixedSeed = 0;

    /// <summary>The defaults: the model's own distribution, unfiltered, with a seed drawn by the engine.</summary>
    public static SamplingOptions Default { get; } = new();

    /// <summary>Always the most probable token; the lowest id among equals.</summary>
    public static SamplingOptions Greedy { get; } = new() { Temperature = 0 };

    /// <summary>Divides the logits: 0 is greedy, 1 (the default) the model's own distribution, more is more random.</summary>
    public float Temperature { get; init; } = 1;

    /// <summary>Keep this many most probable tokens; 0 (the default) keeps all. Among equals the lowest ids stay.</summary>
    public int TopK { get; init; }

    /// <summary>Keep the smallest set of most probable tokens that reaches this probability; in (0, 1], 1 (the default) keeps all.</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Drop tokens less probable than this fraction of the most probable one; in [0, 1], 0 (the default) keeps all.</summary>
    public float MinP { get; init; }

    /// <summary>Subtracted once from the logit of every token generated so far; the prompt does not count. 0 turns it off.</summary>
    public float PresencePenalty { get; init; }

    /// <summary>Subtracted per occurrence from the logit of every token generated so far; the prompt does not count. 0 turns it off.</summary>
    public float FrequencyPenalty { get; init; }

    /// <summary>Divides positive and multiplies negative logits of tokens in prompt or output; above 0, 1 turns it off.</summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>Added to the logits of these token ids; negative infinity forbids a token.</summary>
    public IReadOnlyDictionary<int, float>? LogitBias { get; init; }

    /// <summary>The same seed, prompt and options give the same tokens, whatever else runs in the batch. Unset: the engine draws one.</summary>
    public long? Seed { get; init; }

    internal bool IsGreedy => Temperature < GreedyBelow;

    internal bool CountsOutput => PresencePenalty != 0 || FrequencyPenalty != 0 || RepetitionPenalty != 1;

    internal bool CountsPrompt => RepetitionPenalty != 1;

    internal bool ChangesLogits => CountsOutput || LogitBias is { Count: > 0 };

    /// <summary>What is wrong with these options for a vocabulary of this size, in words for the caller; null when nothing is.</summary>
    public RequestProblem? FindProblem(int vocabularySize)
    {
        if (!(Temperature >= 0) || !float.IsFinite(Temperature))
        {
            return new RequestProblem("temperature", $"temperature is {Temperature}; it must be 0 or more");
        }

        if (TopK < 0)
        {
            return new RequestProblem("top_k", $"top_k is {TopK}; it must be 0 (off) or more");
        }

        if (!(TopP > 0 && TopP <= 1))
        {
            return new RequestProblem("top_p", $"top_p is {TopP}; it must be above 0 and at most 1");
        }

        if (!(MinP >= 0 && MinP <= 1))
        {
            return new RequestProblem("min_p", $"min_p is {MinP}; it must be between 0 and 1");
        }

        if (!float.IsFinite(PresencePenalty) || !float.IsFinite(FrequencyPenalty))
        {
            return new RequestProblem("presence_penalty", "presence_penalty and frequency_penalty must be finite numbers");
        }

        if (!(RepetitionPenalty > 0) || !float.IsFinite(RepetitionPenalty))
        {
            return new RequestProblem("repetition_penalty", $"repetition_penalty is {RepetitionPenalty}; it must be above 0");
        }

        return FindBiasProblem(vocabularySize);
    }

    private RequestProblem? FindBiasProblem(int vocabularySize)
    {
        if (LogitBias is null)
        {
            return null;
        }

        foreach ((int id, float bias) in LogitBias)
        {
            if ((uint)id >= (uint)vocabularySize)
            {
                return new RequestProblem("logit_bias", $"logit_bias names the token {id}; the model's ids are 0 to {vocabularySize - 1}");
            }

            if (float.IsNaN(bias) || float.IsPositiveInfinity(bias))
            {
                return new RequestProblem("logit_bias", $"logit_bias of the token {id} is {bias}; it must be a number");
            }
        }

        return null;
    }
}

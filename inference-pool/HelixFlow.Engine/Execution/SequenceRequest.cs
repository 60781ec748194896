using HelixFlow.Engine.Sampling;

namespace HelixFlow.Engine.Execution;

/// <summary>One generation to run: a prompt, how to sample, when to stop. Not changed by the engine; may be reused.</summary>
public sealed class SequenceRequest
{
    /// <summary>Most alternatives that <see cref="TopLogprobs"/> may ask for, as in the OpenAI API.</summary>
    public const int MaxTopLogprobs = 20;

    /// <summary>Names the request in errors and logs; the engine does not interpret it.</summary>
    public required string RequestId { get; init; }

    /// <summary>Token ids, at least one. The memory must not change before <see cref="InferenceEngine.Submit"/> returns.</summary>
    public required ReadOnlyMemory<int> Prompt { get; init; }

    /// <summary>Most tokens to generate per choice. Unset: up to the context length.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>A choice ends when one of these is sampled, besides the model's own <see cref="EngineOptions.EndIds"/>.</summary>
    public IReadOnlyCollection<int> StopIds { get; init; } = [];

    /// <summary>Continue beyond the model's own <see cref="EngineOptions.EndIds"/>; <see cref="StopIds"/> still count.</summary>
    public bool IgnoreEnd { get; init; }

    public SamplingOptions Sampling { get; init; } = SamplingOptions.Default;

    /// <summary>Set: report the log probability of each token and of this many best alternatives, 0 to <see cref="MaxTopLogprobs"/>.</summary>
    public int? TopLogprobs { get; init; }

    /// <summary>Higher runs first; 0 is the default class. Within a class the earlier request runs first.</summary>
    public int Priority { get; init; }

    /// <summary>Prompts share cached blocks only under the same salt: set it to the tenant, so that none learns what another asked.</summary>
    public string CacheSalt { get; init; } = "";

    /// <summary>Independent continuations of the prompt, each a choice of the stream; the prompt is computed once.</summary>
    public int Count { get; init; } = 1;

    /// <summary>What is wrong with this request for such a model, in words for the caller; null when nothing is. Length is not looked at.</summary>
    public RequestProblem? FindProblem(int vocabularySize, int maxCount)
    {
        if (Prompt.IsEmpty)
        {
            return new RequestProblem("prompt", "the prompt has no tokens; it must have at least one");
        }

        foreach (int id in Prompt.Span)
        {
            if ((uint)id >= (uint)vocabularySize)
            {
                return new RequestProblem("prompt", $"the prompt holds the token {id}; the model's ids are 0 to {vocabularySize - 1}");
            }
        }

        if (MaxTokens < 1)
        {
            return new RequestProblem("max_tokens", $"max_tokens is {MaxTokens}; it must be at least 1");
        }

        if (TopLogprobs is < 0 or > MaxTopLogprobs)
        {
            return new RequestProblem("top_logprobs", $"top_logprobs is {TopLogprobs}; it must be between 0 and {MaxTopLogprobs}");
        }

        if (Count < 1 || Count > maxCount)
        {
            return new RequestProblem("n", $"n is {Count}; it must be between 1 and {maxCount}");
        }

        return Sampling.FindProblem(vocabularySize);
    }
}

using HelixFlow.Engine.Grammar;
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

    /// <summary>
    /// Set: each choice's text is one of this grammar, unless it is cut by <see cref="MaxTokens"/>, or ends with one of <see cref="StopIds"/> that is a
    /// part of a text. It ends where it must, even with <see cref="IgnoreEnd"/>. Its vocabulary has the model's size.
    /// </summary>
    public TokenGrammar? Grammar { get; init; }

    /// <summary>Set: report the log probability of each token and of this many best alternatives, 0 to <see cref="MaxTopLogprobs"/>.</summary>
    public int? TopLogprobs { get; init; }

    /// <summary>Higher runs first; 0 is the default class. Within a class projects share by weight.</summary>
    public int Priority { get; init; }

    /// <summary>
    /// Who the request is for. Projects that wait get tokens in proportion to <see cref="EngineOptions.ProjectWeight"/>, however many requests
    /// each has; within a project the earlier request starts first. May equal <see cref="CacheSalt"/>.
    /// </summary>
    public string Project { get; init; } = "";

    /// <summary>Prompts share cached blocks only under the same salt: set it to the tenant, so that none learns what another asked.</summary>
    public string CacheSalt { get; init; } = "";

    /// <summary>Independent continuations of the prompt, each a choice of the stream; the prompt is computed once.</summary>
    public int Count { get; init; } = 1;

    /// <summary>
    /// Set: the choices to go on with, each after what was generated for it elsewhere. The others of <see cref="Count"/> had ended: the stream
    /// has no events of them.
    /// </summary>
    /// <remarks>
    /// What follows is what the uninterrupted request would have given, provided that <see cref="SamplingOptions.Seed"/> is set and that all
    /// else is equal. The tokens count towards <see cref="MaxTokens"/> and <see cref="SequenceEvent.GeneratedTokens"/>; a choice that has them all
    /// already ends as <see cref="FinishReason.Length"/> at once.
    /// </remarks>
    public IReadOnlyList<ResumedChoice>? Resume { get; init; }

    /// <summary>Tokens of the longest resumed choice.</summary>
    internal int LongestResumed
    {
        get
        {
            int longest = 0;
            foreach (ResumedChoice resumed in Resume ?? [])
            {
                longest = Math.Max(longest, resumed.Tokens.Length);
            }

            return longest;
        }
    }

    /// <summary>What is wrong with this request for such a model; null when nothing is. Length is not looked at.</summary>
    internal RequestProblem? FindProblem(int vocabularySize, int maxCount, ReadOnlySpan<int> stopIds)
    {
        if (Prompt.IsEmpty)
        {
            return new RequestProblem("prompt", "the prompt has no tokens; it must have at least one");
        }

        if (FindStranger(Prompt.Span, vocabularySize) is { } stranger)
        {
            return new RequestProblem("prompt", $"the prompt holds the token {stranger}; the model's ids are 0 to {vocabularySize - 1}");
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

        if (Grammar is not null && Grammar.Vocabulary.Size != vocabularySize)
        {
            return new RequestProblem("constraint", $"the constraint was compiled for {Grammar.Vocabulary.Size} tokens; the model has {vocabularySize}");
        }

        return FindResumeProblem(vocabularySize, stopIds) ?? FindConstraintProblem() ?? Sampling.FindProblem(vocabularySize);
    }

    private RequestProblem? FindConstraintProblem()
    {
        if (Grammar is null)
        {
            return null;
        }

        foreach (ResumedChoice resumed in Resume ?? [])
        {
            GrammarMatcher matcher = Grammar.CreateMatcher();
            try
            {
                foreach (int token in resumed.Tokens.Span)
                {
                    if (!matcher.TryAccept(token))
                    {
                        return new RequestProblem("resume", $"the tokens of choice {resumed.Choice} are not what the constraint allows");
                    }
                }
            }
            catch (GrammarTooComplexException exception)
            {
                return new RequestProblem("constraint", exception.Message);
            }
        }

        return null;
    }

    private RequestProblem? FindResumeProblem(int vocabularySize, ReadOnlySpan<int> stopIds)
    {
        if (Resume is null)
        {
            return null;
        }

        if (Resume.Count == 0)
        {
            return new RequestProblem("resume", "resume names no choice; at least one must go on");
        }

        var seen = new bool[Count];
        foreach ((int choice, ReadOnlyMemory<int> tokens) in Resume)
        {
            if ((uint)choice >= (uint)Count || seen[choice])
            {
                return new RequestProblem("resume", $"resume names the choice {choice}; each of 0 to {Count - 1} may be named once");
            }

            seen[choice] = true;
            if (tokens.Length > MaxTokens)
            {
                return new RequestProblem("resume", $"choice {choice} has {tokens.Length} generated tokens already; max_tokens allows {MaxTokens}");
            }

            if (FindStranger(tokens.Span, vocabularySize) is { } stranger)
            {
                return new RequestProblem("resume", $"choice {choice} holds the token {stranger}; the model's ids are 0 to {vocabularySize - 1}");
            }

            if (tokens.Span.IndexOfAny(stopIds) is var at && at >= 0)
            {
                return new RequestProblem("resume", $"choice {choice} ended with the stop token {tokens.Span[at]}; there is nothing to go on with");
            }
        }

        return null;
    }

    /// <summary>A token that is not in the vocabulary; null when all are.</summary>
    private static int? FindStranger(ReadOnlySpan<int> tokens, int vocabularySize) =>
        tokens.IndexOfAnyExceptInRange(0, vocabularySize - 1) is var at && at >= 0 ? tokens[at] : null;
}

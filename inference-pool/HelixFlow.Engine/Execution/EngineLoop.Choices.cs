using HelixFlow.Engine.Grammar;
using HelixFlow.Engine.Sampling;
using HelixFlow.Engine.Scheduling;

namespace HelixFlow.Engine.Execution;

/// <summary>What follows a step's logits: sampling, emitting, and the ends of choices.</summary>
internal sealed partial class EngineLoop
{
    /// <summary>Samples after the last token of a sequence, and after each guess that was right.</summary>
    /// <param name="generation">The sequence.</param>
    /// <param name="logits">[rows, vocabulary]: after its last token, then after each guess that ran.</param>
    /// <param name="rows">How many.</param>
    private void SampleRows(Generation generation, ReadOnlySpan<float> logits, int rows)
    {
        if (rows == 1)
        {
            SampleChoices(generation, logits);
            return;
        }

        int size = logits.Length / rows;
        int accepted = 0;
        bool right = true;
        for (int i = 0; right && !generation.HasEnded; i++)
        {
            int guess = i < rows - 1 ? generation.NextGuess : Sampler.NoToken;
            int token = SampleNext(generation, logits.Slice(i * size, size));
            right = token == guess && token != Sampler.NoToken;
            accepted += right ? 1 : 0;
            if (right && !generation.HasEnded)
            {
                _scheduler.AcceptGuess(generation);
            }
        }

        if (!generation.HasEnded)
        {
            _scheduler.DropGuesses(generation);
        }

        _totals = _totals with
        {
            ComputedTokens = _totals.ComputedTokens + accepted,
            ProposedTokens = _totals.ProposedTokens + rows - 1,
            AcceptedTokens = _totals.AcceptedTokens + accepted,
        };
    }

    private void EndEmbedding(Generation generation, StatePool pool)
    {
        if (pool.TryFinish())
        {
            End(generation, FinishReason.Stop);
        }
        else
        {
            End(generation, FinishReason.Error, error: "the model gave hidden states that are not finite numbers");
        }
    }

    /// <summary>Samples the next token of a choice; at the end of a prompt, the first token of every choice of the request.</summary>
    private void SampleChoices(Generation generation, ReadOnlySpan<float> logits)
    {
        if (generation.Slots == 1)
        {
            SampleNext(generation, logits);
            return;
        }

        Generation[] choices = generation.Stream.Generations;
        for (int i = 1; i < choices.Length; i++)
        {
            if (!choices[i].HasEnded)
            {
                _scheduler.Fork(generation, choices[i]);
            }
        }

        generation.Slots = 1;
        foreach (Generation choice in choices)
        {
            if (choice.HasEnded)
            {
                _scheduler.Remove(choice); // cancelled during the prefill that the others needed
            }
            else
            {
                SampleNext(choice, logits);
            }
        }
    }

    /// <returns>The token, or <see cref="Sampler.NoToken"/>; either may have ended the choice.</returns>
    private int SampleNext(Generation generation, ReadOnlySpan<float> logits)
    {
        int token;
        try
        {
            token = Sample(generation, logits);
        }
        catch (GrammarTooComplexException tooComplex)
        {
            End(generation, FinishReason.Error, error: tooComplex.Message);
            return Sampler.NoToken;
        }

        if (token == Sampler.NoToken)
        {
            End(generation, FinishReason.Error, error: "the model gave logits that are not finite numbers");
            return token;
        }

        generation.Sampling.Accept(token);
        generation.Generated++;
        _totals = _totals with { GeneratedTokens = _totals.GeneratedTokens + 1 };
        if (generation.IsStop(token))
        {
            End(generation, FinishReason.Stop, token);
            return token;
        }

        float logprob = float.NaN;
        Memory<TokenLogprob> top = default;
        if (generation.TopLogprobs is int wanted)
        {
            top = generation.TakeTopLogprobs(Math.Min(wanted, logits.Length));
            logprob = _sampler.Logprobs(logits, token, top.Span);
        }

        generation.Append(token);
        generation.Stream.Emit(SequenceEvent.Sampled(generation.Choice, token, generation.Generated, logprob, top));
        if (generation.Constraint is { MustEnd: true })
        {
            End(generation, FinishReason.Stop); // without a step for the end token
        }
        else if (generation.Length >= generation.MaxLength)
        {
            End(generation, FinishReason.Length);
        }

        return token;
    }

    /// <summary>Samples a token that the choice's constraint allows, and tells the constraint.</summary>
    /// <exception cref="GrammarTooComplexException">The constraint is too ambiguous for this text.</exception>
    private int Sample(Generation generation, ReadOnlySpan<float> logits)
    {
        if (generation.Constraint is not { } constraint)
        {
            return _sampler.Sample(logits, generation.Sampling);
        }

        constraint.WriteMask(_allowed);
        int token = _sampler.Sample(logits, generation.Sampling, _allowed);
        if (token != Sampler.NoToken && !generation.IsStop(token) && !constraint.TryAccept(token))
        {
            throw new InvalidOperationException($"the mask allows the token {token} and the grammar does not");
        }

        return token;
    }

    /// <summary>Emits a choice's terminal event, once, and gives its blocks back.</summary>
    private void End(Generation generation, FinishReason reason, int stopToken = -1, string? error = null)
    {
        if (generation.HasEnded)
        {
            return;
        }

        generation.HasEnded = true;
        Generation first = generation.Stream.Generations[0];
        Generation carrier = first.Slots == 1 ? generation : first; // until it has forked, the first choice carries the others
        if (first.Slots == 1 || AllEnded(generation.Stream.Generations))
        {
            _scheduler.Remove(carrier);
            StopWaiting(carrier);
        }

        generation.Stream.Emit(SequenceEvent.Finished(generation.Choice, reason, generation.Generated, stopToken, error));
    }

    private void EndAll(FinishReason reason, string? error, bool waitingToo)
    {
        EndEach(_scheduler.Running, reason, error);
        if (waitingToo)
        {
            EndEach(_scheduler.Waiting, reason, error);
        }
    }

    private void EndEach(List<Sequence> sequences, FinishReason reason, string? error)
    {
        while (sequences.Count > 0)
        {
            var last = (Generation)sequences[^1];
            if (last.Slots == 1)
            {
                End(last, reason, error: error);
                _scheduler.Remove(last);
                continue;
            }

            foreach (Generation choice in last.Stream.Generations)
            {
                End(choice, reason, error: error);
            }
        }
    }

    private static bool AllEnded(Generation[] choices)
    {
        foreach (Generation choice in choices)
        {
            if (!choice.HasEnded)
            {
                return false;
            }
        }

        return true;
    }
}

using System.Runtime.CompilerServices;
using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Grammar;
using HelixFlow.Engine.Sampling;
using HelixFlow.InferenceNode.Answers;
using HelixFlow.InferenceNode.Serving;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using FinishReason = HelixFlow.Schemas.Inference.V1.FinishReason;
using ResumedChoice = HelixFlow.Engine.Execution.ResumedChoice;

namespace HelixFlow.InferenceNode.Generation;

/// <summary>Runs one request on a loaded model: prompt to tokens, engine, tokens to text.</summary>
/// <remarks>Everything but the engine's step runs on the caller's threads.</remarks>
internal static class GenerationRun
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    /// <summary>The events of a request from <see cref="PromptReady"/> on.</summary>
    /// <exception cref="InferenceException">Before the first event: the model cannot serve the request.</exception>
    public static async IAsyncEnumerable<GenerateEvent> RunAsync(
        GenerateRequest request, ServedModel model, string nodeId, TimeProvider time, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (request.Echo && request.HasTopLogprobs)
        {
            throw new InferenceException(InferenceError.InvalidArgument, "echo together with logprobs is not supported: prompt tokens have no log probabilities here.", "echo");
        }

        using SequenceStream stream = Submit(request, model, time, out int promptTokens, out ChoiceText[] choices);
        await using CancellationTokenRegistration cancelled = cancellationToken.UnsafeRegister(static stream => ((SequenceStream)stream!).Cancel(), stream);
        yield return new GenerateEvent { Prompt = new PromptReady { PromptTokens = (uint)promptTokens, NodeId = nodeId } };
        if (request.Echo)
        {
            foreach (GenerateEvent echo in Echo(request, model, choices.Length))
            {
                yield return echo;
            }
        }

        uint generated = 0;
        uint reasoning = 0;
        while (await stream.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
        {
            while (stream.TryRead(out SequenceEvent next))
            {
                ChoiceText choice = choices[next.Choice];
                if (next.Kind == SequenceEventKind.Finished)
                {
                    if (next.Reason == Engine.Execution.FinishReason.Cancelled && !choice.Stopped)
                    {
                        // Not an end that may be told to a client: the whole request was cancelled, and its caller knows why, or the engine was stopped.
                        cancellationToken.ThrowIfCancellationRequested();
                        throw new InferenceException(InferenceError.Unavailable, "The model was unloaded.") { RetryAfter = RetryAfter };
                    }

                    generated += (uint)next.GeneratedTokens;
                    if (choice.Flush() is { } rest)
                    {
                        yield return new GenerateEvent { Token = rest };
                    }

                    reasoning += (uint)choice.ReasoningTokens;
                    yield return new GenerateEvent { Finish = FinishOf(next, choice) };
                }
                else if (!choice.Stopped)
                {
                    TokenChunk? chunk = choice.Append(next);
                    if (choice.Stopped)
                    {
                        stream.Cancel(next.Choice);
                    }

                    if (chunk is not null)
                    {
                        yield return new GenerateEvent { Token = chunk };
                    }
                }
            }
        }

        yield return new GenerateEvent
        {
            Usage = new Usage { PromptTokens = (uint)promptTokens, CompletionTokens = generated, CachedTokens = (uint)Math.Min(stream.CachedTokens, promptTokens), ReasoningTokens = reasoning },
        };
    }

    private static SequenceStream Submit(GenerateRequest request, ServedModel model, TimeProvider time, out int promptTokens, out ChoiceText[] choices)
    {
        int[] prompt = PromptTokens.Of(request, model, time, out string? chat);
        bool withLogprobs = request.HasTopLogprobs;
        int count = (int)Math.Min(Math.Max(1, request.N), int.MaxValue);
        if (request.Stop.Count > 16)
        {
            throw new InferenceException(InferenceError.InvalidArgument, $"stop has {request.Stop.Count} texts; at most 16 are possible.", "stop");
        }

        int room = model.ContextLength - prompt.Length;
        if (room < 1 || (request.HasMaxTokens && request.MaxTokens > room && !request.FitMaxTokens))
        {
            throw ContextLengthExceeded(model.ContextLength, prompt.Length, request.HasMaxTokens ? request.MaxTokens : 1);
        }

        bool isCut = request.FitMaxTokens && request.MaxTokens > model.Engine.MaxSequenceTokens - prompt.Length; // then the engine's own limit holds
        ToolCatalog? tools = chat is null ? null : AnswerFormat.ToolsOf(request.Chat);
        Constraint? content = ConstraintMapping.Of(request, request.CompactJson ? JsonWhiteSpace.Compact : model.WhiteSpace);
        Constraint? whole = chat is null ? content : model.Answers!.ConstraintOf(request.Chat, chat, tools, content);
        var sequences = new SequenceRequest
        {
            RequestId = request.RequestId,
            Prompt = prompt,
            MaxTokens = request.HasMaxTokens && !isCut ? (int)request.MaxTokens : null,
            StopIds = request.StopTokenIds,
            IgnoreEnd = request.IgnoreEos,
            Sampling = SamplingMapping.Complete(request.Sampling, model.Defaults),
            Grammar = ConstraintMapping.Compile(whole, request, tools, model.Constraints),
            TopLogprobs = withLogprobs ? (int)Math.Min(request.TopLogprobs, int.MaxValue) : null,
            Priority = request.Priority,
            Project = request.Project,
            CacheSalt = request.Project,
            Count = count,
            Resume = request.Resume.Count == 0 ? null : [.. request.Resume.Select(static resumed => new ResumedChoice((int)resumed.Choice, resumed.TokenIds.ToArray()))],
        };
        SubmitOutcome outcome = model.Engine.Submit(sequences, out SequenceStream? stream);
        if (outcome != SubmitOutcome.Accepted)
        {
            throw Refusal(outcome, sequences, model, prompt.Length);
        }

        promptTokens = prompt.Length;
        choices = new ChoiceText[count];
        for (int i = 0; i < count; i++)
        {
            AnswerReader? answer = chat is null ? null : model.Answers!.CreateReader(request.Chat, chat, tools, isConstrained: content is not null);
            choices[i] = new ChoiceText(
                (uint)i, model.Tokenizer, request.Stop, withLogprobs, request.WithTokenIds, answer, answer is null ? null : model.Answers!.ShownTokens(request.Chat));
        }

        foreach (Schemas.Inference.V1.ResumedChoice resumed in request.Resume)
        {
            choices[resumed.Choice].Prime(resumed.TokenIds.ToArray());
        }

        return stream!;
    }

    private static InferenceException Refusal(SubmitOutcome outcome, SequenceRequest request, ServedModel model, int promptTokens) => outcome switch
    {
        SubmitOutcome.InvalidRequest => InvalidRequest(model.Engine.FindProblem(request)),
        SubmitOutcome.ContextLengthExceeded => ContextLengthExceeded(model.Engine.MaxSequenceTokens, promptTokens, (uint)(request.MaxTokens ?? 1)),
        SubmitOutcome.Overloaded => new InferenceException(InferenceError.Overloaded, "Too many requests are waiting for this model. Please try again later.") { RetryAfter = RetryAfter },
        SubmitOutcome.Draining => new InferenceException(InferenceError.Unavailable, "The model is being unloaded.") { RetryAfter = RetryAfter },
        _ => new InferenceException(InferenceError.Internal, $"The model '{model.Description.Name}' has failed and takes no more requests."),
    };

    private static InferenceException InvalidRequest(RequestProblem? problem) =>
        new(InferenceError.InvalidArgument, problem?.Message ?? "The engine refuses the request.", problem?.Field);

    private static InferenceException ContextLengthExceeded(int context, int promptTokens, uint completionTokens) => new(
        InferenceError.ContextLengthExceeded,
        $"This model's maximum context length is {context} tokens. However, you requested {promptTokens + completionTokens} tokens " +
        $"({promptTokens} in the prompt, {completionTokens} for the completion). Please reduce the length of either one.",
        "prompt");

    private static Finish FinishOf(in SequenceEvent end, ChoiceText choice) => new()
    {
        Choice = (uint)end.Choice,
        Reason = choice.Stopped ? FinishReason.Stop : end.Reason switch
        {
            Engine.Execution.FinishReason.Stop => FinishReason.Stop,
            Engine.Execution.FinishReason.Length => FinishReason.Length,
            Engine.Execution.FinishReason.Cancelled => FinishReason.Cancelled,
            _ => FinishReason.Error,
        },
        Error = end.Error ?? "",
        GeneratedTokens = (uint)end.GeneratedTokens,
        ReasoningTokens = (uint)choice.ReasoningTokens,
        StopText = choice.StopText,
    };

    private static IEnumerable<GenerateEvent> Echo(GenerateRequest request, ServedModel model, int choices)
    {
        string text = request.PromptCase switch
        {
            GenerateRequest.PromptOneofCase.Text => request.Text,
            GenerateRequest.PromptOneofCase.Tokens => model.Tokenizer.Decode([.. request.Tokens.Ids], skipSpecial: false),
            _ => throw new InferenceException(InferenceError.InvalidArgument, "echo works with text and token prompts only.", "echo"),
        };
        for (int i = 0; i < choices; i++)
        {
            yield return new GenerateEvent { Token = new TokenChunk { Choice = (uint)i, Text = text } };
        }
    }
}

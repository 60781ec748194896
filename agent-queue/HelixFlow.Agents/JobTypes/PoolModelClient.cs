using System.Text;
using HelixFlow.Agents.Runs;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Agents.JobTypes;

/// <summary>The models of an inference pool, by the way that the gateway's own requests take.</summary>
public sealed class PoolModelClient(IInferencePool pool) : IModelClient
{
    /// <inheritdoc />
    public async Task<ModelLimits> FindAsync(string? model, CancellationToken cancellationToken)
    {
        ListModelsResponse models = await pool.ListModelsAsync(new ListModelsRequest(), cancellationToken).ConfigureAwait(false);
        if (models.Models.Count == 0)
        {
            throw new StepHadNoEffectException("No node serves a model at this moment.");
        }

        ModelDescription? found = models.Models.FirstOrDefault(candidate => model is null ? candidate.Chat : candidate.Name == model);
        return found is { Chat: true } ? new ModelLimits(found.Name, (int)found.ContextLength)
            : throw new JobFailedException(
                "unknown_model",
                $"{(model is null ? "No model here" : found is null ? $"There is no model '{model}' here, which" : $"The model '{model}'")} can hold a conversation. " +
                $"Those that can: {string.Join(", ", models.Models.Where(static candidate => candidate.Chat).Select(static candidate => candidate.Name))}.");
    }

    /// <inheritdoc />
    public Task<int> CountAsync(string model, IReadOnlyList<ModelMessage> messages, CancellationToken cancellationToken) =>
        CountAsync(new ModelCall(model, messages, 0), cancellationToken);

    /// <inheritdoc />
    public async Task<int> CountAsync(ModelCall question, CancellationToken cancellationToken)
    {
        try
        {
            CountTokensResponse counted = await pool.CountTokensAsync(
                new CountTokensRequest { Model = question.Model, Chat = ModelPrompt.Of(question) }, cancellationToken).ConfigureAwait(false);
            return (int)counted.Tokens;
        }
        catch (InferenceException exception) when (IsFinal(exception))
        {
            throw new JobFailedException("model_refused", exception.Message, exception);
        }
    }

    /// <inheritdoc />
    public async Task<ModelAnswer> AnswerAsync(ModelCall question, StepContext context, CancellationToken cancellationToken)
    {
        var request = new GenerateRequest
        {
            RequestId = context.Key,
            Model = question.Model,
            Project = context.Project,
            MaxTokens = (uint)question.MaxTokens,
            Chat = ModelPrompt.Of(question),
            Sampling = new SamplingParameters { Temperature = 0 },
        };
        if (question.Schema is { } schema)
        {
            request.JsonSchema = schema;
        }

        var text = new StringBuilder();
        var calls = new List<(string Name, StringBuilder Arguments)>();
        var finish = new Finish();
        var usage = new Usage();
        try
        {
            await foreach (GenerateEvent next in pool.GenerateAsync(request, cancellationToken).WithCancellation(cancellationToken).ConfigureAwait(false))
            {
                switch (next)
                {
                    case { Token: { } token }:
                        text.Append(token.Text);
                        foreach (ToolCallDelta piece in token.ToolCalls)
                        {
                            if (piece.Index == calls.Count)
                            {
                                calls.Add((piece.Name, new StringBuilder()));
                            }

                            calls[(int)piece.Index].Arguments.Append(piece.Arguments);
                        }

                        break;
                    case { Finish: { } end }:
                        finish = end;
                        break;
                    case { Usage: { } used }:
                        usage = used;
                        break;
                }
            }
        }
        catch (InferenceException exception) when (IsFinal(exception))
        {
            throw new JobFailedException("model_refused", exception.Message, exception);
        }

        return finish.Reason is FinishReason.Stop or FinishReason.Length
            ? new ModelAnswer(text.ToString(), finish.Reason == FinishReason.Length, (int)usage.PromptTokens, (int)usage.CompletionTokens)
            {
                Calls = calls.Count == 0 ? null : [.. calls.Select(static (call, i) => new ModelToolCall($"call_{i + 1}", call.Name, call.Arguments.ToString()))],
            }
            : throw new StepHadNoEffectException($"The model did not finish its answer: {(finish.Error.Length > 0 ? finish.Error : finish.Reason.ToString())}");
    }

    private static bool IsFinal(InferenceException exception) =>
        exception.Error is InferenceError.InvalidArgument or InferenceError.ModelNotFound or InferenceError.ContextLengthExceeded or InferenceError.Unsupported;
}

using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Observability;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Completions;

/// <summary><c>POST /v1/completions</c>: one or several prompts, answered together.</summary>
internal sealed class CompletionEndpoint(MeasuredPool pool, GatewayOptions options, TimeProvider time, ILogger<CompletionEndpoint> logger)
{
    public async Task HandleAsync(HttpContext context)
    {
        CompletionRequest request;
        using (var body = await RequestBody.ReadAsync(context, options))
        {
            request = CompletionRequest.Parse(body.RootElement, options);
        }

        var answer = new CompletionWriter("cmpl-" + context.TraceIdentifier["req_".Length..], time.GetUtcNow().ToUnixTimeSeconds(), request);
        using var gate = new PromptGate(context, options, time, request.Stream);
        var prompts = new List<IAsyncEnumerator<GenerateEvent>>();
        try
        {
            // All prompts are submitted before the first is read, so that they run together.
            foreach (GenerateRequest prompt in request.Prompts)
            {
                prompt.RequestId = $"{context.TraceIdentifier}-{prompts.Count}";
                prompt.Project = Authentication.BearerKey.ProjectOf(context);
                prompts.Add(pool.GenerateAsync(prompt, context.RequestAborted).GetAsyncEnumerator(context.RequestAborted));
                await gate.PassAsync(prompts[^1]);
            }

            await (request.Stream ? StreamAsync(context, request, prompts, gate.Open(), answer) : CollectAsync(context, prompts, answer));
        }
        catch (InferenceException exception) when (!gate.HasBegun)
        {
            throw new OpenAiException(ConstraintSource.Rename(request.Constraint, exception, "prompt"), exception);
        }
        catch (InferenceException exception)
        {
            await gate.Open().SendErrorAsync(ConstraintSource.Rename(request.Constraint, exception, "prompt"));
        }
        finally
        {
            foreach (IAsyncEnumerator<GenerateEvent> prompt in prompts)
            {
                await prompt.DisposeAsync();
            }
        }
    }

    private async Task StreamAsync(
        HttpContext context, CompletionRequest request, List<IAsyncEnumerator<GenerateEvent>> prompts, EventStream stream, CompletionWriter answer)
    {
        Func<Task> keepAlive = () => stream.SendKeepAliveAsync().AsTask();
        Func<ValueTask> flush = stream.FlushAsync;
        var usage = new Usage();
        try
        {
            for (int prompt = 0; prompt < prompts.Count; prompt++)
            {
                uint first = (uint)prompt * request.ChoicesPerPrompt;
                using var paced = new PacedEvents(prompts[prompt], options.KeepAliveInterval, time, flush, keepAlive);
                while (await paced.MoveNextAsync())
                {
                    switch (paced.Current)
                    {
                        case { Token: { } token }:
                            if (token.Text.Length > 0 || request.Logprobs)
                            {
                                stream.Add((answer, first, token), static (json, state) => state.answer.WriteChunk(json, state.first + state.token.Choice, state.token));
                            }

                            break;
                        case { Finish: { Reason: FinishReason.Error } failure }:
                            await stream.SendErrorAsync(new OpenAiError(500, "server_error", failure.Error));
                            return;
                        case { Finish: { } finish }:
                            stream.Add((answer, first, finish), static (json, state) => state.answer.WriteFinishChunk(json, state.first + state.finish.Choice, state.finish.Reason));
                            break;
                        case { Usage: { } used }:
                            Add(usage, used);
                            break;
                    }

                    if (stream.IsFull)
                    {
                        await stream.FlushAsync();
                    }
                }
            }

            if (request.IncludeUsage)
            {
                stream.Add((answer, usage), static (json, state) => state.answer.WriteUsageChunk(json, state.usage));
            }

            await stream.SendDoneAsync();
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !context.RequestAborted.IsCancellationRequested)
        {
            GatewayLog.StreamFailed(logger, context.TraceIdentifier, exception);
            await stream.SendErrorAsync(exception is InferenceException refusal ? ConstraintSource.Rename(request.Constraint, refusal, "prompt") : OpenAiError.Unexpected);
        }
    }

    private static async Task CollectAsync(HttpContext context, List<IAsyncEnumerator<GenerateEvent>> prompts, CompletionWriter answer)
    {
        var generations = new List<CollectedGeneration>();
        var usage = new Usage();
        foreach (IAsyncEnumerator<GenerateEvent> prompt in prompts)
        {
            generations.Add(await CollectedGeneration.ReadAsync(prompt));
            Add(usage, generations[^1].Usage);
        }

        await JsonResponse.WriteAsync(context, (answer, generations, usage), static (json, state) => state.answer.WriteWhole(json, state.generations, state.usage));
    }

    private static void Add(Usage sum, Usage addend)
    {
        sum.PromptTokens += addend.PromptTokens;
        sum.CompletionTokens += addend.CompletionTokens;
        sum.CachedTokens += addend.CachedTokens;
    }
}

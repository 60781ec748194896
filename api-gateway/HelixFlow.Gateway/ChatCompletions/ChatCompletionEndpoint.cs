using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.StoredCompletions;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Observability;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.ChatCompletions;

/// <summary><c>POST /v1/chat/completions</c>.</summary>
internal sealed class ChatCompletionEndpoint(MeasuredPool pool, CompletionStore completions, ChatRequestReader reader, GatewayOptions options, TimeProvider time, ILogger<ChatCompletionEndpoint> logger)
{
    public async Task HandleAsync(HttpContext context)
    {
        string project = Authentication.BearerKey.ProjectOf(context);
        ChatCompletionRequest request;
        StoreRequest? store;
        using (var body = await RequestBody.ReadAsync(context, options))
        {
            request = await reader.ReadAsync(project, body.RootElement, context.RequestAborted);
            store = StoreRequest.Read(body.RootElement);
        }

        request.Generate.RequestId = context.TraceIdentifier;
        request.Generate.Project = project;
        string id = "chatcmpl-" + context.TraceIdentifier["req_".Length..];
        long created = time.GetUtcNow().ToUnixTimeSeconds();
        var answer = new ChatCompletionWriter(id, created, request);
        Func<CollectedGeneration, Task>? save = store is null ? null : generation => store.SaveAsync(completions, id, created, request.Generate, answer, generation, context.RequestAborted);
        await using IAsyncEnumerator<GenerateEvent> events = pool.GenerateAsync(request.Generate, context.RequestAborted).GetAsyncEnumerator(context.RequestAborted);
        using var gate = new PromptGate(context, options, time, request.Stream);
        try
        {
            await gate.PassAsync(events);
        }
        catch (InferenceException exception)
        {
            OpenAiError error = ConstraintSource.Rename(request.Constraint, exception, "messages");
            if (!gate.HasBegun)
            {
                throw new OpenAiException(error, exception);
            }

            await gate.Open().SendErrorAsync(error);
            return;
        }

        await (request.Stream ? StreamAsync(context, request, events, gate.Open(), answer, save) : CollectAsync(context, events, answer, save));
    }

    private async Task StreamAsync(
        HttpContext context, ChatCompletionRequest request, IAsyncEnumerator<GenerateEvent> events, EventStream stream, ChatCompletionWriter answer, Func<CollectedGeneration, Task>? save)
    {
        using var paced = new PacedEvents(events, options.KeepAliveInterval, time, stream.FlushAsync, () => stream.SendKeepAliveAsync().AsTask());
        CollectedGeneration? kept = save is null ? null : new CollectedGeneration();
        for (uint choice = 0; choice < request.Generate.N; choice++)
        {
            stream.Add((answer, choice), static (json, state) => state.answer.WriteFirstChunk(json, state.choice));
        }

        try
        {
            while (await paced.MoveNextAsync())
            {
                kept?.Add(paced.Current);
                switch (paced.Current)
                {
                    case { Token: { } token }:
                        answer.AddChunks(stream, token);
                        break;
                    case { Finish: { Reason: FinishReason.Error } failure }:
                        await stream.SendErrorAsync(new OpenAiError(500, "server_error", failure.Error));
                        return;
                    case { Finish: { } finish }:
                        stream.Add((answer, finish), static (json, state) => state.answer.WriteFinishChunk(json, state.finish));
                        break;
                    case { Usage: { } usage } when request.IncludeUsage:
                        stream.Add((answer, usage), static (json, state) => state.answer.WriteUsageChunk(json, state.usage));
                        break;
                }

                if (stream.IsFull)
                {
                    await stream.FlushAsync();
                }
            }

            if (kept is not null)
            {
                await save!(kept);
            }

            await stream.SendDoneAsync();
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !context.RequestAborted.IsCancellationRequested)
        {
            // The response has begun: the error can only be told inside it.
            GatewayLog.StreamFailed(logger, context.TraceIdentifier, exception);
            await stream.SendErrorAsync(exception is InferenceException refusal ? ConstraintSource.Rename(request.Constraint, refusal, "messages") : OpenAiError.Unexpected);
        }
    }

    private static async Task CollectAsync(HttpContext context, IAsyncEnumerator<GenerateEvent> events, ChatCompletionWriter answer, Func<CollectedGeneration, Task>? save)
    {
        CollectedGeneration generation;
        try
        {
            generation = await CollectedGeneration.ReadAsync(events);
        }
        catch (InferenceException exception)
        {
            throw new OpenAiException(OpenAiError.Of(exception, "messages"), exception);
        }

        if (save is not null)
        {
            await save(generation);
        }

        await JsonResponse.WriteAsync(context, (answer, generation), static (json, state) => state.answer.WriteWhole(json, state.generation));
    }
}

using System.Text.Json;
using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Idempotency;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Observability;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Ollama;

/// <summary><c>POST /api/chat</c> and <c>POST /api/generate</c> of Ollama's API.</summary>
/// <remarks>Its streams have no form for a sign of life: one that is held, or silent, stays silent.</remarks>
internal sealed class OllamaGenerationEndpoint(
    MeasuredPool pool, OllamaModels models, GatewayOptions options, TimeProvider time, ILogger<OllamaGenerationEndpoint> logger)
{
    public Task ChatAsync(HttpContext context) => HandleAsync(context, OllamaRequest.ParseChat, "messages");

    public Task GenerateAsync(HttpContext context) => HandleAsync(context, OllamaRequest.ParseGenerate, "prompt");

    private async Task HandleAsync(HttpContext context, Func<RequestFields, ModelDescription, OllamaRequest> parse, string promptParam)
    {
        var times = new OllamaTimes(time);
        OllamaRequest request;
        string model;
        using (JsonDocument body = await OllamaRequest.ReadBodyAsync(context, options))
        {
            var fields = new RequestFields(body.RootElement);
            ModelDescription found = await models.FindAsync(fields, context.RequestAborted);
            model = found.Name;
            request = parse(fields, found);
        }

        var answer = new OllamaAnswer(request, times, time);
        try
        {
            await (request.Generate is null ? LoadAsync(context, request, model, answer) : AnswerAsync(context, request, answer, times, promptParam));
        }
        catch (InferenceException exception)
        {
            throw new OpenAiException(ConstraintSource.Rename(request.Constraint, exception, promptParam), exception);
        }
    }

    private async Task LoadAsync(HttpContext context, OllamaRequest request, string model, OllamaAnswer answer)
    {
        if (request.Unload)
        {
            await pool.UnloadModelAsync(new UnloadModelRequest { Model = model }, context.RequestAborted);
        }
        else
        {
            await foreach (LoadProgress progress in pool.LoadModelAsync(new LoadModelRequest { Model = model }, context.RequestAborted))
            {
                _ = progress; // there is no form for it
            }
        }

        if (request.Stream)
        {
            using var lines = new JsonLines(context);
            lines.Add(answer, static (json, answer) => answer.WriteLoaded(json));
            await lines.FlushAsync();
        }
        else
        {
            await JsonResponse.WriteAsync(context, answer, static (json, answer) => answer.WriteLoaded(json));
        }
    }

    private async Task AnswerAsync(HttpContext context, OllamaRequest request, OllamaAnswer answer, OllamaTimes times, string promptParam)
    {
        request.Generate!.RequestId = context.TraceIdentifier;
        request.Generate.Project = BearerKey.ProjectOf(context);
        await using IAsyncEnumerator<GenerateEvent> events = pool.GenerateAsync(request.Generate, context.RequestAborted).GetAsyncEnumerator(context.RequestAborted);
        using var gate = new PromptGate(context, options, time, streamed: false);
        await gate.PassAsync(events);
        times.Accepted();
        if (request.Stream)
        {
            await StreamAsync(context, request, events, answer, times, promptParam);
            return;
        }

        (FinishReason reason, Usage usage) = await ReadAsync(events, answer, times, null);
        await JsonResponse.WriteAsync(context, (answer, reason, usage), static (json, state) => state.answer.WriteEnd(json, state.reason, state.usage));
    }

    private async Task StreamAsync(
        HttpContext context, OllamaRequest request, IAsyncEnumerator<GenerateEvent> events, OllamaAnswer answer, OllamaTimes times, string promptParam)
    {
        using var lines = new JsonLines(context);
        try
        {
            (FinishReason reason, Usage usage) = await ReadAsync(events, answer, times, lines);
            lines.Add((answer, reason, usage), static (json, state) => state.answer.WriteEnd(json, state.reason, state.usage));
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !context.RequestAborted.IsCancellationRequested)
        {
            GatewayLog.StreamFailed(logger, context.TraceIdentifier, exception);
            IdempotencyFilter.MarkFailed(context);
            lines.Add(exception switch
            {
                OpenAiException told => told.Error,
                InferenceException refusal => ConstraintSource.Rename(request.Constraint, refusal, promptParam),
                _ => OpenAiError.Unexpected,
            }, OllamaErrors.Write);
        }

        await lines.FlushAsync();
    }

    /// <summary>Reads the answer to its end, and writes its pieces as they come if <paramref name="lines"/> is there.</summary>
    /// <exception cref="OpenAiException">The engine failed.</exception>
    private async Task<(FinishReason Reason, Usage Usage)> ReadAsync(IAsyncEnumerator<GenerateEvent> events, OllamaAnswer answer, OllamaTimes times, JsonLines? lines)
    {
        FinishReason reason = FinishReason.Stop;
        var usage = new Usage();
        using var paced = new PacedEvents(
            events, options.KeepAliveInterval, time, () => lines?.FlushAsync() ?? ValueTask.CompletedTask, static () => Task.CompletedTask);
        while (await paced.MoveNextAsync())
        {
            switch (paced.Current)
            {
                case { Token: { } token }:
                    times.Answering();
                    answer.Take(token);
                    if (lines is not null && answer.HasNews)
                    {
                        lines.Add(answer, static (json, answer) => answer.WritePiece(json));
                    }

                    break;
                case { Finish: { Reason: FinishReason.Error } failure }:
                    throw new OpenAiException(new OpenAiError(StatusCodes.Status500InternalServerError, "server_error", failure.Error));
                case { Finish: { } finish }:
                    times.Ended();
                    reason = finish.Reason;
                    break;
                case { Usage: { } counted }:
                    usage = counted;
                    break;
            }

            if (lines is { IsFull: true })
            {
                await lines.FlushAsync();
            }
        }

        return (reason, usage);
    }
}

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

namespace HelixFlow.Gateway.Anthropic;

/// <summary><c>POST /v1/messages</c> and <c>POST /v1/messages/count_tokens</c> of Anthropic's API.</summary>
internal sealed class MessageEndpoint(MeasuredPool pool, GatewayOptions options, TimeProvider time, ILogger<MessageEndpoint> logger)
{
    private const string PromptParam = "messages";

    public async Task CreateAsync(HttpContext context)
    {
        MessageRequest request;
        using (JsonDocument body = await RequestBody.ReadAsync(context, options))
        {
            request = MessageRequest.Parse(body.RootElement);
        }

        request.Generate.RequestId = context.TraceIdentifier;
        request.Generate.Project = BearerKey.ProjectOf(context);
        var message = new MessageJson("msg_" + context.TraceIdentifier["req_".Length..], request);
        await using IAsyncEnumerator<GenerateEvent> events = pool.GenerateAsync(request.Generate, context.RequestAborted).GetAsyncEnumerator(context.RequestAborted);
        using var gate = new PromptGate(context, options, time, request.Stream);
        try
        {
            await gate.PassAsync(events);
        }
        catch (InferenceException exception)
        {
            OpenAiError error = ConstraintSource.Rename(request.Constraint, exception, PromptParam);
            if (!gate.HasBegun)
            {
                throw new OpenAiException(error, exception);
            }

            await SendErrorAsync(context, gate.Open(), error);
            return;
        }

        await (request.Stream ? StreamAsync(context, request, events, gate.Open(), message) : CollectAsync(context, events, message));
    }

    public async Task CountAsync(HttpContext context)
    {
        CountTokensRequest request;
        using (JsonDocument body = await RequestBody.ReadAsync(context, options))
        {
            request = MessageRequest.ParseCount(body.RootElement);
        }

        CountTokensResponse answer;
        try
        {
            answer = await pool.CountTokensAsync(request, context.RequestAborted);
        }
        catch (InferenceException exception)
        {
            throw new OpenAiException(OpenAiError.Of(exception, PromptParam), exception);
        }

        await JsonResponse.WriteAsync(context, answer.Tokens, static (json, tokens) =>
        {
            json.WriteStartObject();
            json.WriteNumber("input_tokens"u8, tokens);
            json.WriteEndObject();
        });
    }

    private async Task StreamAsync(HttpContext context, MessageRequest request, IAsyncEnumerator<GenerateEvent> events, EventStream stream, MessageJson message)
    {
        var answer = new MessageEvents(stream, message, request.OmitsThinking);
        var end = new Finish();
        var usage = new Usage { PromptTokens = events.Current?.Prompt?.PromptTokens ?? 0 };
        using var paced = new PacedEvents(events, options.KeepAliveInterval, time, stream.FlushAsync, async () =>
        {
            answer.Ping();
            await stream.FlushAsync();
        });
        answer.Begin(usage.PromptTokens);
        try
        {
            while (await paced.MoveNextAsync())
            {
                switch (paced.Current)
                {
                    case { Token: { } token }:
                        answer.Add(token);
                        break;
                    case { Finish: { Reason: FinishReason.Error } failure }:
                        await SendErrorAsync(context, stream, new OpenAiError(StatusCodes.Status500InternalServerError, "server_error", failure.Error));
                        return;
                    case { Finish: { } finish }:
                        end = finish;
                        break;
                    case { Usage: { } counted }:
                        usage = counted;
                        break;
                }

                if (stream.IsFull)
                {
                    await stream.FlushAsync();
                }
            }

            answer.End(end, usage);
            await stream.FlushAsync();
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !context.RequestAborted.IsCancellationRequested)
        {
            // The response has begun: the error can only be told inside it.
            GatewayLog.StreamFailed(logger, context.TraceIdentifier, exception);
            await SendErrorAsync(context, stream, exception is InferenceException refusal ? ConstraintSource.Rename(request.Constraint, refusal, PromptParam) : OpenAiError.Unexpected);
        }
    }

    private static async Task CollectAsync(HttpContext context, IAsyncEnumerator<GenerateEvent> events, MessageJson message)
    {
        CollectedGeneration generation;
        try
        {
            generation = await CollectedGeneration.ReadAsync(events);
        }
        catch (InferenceException exception)
        {
            throw new OpenAiException(OpenAiError.Of(exception, PromptParam), exception);
        }

        await JsonResponse.WriteAsync(context, (message, generation), static (json, state) => state.message.WriteWhole(json, state.generation));
    }

    private static ValueTask SendErrorAsync(HttpContext context, EventStream stream, OpenAiError error)
    {
        IdempotencyFilter.MarkFailed(context);
        MessageEvents.AddError(stream, error, context.TraceIdentifier);
        return stream.FlushAsync();
    }
}

using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Limits;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Sockets;
using HelixFlow.Gateway.StoredCompletions;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.ChatCompletions;

/// <summary>Chat completions over one socket, one after another: a request's body comes as a message, its chunks go out as messages, {"done": true} ends them.</summary>
/// <remarks>
/// A request without "stream" is streamed; with "stream" false, the completion is one message. {"cancel": true} ends the one that runs. Each
/// request ends with exactly one message that has either "done" or "error".
/// </remarks>
/// <param name="connection">The socket.</param>
/// <param name="limits">Those of the project; null for none.</param>
/// <param name="project">Whose it is.</param>
/// <param name="pool">Where requests run.</param>
/// <param name="completions">Where those go that are to be stored.</param>
/// <param name="reader">Reads what is asked for.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Told of failures.</param>
internal sealed class ChatSocket(
    SocketConnection connection, ProjectLimits? limits, string project, IInferencePool pool, CompletionStore completions, ChatRequestReader reader, TimeProvider time, ILogger logger)
    : SocketSession(connection, limits)
{
    private readonly Lock _lock = new();
    private CancellationTokenSource? _cancel; // of the request that runs; null when none does
    private Task _ended = Task.CompletedTask; // when the last message of the request before has been sent

    /// <inheritdoc/>
    public override async ValueTask ReceiveAsync(JsonElement message)
    {
        var fields = new RequestFields(message);
        if (fields.TryGet("cancel", out _))
        {
            Cancel(fields.Bool("cancel"));
            return;
        }

        ChatCompletionRequest request = await reader.ReadAsync(project, message, Connection.Lost);
        bool isStreamed = request.Stream || !fields.TryGet("stream", out _);
        StoreRequest? store = StoreRequest.Read(message);
        request.Generate.RequestId = ObjectId.Request();
        request.Generate.Project = project;
        var cancel = CancellationTokenSource.CreateLinkedTokenSource(Connection.Lost);
        try
        {
            TakeTurn(cancel);
        }
        catch
        {
            cancel.Dispose();
            throw;
        }

        Task before = _ended;
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _ended = ended.Task;
        Run(async () =>
        {
            await before;
            await RunAsync(request, isStreamed, store, cancel);
            ended.SetResult();
        });
    }

    /// <inheritdoc/>
    public override async ValueTask RefuseAsync(OpenAiError error, JsonElement message)
    {
        var chunks = new SocketChunks(Connection);
        chunks.Add(error, OpenAiErrorWriter.Write);
        await chunks.FlushAsync();
    }

    /// <inheritdoc/>
    public override ValueTask ExpireAsync(TimeSpan lifetime) =>
        RefuseAsync(OpenAiError.Invalid("The connection has lasted as long as it may. Open a new one.", null, "websocket_connection_limit_reached"), default);

    private void TakeTurn(CancellationTokenSource cancel)
    {
        lock (_lock)
        {
            if (_cancel is not null)
            {
                throw new OpenAiException(OpenAiError.Invalid("A request of this socket is in progress. Wait for its end, cancel it, or open another socket.", null, "request_in_progress"));
            }

            TakeRequest();
            _cancel = cancel;
        }
    }

    private void Cancel(bool isMeant)
    {
        lock (_lock)
        {
            if (_cancel is null || !isMeant)
            {
                throw new OpenAiException(OpenAiError.Invalid("There is no request in progress to cancel.", "cancel", "cancel_not_active"));
            }

            _cancel.Cancel();
        }
    }

    private async Task RunAsync(ChatCompletionRequest request, bool isStreamed, StoreRequest? store, CancellationTokenSource cancel)
    {
        var chunks = new SocketChunks(Connection);
        OpenAiError? error = null;
        bool isCancelled = false;
        try
        {
            await GenerateAsync(request, isStreamed, store, chunks, cancel.Token);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            isCancelled = true;
        }
        catch (Exception exception)
        {
            error = exception switch
            {
                InferenceException refusal => ConstraintSource.Rename(request.Constraint, refusal, "messages"),
                OpenAiException known => known.Error,
                _ => OpenAiError.Unexpected,
            };
            if (error.Status >= 500)
            {
                GatewayLog.StreamFailed(logger, request.Generate.RequestId, exception);
            }
        }

        // From here on the client may send its next request.
        lock (_lock)
        {
            _cancel = null;
            cancel.Dispose();
        }

        try
        {
            await EndAsync(chunks, error, isCancelled);
        }
        catch (OperationCanceledException)
        {
            // The client has gone.
        }
    }

    private static async Task EndAsync(SocketChunks chunks, OpenAiError? error, bool isCancelled)
    {
        if (error is not null)
        {
            chunks.Add(error, OpenAiErrorWriter.Write);
        }
        else
        {
            chunks.Add(isCancelled, static (json, isCancelled) =>
            {
                json.WriteStartObject();
                json.WriteBoolean("done"u8, true);
                if (isCancelled)
                {
                    json.WriteBoolean("cancelled"u8, true);
                }

                json.WriteEndObject();
            });
        }

        await chunks.FlushAsync();
    }

    private async Task GenerateAsync(ChatCompletionRequest request, bool isStreamed, StoreRequest? store, SocketChunks chunks, CancellationToken cancellationToken)
    {
        string id = "chatcmpl-" + request.Generate.RequestId["req_".Length..];
        long created = time.GetUtcNow().ToUnixTimeSeconds();
        var answer = new ChatCompletionWriter(id, created, request);
        CollectedGeneration? kept = isStreamed && store is null ? null : new CollectedGeneration();
        await using IAsyncEnumerator<GenerateEvent> events = pool.GenerateAsync(request.Generate, cancellationToken).GetAsyncEnumerator(cancellationToken);
        bool hasBegun = !isStreamed;
        while (await events.MoveNextAsync())
        {
            if (events.Current.Waiting is not null)
            {
                continue;
            }

            for (uint choice = 0; !hasBegun && choice < request.Generate.N; choice++)
            {
                chunks.Add((answer, choice), static (json, state) => state.answer.WriteFirstChunk(json, state.choice));
            }

            hasBegun = true;
            kept?.Add(events.Current);
            if (isStreamed)
            {
                Add(request, answer, chunks, events.Current);
                await chunks.FlushAsync();
            }
        }

        if (store is not null)
        {
            await store.SaveAsync(completions, id, created, request.Generate, answer, kept!, cancellationToken);
        }

        if (!isStreamed)
        {
            chunks.Add((answer, kept: kept!), static (json, state) => state.answer.WriteWhole(json, state.kept));
        }
    }

    private static void Add(ChatCompletionRequest request, ChatCompletionWriter answer, SocketChunks chunks, GenerateEvent next)
    {
        switch (next)
        {
            case { Token: { } token }:
                answer.AddChunks(chunks, token);
                break;
            case { Finish: { Reason: FinishReason.Error } failure }:
                throw new OpenAiException(new OpenAiError(500, "server_error", failure.Error));
            case { Finish: { } finish }:
                chunks.Add((answer, finish), static (json, state) => state.answer.WriteFinishChunk(json, state.finish));
                break;
            case { Usage: { } usage } when request.IncludeUsage:
                chunks.Add((answer, usage), static (json, state) => state.answer.WriteUsageChunk(json, state.usage));
                break;
        }
    }
}

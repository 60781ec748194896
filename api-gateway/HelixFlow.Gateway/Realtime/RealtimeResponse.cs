using System.Text;
using System.Text.Json;
using HelixFlow.Gateway.ChatCompletions;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses;
using HelixFlow.Gateway.Responses.Items;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Realtime;

/// <summary>One response of a Realtime session: runs its generation and tells of it in the order in which OpenAI does.</summary>
/// <remarks>
/// Its events and what it adds to the conversation happen while it holds the session's turn, so that they never mix with a client's; it waits for
/// the generation without it. Only <see cref="Cancel"/> may be called by others.
/// </remarks>
/// <param name="request">What is asked for.</param>
/// <param name="settings">The settings that made it.</param>
/// <param name="items">What is answered.</param>
/// <param name="conversation">Where its items go; null for nowhere.</param>
/// <param name="events">Where it tells.</param>
/// <param name="turn">Taken by whoever changes the session or tells of it.</param>
/// <param name="pool">Where it runs.</param>
/// <param name="logger">Told of failures.</param>
internal sealed class RealtimeResponse(
    ResponseRequest request,
    RealtimeSettings settings,
    IReadOnlyList<StoredItem> items,
    RealtimeConversation? conversation,
    RealtimeEvents events,
    SemaphoreSlim turn,
    IInferencePool pool,
    ILogger logger) : IDisposable
{
    private readonly CancellationTokenSource _cancelled = new();
    private readonly List<string> _output = [];
    private readonly StringBuilder _text = new();
    private readonly ToolCallIds _callIds = new();
    private (string Id, string? CallId, string Name)? _open; // a call has a call id and a name
    private Usage? _usage;

    public string Id { get; } = ObjectId.New("resp_");

    /// <summary>Whether its items become part of the session's conversation.</summary>
    public bool IsOfConversation => conversation is not null;

    /// <summary>Ends it; it says so itself.</summary>
    public void Cancel() => _cancelled.Cancel();

    /// <inheritdoc/>
    public void Dispose() => _cancelled.Dispose();

    /// <summary>Tells that it exists; the caller has the turn.</summary>
    public ValueTask AnnounceAsync() => SendAsync("response.created", "in_progress", null);

    /// <summary>Runs it to its end, which its last event tells.</summary>
    /// <param name="onEnd">Called before that event, with the turn: from then on another one may begin.</param>
    /// <param name="lost">Cancelled when nobody can be told any more.</param>
    public async Task RunAsync(Action onEnd, CancellationToken lost)
    {
        try
        {
            (string status, string? reason, OpenAiError? error) = await GenerateAsync(lost);
            await turn.WaitAsync(lost);
            try
            {
                await CloseAsync(status == "completed" ? "completed" : "incomplete");
                onEnd();
                await SendAsync("response.done", status, json => WriteDetails(json, status, reason, error));
            }
            finally
            {
                turn.Release();
            }
        }
        catch (OperationCanceledException) when (lost.IsCancellationRequested)
        {
            // The client has gone.
        }
    }

    private async Task<(string Status, string? Reason, OpenAiError? Error)> GenerateAsync(CancellationToken lost)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(_cancelled.Token, lost);
        try
        {
            var reason = FinishReason.Stop;
            await using IAsyncEnumerator<GenerateEvent> generation = (await ResponsePrompt.OpenAsync(pool, request, items, null, ended.Token)).Generation;
            while (await generation.MoveNextAsync())
            {
                switch (generation.Current)
                {
                    case { Token: { } token }:
                        await AddAsync(token, ended.Token);
                        break;
                    case { Finish: { Reason: FinishReason.Error } failure }:
                        return ("failed", null, new OpenAiError(500, "server_error", failure.Error));
                    case { Finish: { Reason: FinishReason.Cancelled } }:
                        return ("failed", null, new OpenAiError(500, "server_error", "The generation was cancelled."));
                    case { Finish: { } finish }:
                        reason = finish.Reason;
                        await FinishAsync(reason, ended.Token);
                        break;
                    case { Usage: { } usage }:
                        _usage = usage;
                        break;
                }
            }

            return reason == FinishReason.Length ? ("incomplete", "max_output_tokens", null) : ("completed", null, null);
        }
        catch (OperationCanceledException) when (_cancelled.IsCancellationRequested && !lost.IsCancellationRequested)
        {
            return ("cancelled", "client_cancelled", null);
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !lost.IsCancellationRequested)
        {
            OpenAiError error = exception switch
            {
                InferenceException refusal => OpenAiError.Of(refusal, "input"),
                OpenAiException known => known.Error,
                _ => OpenAiError.Unexpected,
            };
            if (error.Status >= 500)
            {
                GatewayLog.StreamFailed(logger, request.Generate.RequestId, exception);
            }

            return ("failed", null, error);
        }
    }

    // What the model thought before it answers has no event of the API's: it is left out.
    private async Task AddAsync(TokenChunk token, CancellationToken ended)
    {
        if (token.Text.Length == 0 && token.ToolCalls.Count == 0)
        {
            return;
        }

        await turn.WaitAsync(ended);
        try
        {
            if (token.Text.Length > 0)
            {
                await OpenTextAsync();
                _text.Append(token.Text);
                await PieceAsync("response.output_text.delta", "delta", token.Text);
            }

            foreach (ToolCallDelta call in token.ToolCalls)
            {
                if (call.Name.Length > 0)
                {
                    await CloseAsync("completed");
                    await OpenAsync((ObjectId.New("item_"), _callIds[0, call.Index], call.Name));
                }

                if (call.Arguments.Length > 0)
                {
                    _text.Append(call.Arguments);
                    await PieceAsync("response.function_call_arguments.delta", "delta", call.Arguments);
                }
            }
        }
        finally
        {
            turn.Release();
        }
    }

    private async Task FinishAsync(FinishReason reason, CancellationToken ended)
    {
        await turn.WaitAsync(ended);
        try
        {
            if (_output.Count == 0 && _open is null)
            {
                await OpenTextAsync(); // the model has said nothing: an empty message says so
            }

            await CloseAsync(reason == FinishReason.Length ? "incomplete" : "completed");
        }
        finally
        {
            turn.Release();
        }
    }

    private async ValueTask OpenTextAsync()
    {
        if (_open is { CallId: null })
        {
            return;
        }

        await CloseAsync("completed");
        await OpenAsync((ObjectId.New("item_"), null, ""));
        await PartAsync("response.content_part.added", "");
    }

    private async ValueTask OpenAsync((string Id, string? CallId, string Name) item)
    {
        _open = item;
        _text.Clear();
        string json = ItemJson("in_progress", isEmpty: true);
        await OutputItemAsync("response.output_item.added", json);
        if (conversation is null)
        {
            return;
        }

        // A conversation without room keeps what it has; the answer is told all the same.
        string? previous;
        try
        {
            previous = conversation.Insert(new StoredItem(item.Id, json), null);
        }
        catch (OpenAiException full)
        {
            await events.SendErrorAsync(full.Error, null);
            return;
        }

        await events.SendItemAsync("conversation.item.added", previous, json);
    }

    private async ValueTask CloseAsync(string status)
    {
        if (_open is not { } item)
        {
            return;
        }

        string text = _text.ToString();
        if (item.CallId is null)
        {
            await PieceAsync("response.output_text.done", "text", text);
            await PartAsync("response.content_part.done", text);
        }
        else
        {
            await PieceAsync("response.function_call_arguments.done", "arguments", text);
        }

        string json = ItemJson(status, isEmpty: false);
        _output.Add(json);
        await OutputItemAsync("response.output_item.done", json, _output.Count - 1);
        _open = null;
        if (conversation?.TryReplace(new StoredItem(item.Id, json), out string? previous) == true)
        {
            await events.SendItemAsync("conversation.item.done", previous, json);
        }
    }

    private string ItemJson(string status, bool isEmpty)
    {
        (string id, string? callId, string name) = _open!.Value;
        return callId is null
            ? RealtimeItems.Answer(id, status, isEmpty ? null : _text.ToString())
            : RealtimeItems.Call(id, status, callId, name, isEmpty ? "" : _text.ToString());
    }

    private ValueTask OutputItemAsync(string type, string itemJson, int? index = null) => events.SendAsync(type, (Id, Index: index ?? _output.Count, itemJson), static (json, state) =>
    {
        json.WriteString("response_id"u8, state.Id);
        json.WriteNumber("output_index"u8, state.Index);
        json.WritePropertyName("item"u8);
        json.WriteRawValue(state.itemJson, skipInputValidation: true);
    });

    private ValueTask PartAsync(string type, string text) => events.SendAsync(type, (Self: this, text), static (json, state) =>
    {
        state.Self.WritePlace(json);
        json.WriteStartObject("part"u8);
        json.WriteString("type"u8, "text"u8);
        json.WriteString("text"u8, state.text);
        json.WriteEndObject();
    });

    private ValueTask PieceAsync(string type, string name, string text) => events.SendAsync(type, (Self: this, name, text), static (json, state) =>
    {
        state.Self.WritePlace(json);
        json.WriteString(state.name, state.text);
        if (state.name == "arguments")
        {
            json.WriteString("name"u8, state.Self._open!.Value.Name);
        }
    });

    private void WritePlace(Utf8JsonWriter json)
    {
        (string id, string? callId, _) = _open!.Value;
        json.WriteString("response_id"u8, Id);
        json.WriteString("item_id"u8, id);
        json.WriteNumber("output_index"u8, _output.Count);
        if (callId is null)
        {
            json.WriteNumber("content_index"u8, 0);
        }
        else
        {
            json.WriteString("call_id"u8, callId);
        }
    }

    private ValueTask SendAsync(string type, string status, Action<Utf8JsonWriter>? writeDetails) => events.SendAsync(type, (Self: this, status, writeDetails), static (json, state) =>
    {
        json.WriteStartObject("response"u8);
        json.WriteString("id"u8, state.Self.Id);
        json.WriteString("object"u8, "realtime.response"u8);
        json.WriteString("status"u8, state.status);
        if (state.writeDetails is null)
        {
            json.WriteNull("status_details"u8);
        }
        else
        {
            state.writeDetails(json);
        }

        state.Self.WriteRest(json);
        json.WriteEndObject();
    });

    private void WriteRest(Utf8JsonWriter json)
    {
        json.WriteStartArray("output"u8);
        foreach (string item in _output)
        {
            json.WriteRawValue(item, skipInputValidation: true);
        }

        json.WriteEndArray();
        json.WriteString("conversation_id"u8, conversation?.Id);
        settings.WriteOfResponse(json);
        json.WritePropertyName("metadata"u8);
        json.WriteRawValue(request.MetadataJson, skipInputValidation: true);
        if (_usage is not { } usage)
        {
            json.WriteNull("usage"u8);
            return;
        }

        json.WriteStartObject("usage"u8);
        json.WriteNumber("total_tokens"u8, usage.PromptTokens + usage.CompletionTokens);
        json.WriteNumber("input_tokens"u8, usage.PromptTokens);
        json.WriteNumber("output_tokens"u8, usage.CompletionTokens);
        json.WriteStartObject("input_token_details"u8);
        json.WriteNumber("text_tokens"u8, usage.PromptTokens);
        json.WriteNumber("audio_tokens"u8, 0);
        json.WriteNumber("image_tokens"u8, 0);
        json.WriteNumber("cached_tokens"u8, usage.CachedTokens);
        json.WriteStartObject("cached_tokens_details"u8);
        json.WriteNumber("text_tokens"u8, usage.CachedTokens);
        json.WriteNumber("audio_tokens"u8, 0);
        json.WriteNumber("image_tokens"u8, 0);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteStartObject("output_token_details"u8);
        json.WriteNumber("text_tokens"u8, usage.CompletionTokens);
        json.WriteNumber("audio_tokens"u8, 0);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteDetails(Utf8JsonWriter json, string status, string? reason, OpenAiError? error)
    {
        if (status == "completed")
        {
            json.WriteNull("status_details"u8);
            return;
        }

        json.WriteStartObject("status_details"u8);
        json.WriteString("type"u8, status);
        if (reason is not null)
        {
            json.WriteString("reason"u8, reason);
        }

        if (error is not null)
        {
            json.WriteStartObject("error"u8);
            json.WriteString("type"u8, error.Type);
            json.WriteString("code"u8, error.Code);
            json.WriteString("message"u8, error.Message);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }
}

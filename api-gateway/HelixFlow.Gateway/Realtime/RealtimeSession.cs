using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Limits;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses;
using HelixFlow.Gateway.Responses.Items;
using HelixFlow.Gateway.Sockets;
using HelixFlow.Schemas;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Realtime;

/// <summary>Speaks OpenAI's Realtime API over one socket, with text in and out.</summary>
/// <param name="connection">The socket.</param>
/// <param name="limits">Those of the project; null for none.</param>
/// <param name="settings">How it answers until the client says otherwise.</param>
/// <param name="project">Whose it is.</param>
/// <param name="pool">Where responses run.</param>
/// <param name="options">Limits of sockets.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Told of failures.</param>
internal sealed class RealtimeSession(
    SocketConnection connection, ProjectLimits? limits, RealtimeSettings settings, string project, IInferencePool pool, SocketOptions options, TimeProvider time, ILogger logger)
    : SocketSession(connection, limits), IDisposable
{
    private const int LongestEventId = 512;

    private static readonly string[] Kinds =
    [
        "session.update", "conversation.item.create", "conversation.item.retrieve", "conversation.item.delete", "conversation.item.truncate", "response.create", "response.cancel",
        "input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear", "output_audio_buffer.clear",
    ];

    private readonly string _id = ObjectId.New("sess_");
    private readonly long _expiresAt = (time.GetUtcNow() + options.MaxLifetime).ToUnixTimeSeconds();
    private readonly RealtimeConversation _conversation = new(options);
    private readonly RealtimeEvents _events = new(connection);
    private readonly SemaphoreSlim _turn = new(1, 1); // held by whoever changes what is below, or sends
    private readonly List<RealtimeResponse> _responses = [];
    private RealtimeSettings _settings = settings;

    /// <inheritdoc/>
    public override ValueTask OpenAsync() => InTurnAsync(() => SendSessionAsync("session.created"));

    /// <inheritdoc/>
    public override ValueTask ReceiveAsync(JsonElement message) => InTurnAsync(() => HandleAsync(new RequestFields(message), message));

    /// <inheritdoc/>
    public override ValueTask RefuseAsync(OpenAiError error, JsonElement message) => InTurnAsync(() => _events.SendErrorAsync(error, EventIdOf(message)));

    /// <inheritdoc/>
    public override ValueTask ExpireAsync(TimeSpan lifetime) => InTurnAsync(() => _events.SendErrorAsync(
        OpenAiError.Invalid(string.Create(CultureInfo.InvariantCulture, $"Your session hit the maximum duration of {lifetime.TotalMinutes:0.#} minutes."), null, "session_expired"), null));

    /// <inheritdoc/>
    public void Dispose()
    {
        _events.Dispose();
        _turn.Dispose();
    }

    private async ValueTask InTurnAsync(Func<ValueTask> act)
    {
        await _turn.WaitAsync(Connection.Lost);
        try
        {
            await act();
        }
        finally
        {
            _turn.Release();
        }
    }

    private ValueTask HandleAsync(RequestFields fields, JsonElement message)
    {
        if (fields.String("event_id") is { Length: > LongestEventId } id)
        {
            throw RequestFields.Invalid(
                "event_id",
                string.Create(CultureInfo.InvariantCulture, $"Invalid 'event_id': string too long. Expected a string with maximum length {LongestEventId}, but got a string with length {id.Length} instead."),
                "string_above_max_length");
        }

        string type = fields.RequiredString("type");
        switch (type)
        {
            case "session.update":
                return UpdateAsync(Required(fields, message, "session"));
            case "conversation.item.create":
                return CreateItemAsync(fields, message);
            case "conversation.item.retrieve":
                return _events.SendItemAsync("conversation.item.retrieved", _conversation.Find(fields.RequiredString("item_id"), "item_id").Json);
            case "conversation.item.delete":
                return DeleteItemAsync(fields.RequiredString("item_id"));
            case "response.create":
                return CreateResponseAsync(fields, message);
            case "response.cancel":
                CancelResponse(fields.String("response_id"));
                return ValueTask.CompletedTask;
            case "conversation.item.truncate":
                throw RequestFields.Invalid("type", "Unsupported value: 'conversation.item.truncate' cuts audio, and this server writes text only.", "unsupported_value");
            default:
                throw Kinds.Contains(type)
                    ? RequestFields.Invalid("type", $"Unsupported value: '{type}' is about audio, and this server reads and writes text only.", "unsupported_value")
                    : RequestFields.Invalid("type", $"Invalid value: '{type}'. Supported values are: {string.Join(", ", Kinds.Select(kind => $"'{kind}'"))}.", "invalid_value");
        }
    }

    private ValueTask UpdateAsync(JsonElement session)
    {
        var fields = new RequestFields(session, "session.");
        RealtimeSettings.CheckType(fields);
        if (fields.String("model") is { } model && model != _settings.Model)
        {
            throw RequestFields.Invalid("session.model", $"Cannot update a session's model: it is '{_settings.Model}'.", "cannot_update_model");
        }

        _settings = _settings.With(session, "session", "type", "model", "id", "object", "expires_at");
        return SendSessionAsync("session.updated");
    }

    private async ValueTask CreateItemAsync(RequestFields fields, JsonElement message)
    {
        StoredItem item = RealtimeItems.Read(Required(fields, message, "item"), "item");
        string? previous = _conversation.Insert(item, fields.String("previous_item_id"));
        await _events.SendItemAsync("conversation.item.added", previous, item.Json);
        await _events.SendItemAsync("conversation.item.done", previous, item.Json);
    }

    private ValueTask DeleteItemAsync(string id)
    {
        _conversation.Delete(id);
        return _events.SendAsync("conversation.item.deleted", id, static (json, id) => json.WriteString("item_id"u8, id));
    }

    private async ValueTask CreateResponseAsync(RequestFields fields, JsonElement message)
    {
        RequestFields? asked = fields.Object("response");
        RealtimeSettings settings = asked is null
            ? _settings
            : _settings.With(message.GetProperty("response"), "response", "conversation", "metadata", "input");
        bool isOfConversation = asked?.String("conversation") switch
        {
            null or "auto" => true,
            "none" => false,
            string other => throw RequestFields.Invalid("response.conversation", $"Invalid value: '{other}'. Supported values are: 'auto' and 'none'.", "invalid_value"),
        };
        ResponseRequest request = settings.Request(asked is null ? "{}" : MetadataField.Read(asked.Value) ?? "{}");
        IReadOnlyList<StoredItem> items = Answered(asked?.Array("input") is { } input ? ReadInput(input) : _conversation.Items);
        request.Generate.RequestId = ObjectId.Request();
        request.Generate.Project = project;
        request.Generate.Chat = ResponsePrompt.Of(request, items);
        if (isOfConversation && _responses.Find(known => known.IsOfConversation) is { } active)
        {
            throw new OpenAiException(OpenAiError.Invalid(
                $"Conversation already has an active response in progress: {active.Id}. Wait until the response is finished before creating a new one.", null, "conversation_already_has_active_response"));
        }

        if (_responses.Count >= options.MaxResponses)
        {
            throw new OpenAiException(OpenAiError.Invalid(
                string.Create(CultureInfo.InvariantCulture, $"This session has {_responses.Count} responses in progress already. Wait until one of them is finished."), null, "too_many_responses"));
        }

        TakeRequest();
        var response = new RealtimeResponse(request, settings, items, isOfConversation ? _conversation : null, _events, _turn, pool, logger);
        _responses.Add(response);
        await response.AnnounceAsync();
        if (Limits is not null)
        {
            await _events.SendAsync("rate_limits.updated", Limits, static (json, limits) => limits.Write(json));
        }

        Run(async () =>
        {
            using (response)
            {
                await response.RunAsync(() => _responses.Remove(response), Connection.Lost);
            }
        });
    }

    private void CancelResponse(string? id)
    {
        RealtimeResponse response = _responses.Find(known => id is null ? known.IsOfConversation : known.Id == id)
            ?? throw new OpenAiException(OpenAiError.Invalid("Cancellation failed: no active response found", id is null ? null : "response_id", "response_cancel_not_active"));
        Connection.Lost.ThrowIfCancellationRequested();
        response.Cancel();
    }

    // Items of the response's own, and references to those of the conversation.
    private List<StoredItem> ReadInput(JsonElement input)
    {
        var items = new List<StoredItem>();
        foreach (JsonElement item in input.EnumerateArray())
        {
            string param = string.Create(CultureInfo.InvariantCulture, $"response.input[{items.Count}]");
            bool isReference = item.ValueKind == JsonValueKind.Object && item.TryGetProperty("type", out JsonElement type) && type.ValueKind == JsonValueKind.String && type.ValueEquals("item_reference");
            items.Add(isReference ? _conversation.Find(new RequestFields(item, param + ".").RequiredString("id"), param + ".id") : RealtimeItems.Read(item, param));
        }

        return items;
    }

    // A call that was cut off has no result, and cannot get one: the model is not shown it.
    private static List<StoredItem> Answered(IReadOnlyList<StoredItem> items) => [.. items.Where(static item =>
    {
        using JsonDocument document = JsonDocument.Parse(item.Json);
        return !(document.RootElement.GetProperty("type").ValueEquals("function_call") && !document.RootElement.GetProperty("status").ValueEquals("completed"));
    })];

    private ValueTask SendSessionAsync(string type) => _events.SendAsync(type, this, static (json, self) =>
    {
        json.WriteStartObject("session"u8);
        json.WriteString("type"u8, "realtime"u8);
        json.WriteString("object"u8, "realtime.session"u8);
        json.WriteString("id"u8, self._id);
        json.WriteNumber("expires_at"u8, self._expiresAt);
        json.WriteString("model"u8, self._settings.Model);
        self._settings.Write(json);
        json.WriteEndObject();
    });

    private static JsonElement Required(RequestFields fields, JsonElement message, string name) =>
        fields.Object(name) is null ? throw fields.Missing(name) : message.GetProperty(name);

    private static string? EventIdOf(JsonElement message) =>
        message.ValueKind == JsonValueKind.Object && message.TryGetProperty("event_id", out JsonElement id) && id.ValueKind == JsonValueKind.String && id.GetString() is { Length: <= LongestEventId } text ? text : null;
}

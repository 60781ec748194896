using System.Globalization;
using System.Text;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Limits;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses.Items;
using HelixFlow.Gateway.Sockets;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Storage;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Responses;

/// <summary>The Responses API over one socket: a message per turn, the events of a stream as messages, lanes side by side.</summary>
/// <remarks>
/// Turns of a lane run one after another, lanes at the same time. The last response of each lane is remembered as long as the socket lasts, so
/// that it can be continued although it was not stored.
/// </remarks>
/// <param name="connection">The socket.</param>
/// <param name="limits">Those of the project; null for none.</param>
/// <param name="project">Whose it is.</param>
/// <param name="runs">Where responses run.</param>
/// <param name="reader">Reads what is asked for.</param>
/// <param name="options">The limits.</param>
/// <param name="logger">Told of failures.</param>
internal sealed class ResponseSocket(
    SocketConnection connection, ProjectLimits? limits, string project, ResponseRuns runs, ResponseReader reader, GatewayOptions options, ILogger logger)
    : SocketSession(connection, limits)
{
    private const int LongestLane = 256;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Lane> _lanes = new(StringComparer.Ordinal);
    private int _inFlight;

    /// <inheritdoc/>
    public override async ValueTask ReceiveAsync(JsonElement message)
    {
        var fields = new RequestFields(message);
        string type = fields.RequiredString("type");
        if (type != "response.create")
        {
            throw RequestFields.Invalid("type", $"Invalid value: '{type}'. Supported values are: 'response.create'.", "invalid_value");
        }

        string name = LaneOf(fields);
        if (fields.Bool("background"))
        {
            throw RequestFields.Invalid("background", "Background mode is not supported over WebSocket.", "unsupported_value");
        }

        bool isWarmUp = fields.TryGet("generate", out _) && !fields.Bool("generate");
        ResponseRequest request = (await reader.RequestAsync(project, message, null, Connection.Lost)) with { Stream = true };
        Lane lane;
        Task before;
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            lane = LaneFor_NeedsLock(name);
            TakeRequest();
            _inFlight++;
            (before, lane.Ended) = (lane.Ended, ended.Task);
        }

        Run(async () =>
        {
            await before;
            await TurnAsync(lane, request, isWarmUp);
            ended.SetResult();
        });
    }

    /// <inheritdoc/>
    public override ValueTask RefuseAsync(OpenAiError error, JsonElement message) => SendErrorAsync(
        error, message.ValueKind == JsonValueKind.Object && message.TryGetProperty("stream_id", out JsonElement lane) && lane.ValueKind == JsonValueKind.String && IsLane(lane.GetString()!) ? lane.GetString()! : "");

    /// <inheritdoc/>
    public override ValueTask ExpireAsync(TimeSpan lifetime) => SendErrorAsync(
        OpenAiError.Invalid(
            string.Create(CultureInfo.InvariantCulture, $"Responses websocket connection limit reached ({lifetime.TotalMinutes:0.#} minutes). Create a new websocket connection to continue."),
            null,
            "websocket_connection_limit_reached"),
        "");

    private async Task TurnAsync(Lane lane, ResponseRequest request, bool isWarmUp)
    {
        OpenAiError? error = null;
        bool isReleased = false;
        try
        {
            ResponseContext context = await ContextAsync(request);
            if (isWarmUp)
            {
                WarmUp(lane, request, context);
                Release();
                await SendAsync(lane, lane.WarmUp);
            }
            else
            {
                await FollowAsync(lane, await runs.StartAsync(project, ObjectId.Request(), request, context, "", Connection.Lost), Release);
            }
        }
        catch (OperationCanceledException) when (Connection.Lost.IsCancellationRequested)
        {
            // The client has gone.
        }
        catch (Exception exception)
        {
            error = exception is OpenAiException known ? known.Error : exception is StorageException storage ? Files.FileErrors.Of(storage) : OpenAiError.Unexpected;
            if (error.Status >= 500)
            {
                GatewayLog.StreamFailed(logger, request.Generate.RequestId, exception);
            }
        }

        Release();
        if (error is not null)
        {
            try
            {
                await SendErrorAsync(error, lane.Name);
            }
            catch (OperationCanceledException)
            {
                // The client has gone.
            }
        }

        // Before its last message goes out: the client may answer that at once.
        void Release()
        {
            if (!isReleased)
            {
                isReleased = true;
                lock (_lock)
                {
                    _inFlight--;
                }
            }
        }
    }

    // What a socket remembers is read from there; all else is stored.
    private async Task<ResponseContext> ContextAsync(ResponseRequest request)
    {
        IReadOnlyList<StoredItem>? before = null;
        bool isStored = false;
        lock (_lock)
        {
            if (request.PreviousResponse is { } previous && _lanes.Values.FirstOrDefault(lane => lane.Last == previous) is { } lane)
            {
                (before, isStored) = (lane.Items, lane.IsStored);
            }
        }

        if (before is null)
        {
            return await reader.ContextAsync(project, request, Connection.Lost);
        }

        return isStored || !request.Store
            ? new ResponseContext(before, await reader.ResolveAsync(project, request.Input, Connection.Lost))
            : throw RequestFields.Invalid(
                "store", $"Previous response with id '{request.PreviousResponse}' is not stored, so that one that continues it cannot be either. Set 'store' to false.", "invalid_value");
    }

    private async Task FollowAsync(Lane lane, ResponseRun run, Action release)
    {
        await using CancellationTokenRegistration leaving = Connection.Lost.Register(static run => ((ResponseRun)run!).End(RunEnd.Cancelled), run);
        await run.Accepted;
        byte[]? last = null;
        int next = 0;
        while (await run.Log.WaitAsync(next, Connection.Lost))
        {
            foreach (byte[] data in run.Log.From(next))
            {
                // The last event waits until the turn is over: the client may continue it at once.
                if (IsLast(data))
                {
                    last = data;
                }
                else
                {
                    await SendAsync(lane, data);
                }

                next++;
            }
        }

        await run.Completed;
        lock (_lock)
        {
            (lane.Last, lane.Items, lane.IsStored) = run.Failure is null ? (run.Id, run.Items, run.IsStored) : (null, [], false);
        }

        release();
        if (last is not null)
        {
            await SendAsync(lane, last);
        }
    }

    // Nothing is generated: what the next turn builds on is checked and remembered.
    private void WarmUp(Lane lane, ResponseRequest request, ResponseContext context)
    {
        _ = ResponsePrompt.Of(request, [.. context.Before, .. context.Input]);
        var response = new ResponseObject(ObjectId.New("resp_"), runs.Now, request with { Store = false });
        var events = new List<byte[]>();
        var writer = new ResponseEvents(response, events.Add);
        writer.Begin();
        events.Add(writer.Complete(runs.Now));
        lock (_lock)
        {
            (lane.Last, lane.Items, lane.IsStored) = (response.Id, [.. context.Before, .. context.Input], false);
        }

        lane.WarmUp = events;
    }

    private async ValueTask SendAsync(Lane lane, IEnumerable<byte[]> events)
    {
        foreach (byte[] data in events)
        {
            await SendAsync(lane, data);
        }
    }

    // Names of lanes need no escapes.
    private ValueTask SendAsync(Lane lane, byte[] data) =>
        Connection.SendAsync(lane.Name.Length == 0 ? data : (byte[])[.. data.AsSpan(..^1), .. ",\"stream_id\":\""u8, .. Encoding.ASCII.GetBytes(lane.Name), .. "\"}"u8]);

    private ValueTask SendErrorAsync(OpenAiError error, string lane) => Connection.SendAsync(JsonText.Utf8Of((error, lane), static (json, state) =>
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "error"u8);
        json.WriteNumber("status"u8, state.error.Status);
        json.WriteStartObject("error"u8);
        json.WriteString("type"u8, state.error.Type);
        json.WriteString("code"u8, state.error.Code);
        json.WriteString("message"u8, state.error.Message);
        json.WriteString("param"u8, state.error.Param);
        json.WriteEndObject();
        if (state.lane.Length > 0)
        {
            json.WriteString("stream_id"u8, state.lane);
        }

        json.WriteEndObject();
    }));

    private Lane LaneFor_NeedsLock(string name)
    {
        if (_inFlight >= options.Sockets.MaxResponses)
        {
            throw new OpenAiException(OpenAiError.Invalid(
                string.Create(CultureInfo.InvariantCulture, $"This connection has {_inFlight} responses in progress already. Wait until one of them is finished."), null, "websocket_stream_limit_reached"));
        }

        if (!_lanes.TryGetValue(name, out Lane? lane))
        {
            if (name.Length > 0 && _lanes.Keys.Count(static known => known.Length > 0) >= options.Sockets.MaxLanes)
            {
                throw RequestFields.Invalid(
                    "stream_id", string.Create(CultureInfo.InvariantCulture, $"This connection has {options.Sockets.MaxLanes} streams already. Use one of them, or open another connection."), "websocket_stream_limit_reached");
            }

            _lanes.Add(name, lane = new Lane(name));
        }

        return lane;
    }

    private static string LaneOf(RequestFields fields) => fields.String("stream_id") switch
    {
        null => "",
        { } name when IsLane(name) => name,
        _ => throw RequestFields.Invalid("stream_id", $"Invalid 'stream_id': expected 1 to {LongestLane} letters, digits, '_', '.' and '-'.", "invalid_value"),
    };

    private static bool IsLane(string name) => name.Length is > 0 and <= LongestLane && name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-');

    private static bool IsLast(byte[] data)
    {
        ReadOnlySpan<byte> type = ResponseEvents.TypeOf(data);
        return type.SequenceEqual("response.completed"u8) || type.SequenceEqual("response.incomplete"u8) || type.SequenceEqual("response.failed"u8);
    }

    private sealed class Lane(string name)
    {
        public string Name { get; } = name;

        /// <summary>When its turns so far have ended.</summary>
        public Task Ended { get; set; } = Task.CompletedTask;

        /// <summary>The id of its last response, if that did not fail.</summary>
        public string? Last { get; set; }

        /// <summary>What a response to that one builds on.</summary>
        public IReadOnlyList<StoredItem> Items { get; set; } = [];

        public bool IsStored { get; set; }

        /// <summary>The events of the warm-up that was made last.</summary>
        public List<byte[]> WarmUp { get; set; } = [];
    }
}

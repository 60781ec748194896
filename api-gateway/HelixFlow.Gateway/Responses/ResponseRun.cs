using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses.Items;
using HelixFlow.Gateway.Responses.Search;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using HelixFlow.Storage;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Responses;

/// <summary>Why a run was ended from outside.</summary>
internal enum RunEnd
{
    /// <summary>It was not.</summary>
    None,

    /// <summary>Its client has left, or has cancelled it.</summary>
    Cancelled,

    /// <summary>It was deleted: nothing of it is stored.</summary>
    Deleted,

    /// <summary>The process stops: what is stored stays as it is, for the next process to deal with.</summary>
    Stopping,
}

/// <summary>Runs one response from its request to its end, whoever listens.</summary>
/// <remarks>
/// One task runs it; the other members may be called from any thread. Its events are in <see cref="Log"/>; those of a stored stream are also
/// written to the store, many at a time, and the last one only when all is stored: who has seen a response end finds it there.
/// </remarks>
internal sealed class ResponseRun(
    ResponseObject response, string project, ResponseContext context, IInferencePool pool, FileSearch searches, ResponseStore? store, TimeProvider time, ILogger logger) : IDisposable
{
    // Few enough that a reader of the store is not far behind, many enough that a token costs no write of its own.
    private const int EventsPerWrite = 32;

    private readonly CancellationTokenSource _ended = new();
    private readonly TaskCompletionSource _accepted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ResponseRequest _request = response.Request;
    private ResponseEvents _events = null!;
    private bool _hasBegun; // the model's first answer
    private int _end;
    private int _journaled;
    private Task _writing = Task.CompletedTask;

    public string Id => response.Id;

    public string Project => project;

    public bool IsBackground => _request.Background;

    public bool IsStreamed => _request.Stream;

    /// <summary>Whether it can be found by its id.</summary>
    public bool IsStored => store is not null;

    /// <summary>Why it failed after its prompt was accepted; null unless it did.</summary>
    public OpenAiError? Failure { get; private set; }

    /// <summary>The response's events.</summary>
    public EventLog Log { get; } = new();

    /// <summary>The response object as it is now.</summary>
    public byte[] Snapshot { get; private set; } = [];

    /// <summary>The response as it was when it was queued, if it runs in the background: what its creation is answered with, however fast it is.</summary>
    public byte[] Queued { get; private set; } = [];

    /// <summary>All items that a response to this one builds on; known once it has completed.</summary>
    public IReadOnlyList<StoredItem> Items => [.. context.Before, .. context.Input, .. response.Output.Select(static item => item.ToStored())];

    /// <summary>Why it cannot start yet; null when nothing is said about that.</summary>
    public Waiting? Held { get; private set; }

    /// <summary>Completes when the prompt is accepted. Has an <see cref="OpenAiException"/> when it is refused, unless the response runs in the background.</summary>
    public Task Accepted => _accepted.Task;

    /// <summary>Completes when the response has ended; never fails.</summary>
    public Task Completed { get; private set; } = Task.CompletedTask;

    private bool IsJournaled => store is not null && _request.Stream;

    /// <summary>Starts it; a response in the background is stored before.</summary>
    /// <param name="body">The request's body, from which a response in the background can be run again.</param>
    /// <param name="isStored">Whether an earlier process has stored it.</param>
    /// <param name="cancellationToken">Ends the storing, not the run.</param>
    /// <exception cref="StorageException">It cannot be stored.</exception>
    public async Task StartAsync(string body, bool isStored, CancellationToken cancellationToken)
    {
        _events = new ResponseEvents(response, Emit);
        if (IsBackground)
        {
            _events.Queue();
            Show();
            Queued = Snapshot;
            if (!isStored)
            {
                await store!.InsertAsync(Stored(body), _request.PreviousResponse, context.Input, cancellationToken).ConfigureAwait(false);
            }

            _accepted.TrySetResult();
        }

        Completed = Task.Run(RunAsync, CancellationToken.None);
    }

    /// <summary>Ends it; the first reason holds.</summary>
    public void End(RunEnd reason)
    {
        if (Interlocked.CompareExchange(ref _end, (int)reason, (int)RunEnd.None) != (int)RunEnd.None)
        {
            return;
        }

        try
        {
            _ended.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It has ended by itself in this moment.
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _ended.Dispose();

    private async Task RunAsync()
    {
        byte[]? last = null;
        try
        {
            last = await GenerateAsync(_ended.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_ended.IsCancellationRequested)
        {
            _events.Cancel();
        }
        catch (Exception exception)
        {
            OpenAiError error = exception switch
            {
                InferenceException refusal => ConstraintSource.Rename(_request.Constraint, refusal, "input"),
                OpenAiException known => known.Error,
                _ => OpenAiError.Unexpected,
            };
            if (!_accepted.Task.IsCompleted)
            {
                _accepted.TrySetException(new OpenAiException(error, exception));
                _ = _accepted.Task.Exception; // a client that has left does not look at it
                Log.Complete();
                return;
            }

            if (error.Status >= 500)
            {
                GatewayLog.StreamFailed(logger, Id, exception);
            }

            Failure = error;
            last = _events.Fail(CodeOf(error), error.Message);
        }

        await StoreAsync(last).ConfigureAwait(false);
        _accepted.TrySetResult();
        Log.Complete();
    }

    // The last event. The model goes on as long as it searches; its client's functions end the response.
    private async Task<byte[]> GenerateAsync(CancellationToken cancellationToken)
    {
        ResponseRequest request = _request;
        IReadOnlyList<StoredItem> items = [.. context.Before, .. context.Input];
        while (true)
        {
            await RunRoundAsync(request, items, cancellationToken).ConfigureAwait(false);
            List<SearchOutput> asked = _events.TakeSearches();
            if (asked.Count == 0 && !_events.GoesOn)
            {
                break;
            }

            ResponseRequest next = After(request);
            foreach (SearchOutput search in asked)
            {
                _events.BeginSearch(search);
                items = [.. context.Before, .. context.Input, .. response.Output.TakeWhile(item => item != search).Select(static item => item.ToStored())];
                await searches.RunAsync(search, next.Tools.Search!, next, items, cancellationToken).ConfigureAwait(false);
                _events.EndSearch(search, search.Status);
            }

            if (!_events.GoesOn)
            {
                break;
            }

            if (next.Generate is { HasMaxTokens: true, MaxTokens: 0 })
            {
                _events.Cut();
                break;
            }

            request = next;
            items = Items;
            request.Generate.Chat = ResponsePrompt.Of(request, items);
        }

        return _events.Complete(time.GetUtcNow().ToUnixTimeSeconds());
    }

    // One answer of the model: the first one begins the response.
    private async Task RunRoundAsync(ResponseRequest request, IReadOnlyList<StoredItem> items, CancellationToken cancellationToken)
    {
        (IAsyncEnumerator<GenerateEvent> opened, items) = await ResponsePrompt.OpenAsync(pool, request, items, held => Held = held, cancellationToken).ConfigureAwait(false);
        await using IAsyncEnumerator<GenerateEvent> generation = opened;
        if (!_hasBegun)
        {
            _hasBegun = true;
            await BeginAsync(cancellationToken).ConfigureAwait(false);
        }

        _events.BeginRound(_request.Tools.Search is null ? [] : SearchItems.ResultsOf(items));
        while (await generation.MoveNextAsync().ConfigureAwait(false))
        {
            switch (generation.Current)
            {
                case { Token: { } token }:
                    _events.Add(token);
                    break;
                case { Finish: { Reason: FinishReason.Error } failure }:
                    throw new OpenAiException(new OpenAiError(500, "server_error", failure.Error));
                case { Finish: { Reason: FinishReason.Cancelled } }:
                    throw new OpenAiException(new OpenAiError(500, "server_error", "The generation was cancelled."));
                case { Finish: { } finish }:
                    _events.Finish(finish);
                    break;
                case { Usage: { } usage }:
                    response.Usage = Sum(response.Usage, usage);
                    break;
            }
        }
    }

    private async Task BeginAsync(CancellationToken cancellationToken)
    {
        _events.Begin();
        Show();
        if (!IsBackground && IsJournaled)
        {
            _writing = store!.InsertAsync(Stored(null), _request.PreviousResponse, context.Input, CancellationToken.None);
        }
        else if (IsBackground && _request.Stream)
        {
            await store!.BeginAsync(Id, cancellationToken).ConfigureAwait(false);
        }

        _accepted.TrySetResult();
    }

    // What the model is asked when its searches are answered: the same, with what is left of its tokens and searches.
    private ResponseRequest After(ResponseRequest request)
    {
        GenerateRequest generate = new(_request.Generate);
        if (generate.HasMaxTokens)
        {
            generate.MaxTokens -= (uint)Math.Min(generate.MaxTokens, response.Usage?.CompletionTokens ?? 0);
        }

        return request with { Generate = generate, Tools = _request.Tools.AfterSearch(!_events.HasSearchedEnough) };
    }

    private static Usage Sum(Usage? before, Usage usage) => before is null ? usage : new Usage
    {
        PromptTokens = before.PromptTokens + usage.PromptTokens,
        CachedTokens = before.CachedTokens + usage.CachedTokens,
        CompletionTokens = before.CompletionTokens + usage.CompletionTokens,
        ReasoningTokens = before.ReasoningTokens + usage.ReasoningTokens,
    };

    private void Emit(byte[] data)
    {
        Log.Add(data);
        if (IsJournaled && _accepted.Task.IsCompleted && _writing.IsCompleted && Log.Count - _journaled >= EventsPerWrite)
        {
            byte[][] events = Log.From(_journaled);
            _writing = WriteAsync(_writing, _journaled, events);
            _journaled += events.Length;
        }
    }

    private async Task WriteAsync(Task before, int first, byte[][] events)
    {
        await before.ConfigureAwait(false);
        await store!.AddEventsAsync(Id, first, events, CancellationToken.None).ConfigureAwait(false);
    }

    // Everything, then the last event: what a listener has seen to end is stored.
    private async Task StoreAsync(byte[]? last)
    {
        Show();
        var end = (RunEnd)Volatile.Read(ref _end);
        if (store is not null && end is not (RunEnd.Deleted or RunEnd.Stopping) && (IsBackground || _accepted.Task.IsCompleted))
        {
            try
            {
                await _writing.ConfigureAwait(false);
                await store.FinishAsync(Finished(last), CancellationToken.None).ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                GatewayLog.StreamFailed(logger, Id, exception);
                Failure = OpenAiError.Unexpected;
                last = _events.Fail("server_error", "The response could not be stored.");
                Show();
            }
        }

        if (last is not null)
        {
            Log.Add(last);
        }
    }

    private FinishedResponse Finished(byte[]? last)
    {
        bool isWhole = response.Status is "completed" or "incomplete";
        byte[][] events = IsJournaled ? last is null ? Log.From(_journaled) : [.. Log.From(_journaled), last] : [];
        return new FinishedResponse(
            Stored(null), IsBackground || IsJournaled, _request.PreviousResponse, context.Input, isWhole ? [.. response.Output.Select(item => item.ToStored())] : [], isWhole ? _request.Conversation : null, _journaled, events);
    }

    private StoredResponse Stored(string? body) => new(
        Id, project, response.CreatedAt, response.Status, IsBackground, _request.Stream, HasBegun: false, body, System.Text.Encoding.UTF8.GetString(Snapshot));

    private void Show() => Snapshot = JsonText.Utf8Of(response, static (json, response) => response.Write(json));

    // Those of the contract's codes that can happen here.
    private static string CodeOf(OpenAiError error) => error.Status switch
    {
        429 => "rate_limit_exceeded",
        >= 500 => "server_error",
        _ => "invalid_prompt",
    };
}

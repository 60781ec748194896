using System.Collections.Concurrent;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Responses.Search;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Observability;
using HelixFlow.Storage;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Gateway.Responses;

/// <summary>The responses that run in this process. Thread-safe.</summary>
internal sealed partial class ResponseRuns(MeasuredPool pool, FileSearch searches, ResponseStore store, ResponseReader reader, TimeProvider time, ILogger<ResponseRuns> logger)
{
    private readonly ConcurrentDictionary<string, ResponseRun> _runs = new(StringComparer.Ordinal);

    /// <summary>Starts a response; <paramref name="body"/> is the request's body, from which one in the background can be run again.</summary>
    /// <exception cref="OpenAiException">The items do not make a conversation.</exception>
    /// <exception cref="StorageException">It cannot be stored.</exception>
    public async Task<ResponseRun> StartAsync(
        string project, string requestId, ResponseRequest request, ResponseContext context, string body, CancellationToken cancellationToken)
    {
        if (request.Tools.Search is { } tool)
        {
            await searches.CheckAsync(project, tool, cancellationToken).ConfigureAwait(false);
        }

        request.Generate.RequestId = requestId;
        var response = new ResponseObject(ObjectId.New("resp_"), time.GetUtcNow().ToUnixTimeSeconds(), request);
        return await StartAsync(response, project, context, body, isStored: false, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Seconds since 1970.</summary>
    public long Now => time.GetUtcNow().ToUnixTimeSeconds();

    /// <summary>A project's response that runs; null when there is none of that id.</summary>
    public ResponseRun? Find(string project, string id) => _runs.TryGetValue(id, out ResponseRun? run) && run.Project == project ? run : null;

    /// <summary>Ends all of them, as the process stops.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        foreach (ResponseRun run in _runs.Values)
        {
            run.End(RunEnd.Stopping);
        }

        await Task.WhenAll(_runs.Values.Select(run => run.Completed)).WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Ends a response that another gateway's client has cancelled.</summary>
    public void Cancel(string id)
    {
        if (_runs.TryGetValue(id, out ResponseRun? run))
        {
            run.End(RunEnd.Cancelled);
        }
    }

    /// <summary>Runs a response again that this process has taken from one that is no more, or says of it that it has failed.</summary>
    /// <exception cref="StorageException">It cannot be stored.</exception>
    public async Task ResumeAsync(StoredResponse left, CancellationToken stopping)
    {
        try
        {
            await (left.Request is { } request && !left.HasBegun ? RunAgainAsync(left, request, stopping) : FailAsync(left, stopping)).ConfigureAwait(false);
        }
        catch (OpenAiException exception)
        {
            // What it builds on is gone, or its request is not valid any more.
            ResumeFailed(logger, left.Id, exception);
            await FailAsync(left, stopping).ConfigureAwait(false);
        }
    }

    private async Task RunAgainAsync(StoredResponse left, string body, CancellationToken stopping)
    {
        using JsonDocument document = JsonDocument.Parse(body);
        ResponseRequest request = reader.Again(document.RootElement);
        ResponseContext context = await reader.ContextAsync(left.Project, request, stopping).ConfigureAwait(false);
        context = context with { Input = await store.OwnInputAsync(left.Id, stopping).ConfigureAwait(false) };
        request.Generate.RequestId = left.Id;
        await store.RestartAsync(left.Id, stopping).ConfigureAwait(false);
        await StartAsync(new ResponseObject(left.Id, left.CreatedAt, request), left.Project, context, body, isStored: true, stopping).ConfigureAwait(false);
        Resumed(logger, left.Id);
    }

    private async Task FailAsync(StoredResponse left, CancellationToken stopping)
    {
        string body = InterruptedResponse.Body(left.Body);
        int count = await store.CountEventsAsync(left.Id, stopping).ConfigureAwait(false);
        byte[] last = JsonText.Utf8Of((count, body), static (json, state) =>
        {
            json.WriteStartObject();
            json.WriteString("type"u8, "response.failed"u8);
            json.WriteNumber("sequence_number"u8, state.count);
            json.WritePropertyName("response"u8);
            json.WriteRawValue(state.body, skipInputValidation: true);
            json.WriteEndObject();
        });
        StoredResponse failed = left with { Status = "failed", Request = null, Body = body };
        await store.FinishAsync(new FinishedResponse(failed, IsStored: true, null, [], [], null, count, left.IsStreamed ? [last] : []), stopping).ConfigureAwait(false);
    }

    private async Task<ResponseRun> StartAsync(
        ResponseObject response, string project, ResponseContext context, string body, bool isStored, CancellationToken cancellationToken)
    {
        response.Request.Generate.Project = project;
        response.Request.Generate.Chat = ResponsePrompt.Of(response.Request, [.. context.Before, .. context.Input]);
        var run = new ResponseRun(response, project, context, pool, searches, response.Request.Store ? store : null, time, logger);
        _runs[run.Id] = run;
        try
        {
            await run.StartAsync(body, isStored, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            Forget(run);
            throw;
        }

        _ = run.Completed.ContinueWith(
            _ => Forget(run), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return run;
    }

    private void Forget(ResponseRun run)
    {
        _runs.TryRemove(run.Id, out _);
        run.Dispose();
    }

    [LoggerMessage(1060, LogLevel.Information, "Response {ResponseId} is run again: the process that ran it has ended")]
    private static partial void Resumed(ILogger logger, string responseId);

    [LoggerMessage(1061, LogLevel.Warning, "Response {ResponseId}, left by an earlier process, cannot be run again")]
    private static partial void ResumeFailed(ILogger logger, string responseId, Exception exception);
}

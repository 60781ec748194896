using System.Security.Claims;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Catalog;
using HelixFlow.Agents.Http;
using HelixFlow.Agents.Journal;
using HelixFlow.Storage;
using Microsoft.Extensions.Logging;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace HelixFlow.Agents.Mcp;

/// <summary>The agent queue as tools of the Model Context Protocol: jobs are queued, asked about, listed and cancelled. A tool whose job type the host does not have is not there.</summary>
/// <remarks>What a caller does wrong is a result that says so, for the model that called; an unknown tool is a protocol error. May be called from any thread.</remarks>
internal sealed partial class TaskTools
{
    private const int LongestWaitSeconds = 50; // below the minute for which clients usually wait
    private const int LongestKey = 255;
    private const int LongestName = 200;

    private readonly Journal.Journal _journal;
    private readonly JobCatalog _catalog;
    private readonly JobFeed _feed;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    public TaskTools(Journal.Journal journal, JobCatalog catalog, JobFeed feed, TimeProvider time, ILogger<TaskTools> logger)
    {
        _journal = journal;
        _catalog = catalog;
        _feed = feed;
        _time = time;
        _logger = logger;
    }

    /// <summary>The tools of the types that there are at this moment, always in the same order.</summary>
    public IList<Tool> Tools =>
    [
        .. QueueTool.All.SelectMany(queue => _catalog.Types.Where(type => type.Name == queue.JobType).Select(queue.Describe)),
        ToolDescriptions.Status, ToolDescriptions.Result, ToolDescriptions.List, ToolDescriptions.Cancel,
    ];

    /// <summary>Calls a tool for a user that <see cref="AgentBoundary.Guard"/> has let in.</summary>
    /// <exception cref="McpProtocolException">There is no such tool.</exception>
    public async ValueTask<CallToolResult> CallAsync(ClaimsPrincipal user, string name, IDictionary<string, JsonElement>? arguments, CancellationToken cancellationToken)
    {
        string project = AgentBoundary.ProjectOf(user);
        try
        {
            RequestFields fields = RequestFields.Of(new JsonObject((arguments ?? new Dictionary<string, JsonElement>()).Select(static argument => KeyValuePair.Create(argument.Key, JobJson.Of(argument.Value)))));
            return name switch
            {
                "get_task_status" => await StatusAsync(project, fields, cancellationToken).ConfigureAwait(false),
                "get_task_result" => await ResultAsync(project, fields, cancellationToken).ConfigureAwait(false),
                "list_jobs" => await ListAsync(project, fields, cancellationToken).ConfigureAwait(false),
                "cancel_job" => await CancelAsync(project, user, fields, cancellationToken).ConfigureAwait(false),
                _ when QueueTool.All.FirstOrDefault(queue => queue.Name == name) is { } queue && _catalog.Knows(queue.JobType) => await QueueAsync(project, queue, fields, cancellationToken).ConfigureAwait(false),
                _ => throw new McpProtocolException($"There is no tool '{AgentProblem.Shortened(name)}'.", McpErrorCode.InvalidParams),
            };
        }
        catch (AgentProblemException exception)
        {
            return Failure(exception.Problem.Detail);
        }
        catch (StorageException exception)
        {
            Log.StorageFailed(_logger, exception);
            return Failure("The job queue cannot be reached now; try again later.");
        }
        catch (Exception exception) when (exception is not (McpProtocolException or OperationCanceledException))
        {
            Log.ToolFailed(_logger, exception, name);
            return Failure("The server has failed; its log says why.");
        }
    }

    private async Task<CallToolResult> QueueAsync(string project, QueueTool queue, RequestFields fields, CancellationToken cancellationToken)
    {
        string? key = fields.Text(QueueTool.KeyArgument, LongestKey);
        RunPriority priority = fields.Word<RunPriority>(QueueTool.PriorityArgument) ?? RunPriority.Normal;
        byte[] input = JobSubmission.Checked(_catalog, project, queue.JobType, fields.Rest(), "");
        RunStart start = await _journal.RequestAsync(
            new RunRequest { Project = project, Type = queue.JobType, Input = input, Key = key, Priority = priority, Options = _catalog.OptionsOf(queue.JobType, project) }, cancellationToken).ConfigureAwait(false);
        return start.Kind == RunStartKind.Conflict
            ? Failure($"The {QueueTool.KeyArgument} was used before for another request, which gave the task {start.Run!.Id}.")
            : JobEndpoints.RefusalOf(start) is { } refusal ? Failure(refusal.Detail) : await ShowAsync(start.Run!, cancellationToken).ConfigureAwait(false);
    }

    private async Task<CallToolResult> StatusAsync(string project, RequestFields fields, CancellationToken cancellationToken)
    {
        string id = IdOf(fields);
        long wait = fields.Number("wait_seconds", 0, LongestWaitSeconds) ?? 0;
        fields.Finish();
        RunRecord run = await FindAsync(project, id, cancellationToken).ConfigureAwait(false);
        if (wait > 0 && !run.HasEnded)
        {
            await WaitAsync(run, TimeSpan.FromSeconds(wait), cancellationToken).ConfigureAwait(false);
            run = await FindAsync(project, id, cancellationToken).ConfigureAwait(false);
        }

        return await ShowAsync(run, cancellationToken).ConfigureAwait(false);
    }

    private async Task<CallToolResult> ResultAsync(string project, RequestFields fields, CancellationToken cancellationToken)
    {
        string id = IdOf(fields);
        fields.Finish();
        RunRecord run = await FindAsync(project, id, cancellationToken).ConfigureAwait(false);
        if (run.Output is null)
        {
            return Failure(run.HasEnded
                ? $"The task has ended as {Words.Of(run.State)}{(run.Error is { } error ? $": {error.Message}" : ".")}"
                : $"The task is {Words.Of(run.State)} ({run.Progress} %); ask get_task_status until it has succeeded.");
        }

        byte[] output = await _journal.ReadAsync(run.Output, cancellationToken).ConfigureAwait(false);
        return Success(new JsonObject { ["task_id"] = run.Id, ["type"] = run.Type, ["result"] = JsonNode.Parse(output) });
    }

    private async Task<CallToolResult> ListAsync(string project, RequestFields fields, CancellationToken cancellationToken)
    {
        RunState? state = fields.Word<RunState>("state");
        string? type = fields.Text("type", LongestName), after = fields.Text("after", LongestName);
        int limit = (int)(fields.Number("limit", 1, 100) ?? 20);
        fields.Finish();
        if (after is not null)
        {
            await FindAsync(project, after, cancellationToken).ConfigureAwait(false);
        }

        List<RunRecord> runs = await _journal.ListAsync(project, new RunFilter(state, type, after, limit), cancellationToken).ConfigureAwait(false);
        return Success(new JsonObject { ["tasks"] = new JsonArray([.. runs.Select(run => TaskOf(run, null))]) });
    }

    private async Task<CallToolResult> CancelAsync(string project, ClaimsPrincipal user, RequestFields fields, CancellationToken cancellationToken)
    {
        string id = IdOf(fields);
        fields.Finish();
        RunRecord run = await _journal.CancelAsync(project, id, AgentBoundary.CallerOf(user), cancellationToken).ConfigureAwait(false) ?? throw AgentProblem.UnknownJob(id).AsException();
        return run.State is RunState.Succeeded or RunState.Dead ? Failure($"The task has ended as {Words.Of(run.State)}.") : Success(TaskOf(run, null));
    }

    /// <summary>Waits for a run's end, or for as long as somebody wants to wait for it.</summary>
    private async Task WaitAsync(RunRecord run, TimeSpan longest, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(longest, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await foreach (List<NumberedEvent> _ in _feed.EventsAsync(run.Project, run.Id, run.LastEvent, either.Token).ConfigureAwait(false))
            {
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // It goes on.
        }
    }

    private async Task<RunRecord> FindAsync(string project, string id, CancellationToken cancellationToken) =>
        await _journal.GetAsync(project, id, cancellationToken).ConfigureAwait(false) ?? throw AgentProblem.UnknownJob(id).AsException();

    private async Task<CallToolResult> ShowAsync(RunRecord run, CancellationToken cancellationToken)
    {
        long? usual = run.HasEnded ? null : await _journal.UsualDurationAsync(run.Project, run.Type, cancellationToken).ConfigureAwait(false);
        return Success(TaskOf(run, usual));
    }

    private JsonObject TaskOf(RunRecord run, long? usualMs) => new()
    {
        ["task_id"] = run.Id,
        ["type"] = run.Type,
        ["state"] = Words.Of(run.State),
        ["progress_percent"] = run.Progress,
        ["message"] = run.Message,
        ["estimated_remaining_ms"] = JobJson.Remaining(run, usualMs, _time.GetUtcNow().ToUnixTimeMilliseconds()),
        ["error"] = run.Error?.Message,
        ["created_at"] = JobJson.Time(run.CreatedAt),
        ["ended_at"] = JobJson.Time(run.EndedAt),
    };

    private static string IdOf(RequestFields fields) => fields.Text("task_id", LongestName) ?? throw fields.Wrong("task_id", "is missing");

    private static CallToolResult Success(JsonObject value)
    {
        byte[] json = AgentResponse.Bytes(value);
        return new CallToolResult { Content = [new TextContentBlock { Text = Encoding.UTF8.GetString(json) }], StructuredContent = JsonElement.Parse(json) };
    }

    private static CallToolResult Failure(string message) => new() { Content = [new TextContentBlock { Text = message }], IsError = true };

    private static partial class Log
    {
        [LoggerMessage(5103, LogLevel.Error, "The journal of the agent queue failed")]
        public static partial void StorageFailed(ILogger logger, Exception exception);

        [LoggerMessage(5104, LogLevel.Error, "The MCP tool {Tool} failed")]
        public static partial void ToolFailed(ILogger logger, Exception exception, string tool);
    }
}

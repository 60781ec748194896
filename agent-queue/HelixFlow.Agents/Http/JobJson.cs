using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Http;

/// <summary>Runs, steps and events as the API shows them.</summary>
internal static class JobJson
{
    /// <param name="run">The run.</param>
    /// <param name="usualMs">How long runs of its type usually take; null when that is not known.</param>
    /// <param name="now">Milliseconds since 1970.</param>
    public static JsonObject Of(RunRecord run, long? usualMs, long now) => new()
    {
        ["id"] = run.Id,
        ["object"] = "job",
        ["type"] = run.Type,
        ["state"] = Words.Of(run.State),
        ["priority"] = Words.Of(run.Priority),
        ["progress"] = new JsonObject
        {
            ["percent"] = run.Progress,
            ["message"] = run.Message,
            ["estimated_remaining_ms"] = Remaining(run, usualMs, now),
        },
        ["usage"] = new JsonObject
        {
            ["model_calls"] = run.Usage.ModelCalls, ["prompt_tokens"] = run.Usage.PromptTokens, ["completion_tokens"] = run.Usage.CompletionTokens,
        },
        ["attempt"] = run.Attempt,
        ["epoch"] = run.Epoch,
        ["cancel_requested"] = run.CancelRequested,
        ["worker"] = run.Worker,
        ["error"] = Of(run.Error),
        ["idempotency_key"] = run.Key,
        ["schedule"] = run.Schedule,
        ["labels"] = Of(run.Labels),
        ["options"] = Of(run.Options),
        ["not_before"] = Time(run.NotBefore),
        ["created_at"] = Time(run.CreatedAt),
        ["started_at"] = Time(run.StartedAt),
        ["ended_at"] = Time(run.EndedAt),
        ["last_event"] = run.LastEvent,
    };

    public static JsonObject Of(IReadOnlyDictionary<string, string>? labels) =>
        labels is null ? new JsonObject() : new JsonObject(labels.Select(static label => KeyValuePair.Create(label.Key, (JsonNode?)label.Value)));

    public static JsonObject Of(RunOptions options) => new()
    {
        ["max_attempts"] = options.MaxAttempts,
        ["backoff_ms"] = options.BackoffMs,
        ["max_backoff_ms"] = options.MaxBackoffMs,
        ["lease_ms"] = options.LeaseMs,
        ["attempt_timeout_ms"] = options.AttemptTimeoutMs,
        ["start_timeout_ms"] = options.StartTimeoutMs,
        ["total_timeout_ms"] = options.TotalTimeoutMs,
        ["run_after_failure"] = options.RunAfterFailure,
    };

    /// <param name="step">The step.</param>
    /// <param name="usage">What it has used of models; null for nothing.</param>
    public static JsonObject Of(StepRecord step, StepUsage? usage) => new()
    {
        ["address"] = step.Address,
        ["state"] = Words.Of(step.State),
        ["effect"] = Words.Of(step.Class),
        ["source"] = Words.Of(step.Source),
        ["digest"] = step.Digest,
        ["output"] = step.Output,
        ["usage"] = usage is null ? null : new JsonObject
        {
            ["model"] = usage.Model, ["prompt_tokens"] = usage.PromptTokens, ["completion_tokens"] = usage.CompletionTokens,
        },
        ["started_at"] = Time(step.StartedAt),
        ["ended_at"] = Time(step.EndedAt),
    };

    /// <summary>What a job waits for; null when it waits for nothing but a worker.</summary>
    public static JsonObject? WaitOf(RunRecord run, RunRelations relations) => run.State != RunState.Waiting ? null : new JsonObject
    {
        ["until"] = Time(run.NotBefore),
        ["jobs"] = new JsonArray([.. relations.WaitsFor.Select(static id => (JsonNode)id)]),
        ["approvals"] = new JsonArray([.. relations.Questions.Select(static address => (JsonNode)address)]),
        ["signal"] = relations.Questions.Count == 0 ? run.Signal : null,
    };

    public static JsonObject Of(Artifact artifact) => new()
    {
        ["name"] = artifact.Name,
        ["hash"] = artifact.Hash,
        ["length"] = artifact.Length,
        ["content_type"] = artifact.ContentType,
        ["created_at"] = Time(artifact.CreatedAt),
    };

    /// <summary>An event: what the journal holds, in the words of the API, with its number, its time and its kind before it.</summary>
    public static JsonObject Of(NumberedEvent happened)
    {
        var json = new JsonObject { ["number"] = happened.Number, ["at"] = Time(happened.At), ["kind"] = Words.Of(happened.Event.Kind) };
        JsonObject body = JsonNode.Parse(happened.Event.ToJson())!.AsObject();
        foreach ((string name, JsonNode? value) in body.ToList())
        {
            body.Remove(name);
            switch (name)
            {
                case "project":
                    break;
                case "class":
                    json["effect"] = Words.Of(value!.GetValue<string>());
                    break;
                case "priority" or "state" or "source":
                    json[name] = Words.Of(value!.GetValue<string>());
                    break;
                case "started_at" or "not_before" or "retry_at" or "until":
                    json[name] = Time(value!.GetValue<long>());
                    break;
                case "number": // of a signal: that of the event that told it
                    json["signal_number"] = value;
                    break;
                default:
                    json[name] = value;
                    break;
            }
        }

        return json;
    }

    public static JsonObject? Of(RunError? error) => error is null ? null : new JsonObject
    {
        ["code"] = error.Code,
        ["message"] = error.Message,
        ["details"] = error.Details is { } details ? Of(details) : null,
    };

    public static JsonNode? Of(JsonElement value) => JsonNode.Parse(value.GetRawText());

    /// <summary>A time as RFC 3339 has it; null for none, or for one that never comes.</summary>
    public static string? Time(long milliseconds) => milliseconds is <= 0 or > 253_402_300_799_999 ? null
        : DateTimeOffset.FromUnixTimeMilliseconds(milliseconds).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    /// <summary>What is left of the usual time: by the progress that the run tells, or by the time that has passed when it tells none.</summary>
    internal static long? Remaining(RunRecord run, long? usualMs, long now) => run.State switch
    {
        RunState.Ready => usualMs,
        RunState.Running when run.Progress > 0 => usualMs * (100 - run.Progress) / 100,
        RunState.Running when usualMs is { } usual => Math.Max(0, usual - (now - run.StartedAt)),
        _ => null,
    };
}

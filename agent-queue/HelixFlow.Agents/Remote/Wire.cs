using System.Text;
using System.Text.Json;
using Google.Protobuf;
using HelixFlow.Agents.Journal;
using V1 = HelixFlow.Schemas.Agents.V1;

namespace HelixFlow.Agents.Remote;

/// <summary>The journal's records as messages of the worker protocol, and back. Enums differ by the unspecified value that messages have first.</summary>
internal static class Wire
{
    /// <summary>Values up to this size are sent along; larger ones are asked for by their hash. Bytes: well below the 4 MiB that clients accept by default.</summary>
    public const int InlineBytes = 1 << 20;

    public static V1.Lease ToMessage(this Lease lease) => new() { Run = lease.Run, RunId = lease.RunId, Fence = lease.Fence, Worker = lease.Worker };

    public static Lease ToLease(this V1.Lease lease) => new(lease.Run, lease.RunId, lease.Fence, lease.Worker);

    public static V1.ModelUsage ToMessage(this StepUsage usage) => new() { Model = usage.Model, PromptTokens = usage.PromptTokens, CompletionTokens = usage.CompletionTokens };

    public static StepUsage? ToUsage(this V1.ModelUsage? usage) => usage is null ? null : new StepUsage(usage.Model, Math.Max(0, usage.PromptTokens), Math.Max(0, usage.CompletionTokens));

    /// <exception cref="FormatException">It is no JSON.</exception>
    public static JsonElement Json(ByteString json)
    {
        try
        {
            return JsonElement.Parse(json.Span);
        }
        catch (JsonException exception)
        {
            throw new FormatException($"That is no JSON: {exception.Message}", exception);
        }
    }

    public static V1.Effect ToMessage(this EffectClass effect) => (V1.Effect)((int)effect + 1);

    public static EffectClass ToEffect(this V1.Effect effect) => effect is V1.Effect.Unspecified ? EffectClass.Unsafe : (EffectClass)((int)effect - 1);

    public static V1.RunPriority ToMessage(this RunPriority priority) => (V1.RunPriority)((int)priority + 1);

    public static RunPriority? ToPriority(this V1.RunPriority priority) => priority is V1.RunPriority.Unspecified ? null : (RunPriority)((int)priority - 1);

    public static V1.LeaseState ToMessage(this LeaseState state) => (V1.LeaseState)((int)state + 1);

    public static LeaseState ToState(this V1.LeaseState state) => state is V1.LeaseState.Unspecified ? LeaseState.Lost : (LeaseState)((int)state - 1);

    public static V1.RunOptions ToMessage(this RunOptions options) => new()
    {
        MaxAttempts = options.MaxAttempts,
        BackoffMs = options.BackoffMs,
        MaxBackoffMs = options.MaxBackoffMs,
        LeaseMs = options.LeaseMs,
        AttemptTimeoutMs = options.AttemptTimeoutMs,
        StartTimeoutMs = options.StartTimeoutMs,
        RunAfterFailure = options.RunAfterFailure,
        TotalTimeoutMs = options.TotalTimeoutMs,
    };

    /// <summary>Options with what the message says in place of the defaults.</summary>
    public static RunOptions ToOptions(this V1.RunOptions? options)
    {
        var usual = new RunOptions();
        return options is null ? usual : new RunOptions
        {
            MaxAttempts = options.HasMaxAttempts ? options.MaxAttempts : usual.MaxAttempts,
            BackoffMs = options.HasBackoffMs ? options.BackoffMs : usual.BackoffMs,
            MaxBackoffMs = options.HasMaxBackoffMs ? options.MaxBackoffMs : usual.MaxBackoffMs,
            LeaseMs = options.HasLeaseMs ? options.LeaseMs : usual.LeaseMs,
            AttemptTimeoutMs = options.HasAttemptTimeoutMs ? options.AttemptTimeoutMs : usual.AttemptTimeoutMs,
            StartTimeoutMs = options.HasStartTimeoutMs ? options.StartTimeoutMs : usual.StartTimeoutMs,
            RunAfterFailure = options.HasRunAfterFailure ? options.RunAfterFailure : usual.RunAfterFailure,
            TotalTimeoutMs = options.HasTotalTimeoutMs ? options.TotalTimeoutMs : usual.TotalTimeoutMs,
        };
    }

    public static V1.RunError ToMessage(this RunError error) => new()
    {
        Code = error.Code,
        Message = error.Message,
        DetailsJson = error.Details is { } details ? ByteString.CopyFromUtf8(details.GetRawText()) : ByteString.Empty,
    };

    /// <exception cref="JsonException">Its details are no JSON.</exception>
    public static RunError ToError(this V1.RunError? error) => error is null ? new RunError("job_error", "The worker has not said why.") : new RunError(
        error.Code.Length > 0 ? error.Code : "job_error", error.Message, error.DetailsJson.IsEmpty ? null : JsonElement.Parse(error.DetailsJson.Span));

    public static V1.Run ToMessage(this RunRecord run)
    {
        var message = new V1.Run
        {
            Id = run.Id,
            Project = run.Project,
            Type = run.Type,
            State = (V1.RunState)((int)run.State + 1),
            Priority = run.Priority.ToMessage(),
            Input = run.Input,
            Output = run.Output ?? "",
            Error = run.Error?.ToMessage(),
            Options = run.Options.ToMessage(),
            Attempt = run.Attempt,
            Epoch = run.Epoch,
            CreatedAt = run.CreatedAt,
            StartedAt = run.StartedAt,
            EndedAt = run.EndedAt,
            Schedule = run.Schedule ?? "",
            IsFork = run.IsFork,
            CancelRequested = run.CancelRequested,
        };
        if (run.Labels is not null)
        {
            message.Labels.Add(run.Labels.ToDictionary());
        }

        return message;
    }

    /// <param name="run">The run.</param>
    /// <param name="lease">The hold on it; null for a run that is only looked at.</param>
    public static RunRecord ToRun(this V1.Run run, Lease? lease) => new()
    {
        Number = lease?.Run ?? 0,
        Fence = lease?.Fence ?? 0,
        Worker = lease?.Worker,
        Id = run.Id,
        Project = run.Project,
        Type = run.Type,
        State = run.State is V1.RunState.Unspecified ? RunState.Waiting : (RunState)((int)run.State - 1),
        Priority = run.Priority.ToPriority() ?? RunPriority.Normal,
        Input = run.Input,
        Output = Text(run.Output),
        Error = run.Error?.ToError(),
        Options = run.Options.ToOptions(),
        Labels = run.Labels.Count > 0 ? run.Labels.ToDictionary(StringComparer.Ordinal) : null,
        Attempt = run.Attempt,
        Epoch = run.Epoch,
        CreatedAt = run.CreatedAt,
        StartedAt = run.StartedAt,
        EndedAt = run.EndedAt,
        Schedule = Text(run.Schedule),
        IsFork = run.IsFork,
        CancelRequested = run.CancelRequested,
    };

    public static V1.RecordedStep ToMessage(this StepRecord step)
    {
        var message = new V1.RecordedStep
        {
            Address = step.Address,
            Digest = step.Digest,
            Effect = step.Class.ToMessage(),
            Output = step.Output ?? "",
            Source = (V1.StepSource)((int)step.Source + 1),
            StartedAt = step.StartedAt,
            EndedAt = step.EndedAt,
        };
        if (step.Content is { } content)
        {
            message.OutputJson = ByteString.CopyFrom(content);
        }

        return message;
    }

    public static StepRecord ToStep(this V1.RecordedStep step) => new(
        step.Address, step.Digest, step.Effect.ToEffect(), step.Output.Length > 0 ? StepState.Succeeded : StepState.Started, Text(step.Output),
        step.Source is V1.StepSource.Unspecified ? StepSource.Executed : (StepSource)((int)step.Source - 1), step.StartedAt, step.EndedAt)
    {
        Content = step.HasOutputJson ? step.OutputJson.ToByteArray() : null,
    };

    public static V1.JobType ToMessage(this JobTypeEntry type) => new()
    {
        Name = type.Name,
        Description = type.Description,
        InputSchemaJson = ByteString.CopyFrom(Encoding.UTF8.GetBytes(type.InputSchema.GetRawText())),
        OutputSchemaJson = ByteString.CopyFrom(Encoding.UTF8.GetBytes(type.OutputSchema.GetRawText())),
        Options = type.Options?.ToMessage(),
    };

    public static string? Text(string text) => text.Length > 0 ? text : null;
}

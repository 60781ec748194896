using System.Text.Json;
using HelixFlow.Agents.Catalog;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Agents.Handlers;

/// <summary>A type of jobs that a program does: a process for each attempt, which may crash, hang or take too much without harm to anything else.</summary>
public sealed partial class HandlerJob(HandlerManifest manifest, TimeProvider time, ILogger<HandlerJob> logger, HandlerMetrics? metrics = null) : IJobType
{
    private readonly ValueSchema _output = ValueSchema.Parse(manifest.OutputSchema);
    private readonly HandlerQuarantine _quarantine = new(time);

    /// <inheritdoc />
    public string Name => manifest.Name;

    /// <inheritdoc />
    public string Description => manifest.Description;

    /// <inheritdoc />
    public JsonElement InputSchema => manifest.InputSchema;

    /// <inheritdoc />
    public JsonElement OutputSchema => manifest.OutputSchema;

    /// <inheritdoc />
    public RunOptions? Options => manifest.Options;

    /// <summary>Most jobs at the same time at this moment: none while a program that crashes at every start is left alone.</summary>
    public int Limit => _quarantine.Limit(manifest.Concurrency);

    /// <inheritdoc />
    public async Task<JsonElement> RunAsync(Run run, CancellationToken cancellationToken)
    {
        using var folder = new HandlerFolder(); // deleted after the process has ended
        await using HandlerProcess process = Start();
        var conversation = new HandlerConversation(run, process, folder, manifest.ArtifactMb);
        JsonElement? output;
        try
        {
            output = await conversation.TalkAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await process.StopAsync().ConfigureAwait(false);
            throw;
        }
        catch (AttemptFailedException failed) when (failed.Error.Code == "handler_protocol")
        {
            throw Failure(process, process.Broken ?? failed.Error); // a line that a limit has cut off is no message
        }
        finally
        {
            if (conversation.HasSpoken)
            {
                _quarantine.Spoke();
            }
        }

        if (output is not { } value)
        {
            throw await EndedAsync(process, conversation.HasSpoken, cancellationToken).ConfigureAwait(false);
        }

        await process.LeaveAsync().ConfigureAwait(false);
        return _output.Check(value) is [var (pointer, detail), ..]
            ? throw new AttemptFailedException(new RunError("invalid_output", $"The handler's output is not what its schema says: '{pointer}' {detail}."), isFinal: true)
            : value;
    }

    private HandlerProcess Start()
    {
        try
        {
            return HandlerProcess.Start(manifest, time);
        }
        catch (AttemptFailedException failed)
        {
            metrics?.Failed(manifest.Name, failed.Error.Code);
            Crashed();
            throw;
        }
    }

    private async Task<Exception> EndedAsync(HandlerProcess process, bool hasSpoken, CancellationToken cancellationToken)
    {
        await process.EndedAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
        if (process.Broken is { } limit)
        {
            return Failure(process, limit);
        }

        if (!hasSpoken)
        {
            Crashed();
        }

        string how = process.ExitCode is > 128 and int code ? $"was ended by signal {code - 128}" : $"has ended with exit code {process.ExitCode}";
        return Failure(process, new RunError("handler_crashed", $"The handler {how} before it gave a result."));
    }

    private void Crashed()
    {
        TimeSpan pause = _quarantine.Crashed();
        if (pause > TimeSpan.Zero)
        {
            Log.Quarantined(logger, manifest.Name, pause);
        }
    }

    private AttemptFailedException Failure(HandlerProcess process, RunError error)
    {
        metrics?.Failed(manifest.Name, error.Code);
        return new(error with { Details = JsonSerializer.SerializeToElement(new HandlerFailure(process.ExitCode, process.Stderr), HandlerFailureJson.Default.HandlerFailure) }, isFinal: false);
    }

    private static partial class Log
    {
        [LoggerMessage(7030, LogLevel.Warning, "The handler {Name} crashes whenever it is started; its jobs wait for {Pause}.")]
        public static partial void Quarantined(ILogger logger, string name, TimeSpan pause);
    }
}

/// <summary>How a handler's process ended, for whoever looks for the reason.</summary>
internal sealed record HandlerFailure(int? ExitCode, string Stderr);

[System.Text.Json.Serialization.JsonSourceGenerationOptions(PropertyNamingPolicy = System.Text.Json.Serialization.JsonKnownNamingPolicy.SnakeCaseLower)]
[System.Text.Json.Serialization.JsonSerializable(typeof(HandlerFailure))]
internal sealed partial class HandlerFailureJson : System.Text.Json.Serialization.JsonSerializerContext;

using System.Collections.Concurrent;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Handlers;

/// <summary>What a handler's program and its run say to each other: one JSON object a line, docs/workers.md.</summary>
internal sealed class HandlerConversation(Run run, HandlerProcess process, HandlerFolder folder, int mostArtifactMb)
{
    private const int MostOpen = 1000;
    private const double LongestDelaySeconds = 366 * 86_400;

    private readonly ConcurrentDictionary<string, TaskCompletionSource<StepResult>> _executing = new(StringComparer.Ordinal);
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously); // faulted by what ends the attempt
    private readonly ConcurrentDictionary<int, Task> _open = new();
    private readonly HandlerChildren _children = new(run);
    private readonly HandlerFiles _files = new(run, folder, mostArtifactMb);
    private int _begun;
    private volatile bool _isEnding; // from then on nothing is executed: nobody would hear that it is done

    /// <summary>Whether the program has said anything that could be understood.</summary>
    public bool HasSpoken { get; private set; }

    /// <summary>Talks until the program gives a result.</summary>
    /// <returns>The output; null when the program has ended without one.</returns>
    /// <exception cref="AttemptFailedException">It gave an error, or said what cannot be understood.</exception>
    public async Task<JsonElement?> TalkAsync(CancellationToken cancellationToken)
    {
        await SendAsync(Hello, cancellationToken).ConfigureAwait(false);
        while (true)
        {
            Task<byte[]?> reading = ReadAsync(cancellationToken);
            await Task.WhenAny(reading, _over.Task).ConfigureAwait(false);
            if (_over.Task.IsFaulted)
            {
                await _over.Task.ConfigureAwait(false);
            }

            if (await reading.ConfigureAwait(false) is not { } line)
            {
                return null;
            }

            HandlerMessage message = HandlerMessage.Parse(line);
            string kind = message.Text("type");
            HasSpoken = true;
            switch (kind)
            {
                case "result":
                    JsonElement output = message.Field("output");
                    await EndAsync().ConfigureAwait(false);
                    return output;
                case "error":
                    throw new AttemptFailedException(
                        new RunError(message.Text("code"), message.Text("message"), message.Optional("details")), isFinal: !message.IsTrue("retry"));
                case "progress":
                    await run.ReportAsync((int)message.Number("percent"), message.OptionalText("message"), cancellationToken).ConfigureAwait(false);
                    break;
                default:
                    Answer(kind, message, cancellationToken);
                    break;
            }
        }
    }

    /// <summary>Begins what is asked for; its answer comes when it is there.</summary>
    private void Answer(string kind, HandlerMessage message, CancellationToken cancellationToken)
    {
        switch (kind)
        {
            case "step":
                Begin(() => StepAsync(message, cancellationToken), cancellationToken);
                break;
            case "step_done":
                Executing(message).TrySetResult(new StepResult(message.Field("output"), UsageOf(message.Object("usage"))));
                break;
            case "step_failed":
                Executing(message).TrySetException(new AttemptFailedException(new RunError("step_failed", message.Text("message")), isFinal: false));
                break;
            case "signal":
                string address = message.Text("address"), name = message.Text("name");
                Begin(async () => Answered("signalled", address, await run.SignalAsync(address, name, cancellationToken).ConfigureAwait(false)), cancellationToken);
                break;
            case "ask":
                string asking = message.Text("address");
                JsonElement question = message.Field("question");
                QuestionExpiry? expiry = ExpiryOf(message);
                Begin(async () => Answered("answered", asking, await run.AskAsync(asking, question, expiry, cancellationToken).ConfigureAwait(false)), cancellationToken);
                break;
            case "delay":
                string place = message.Text("address");
                var wait = TimeSpan.FromSeconds(Math.Clamp(message.Number("seconds"), 0, LongestDelaySeconds));
                Begin(async () =>
                {
                    await run.DelayAsync(place, wait, cancellationToken).ConfigureAwait(false);
                    return Answered("delayed", place, null);
                }, cancellationToken);
                break;
            case "start":
                HandlerChildren.Group started = _children.Add(message);
                Begin(() => _children.StartAsync(started, cancellationToken), cancellationToken);
                break;
            case "wait":
                HandlerChildren.Group all = _children.Of(message);
                Begin(() => _children.WaitAsync(all, cancellationToken), cancellationToken);
                break;
            case "next":
                HandlerChildren.Group some = _children.Of(message);
                Begin(() => _children.NextAsync(some, cancellationToken), cancellationToken);
                break;
            case "artifact":
                Begin(() => _files.KeepAsync(message, cancellationToken), cancellationToken);
                break;
            case "read":
                string? child = _children.ChildOf(message);
                Begin(() => _files.ReadAsync(message, child, cancellationToken), cancellationToken);
                break;
            default:
                throw HandlerMessage.Wrong($"it has a 'type' that is not known, '{HandlerMessage.Shortened(kind)}'");
        }
    }

    private async Task<byte[]?> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await process.ReadAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (InvalidDataException exception)
        {
            throw new AttemptFailedException(new RunError("handler_protocol", exception.Message), isFinal: false);
        }
    }

    private async Task<Action<Utf8JsonWriter>> StepAsync(HandlerMessage message, CancellationToken cancellationToken)
    {
        string address = message.Text("address");
        EffectClass effect = message.OptionalText("effect") switch
        {
            null or "recorded" => EffectClass.Recorded,
            "pure" => EffectClass.Pure,
            "idempotent" => EffectClass.Idempotent,
            "unsafe" => EffectClass.Unsafe,
            _ => throw HandlerMessage.Wrong("its 'effect' must be 'recorded', 'pure', 'idempotent' or 'unsafe'"),
        };
        int version = message.Optional("version") is null ? 1 : (int)message.Number("version");
        StepUsage? usage = null;
        var executor = new StepExecutor<JsonElement, JsonElement>(
            message.Text("name"), version, effect, HandlerJson.Default.JsonElement, HandlerJson.Default.JsonElement, async (_, step, token) =>
            {
                StepResult result = await ExecuteAsync(step, token).ConfigureAwait(false);
                usage = result.Usage;
                return result.Output;
            })
        {
            Usage = (_, _) => usage,
        };
        JsonElement input = message.Optional("input") ?? JsonElement.Parse("null");
        return Answered("recorded", address, await run.StepAsync(address, executor, input, cancellationToken).ConfigureAwait(false));
    }

    private async Task<StepResult> ExecuteAsync(StepContext step, CancellationToken cancellationToken)
    {
        var done = new TaskCompletionSource<StepResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        _executing[step.Address] = done;
        if (_isEnding)
        {
            throw Early(step.Address);
        }

        await SendAsync(
            json =>
            {
                json.WriteString("type", "execute");
                json.WriteString("address", step.Address);
                json.WriteString("key", step.Key);
            },
            cancellationToken).ConfigureAwait(false);
        return await done.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Does something beside what else the program asks for, and sends its answer. What fails ends the attempt, as it would in code of this process.</summary>
    private void Begin(Func<Task<Action<Utf8JsonWriter>>> work, CancellationToken cancellationToken)
    {
        if (_open.Count >= MostOpen)
        {
            throw HandlerMessage.Wrong($"more than {MostOpen} steps and waits are open");
        }

        int number = _begun++;
        _open[number] = Task.CompletedTask; // before the work may have ended
        _open.TryUpdate(number, DoAsync(), Task.CompletedTask);

        async Task DoAsync()
        {
            await Task.Yield();
            try
            {
                await SendAsync(await work().ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                _over.TrySetException(exception);
            }
            finally
            {
                _open.TryRemove(number, out _);
            }
        }
    }

    /// <summary>What was done is recorded before the job ends; what is asked for and not done is a mistake of the program.</summary>
    private async Task EndAsync()
    {
        _isEnding = true;
        if (_executing.Keys.FirstOrDefault() is { } address)
        {
            throw Early(address);
        }

        await Task.WhenAny(Task.WhenAll(_open.Values), _over.Task).ConfigureAwait(false);
        if (_over.Task.IsFaulted)
        {
            await _over.Task.ConfigureAwait(false);
        }
    }

    private static AttemptFailedException Early(string address) => HandlerMessage.Wrong($"it gives a result before the step at '{HandlerMessage.Shortened(address)}' is done");

    private TaskCompletionSource<StepResult> Executing(HandlerMessage message)
    {
        string address = message.Text("address");
        return _executing.TryRemove(address, out TaskCompletionSource<StepResult>? step) ? step : throw HandlerMessage.Wrong($"no step is to be executed at '{HandlerMessage.Shortened(address)}'");
    }

    private static QuestionExpiry? ExpiryOf(HandlerMessage message)
    {
        bool fails = message.OptionalText("on_expiry") switch
        {
            null or "reject" => false,
            "fail" => true,
            _ => throw HandlerMessage.Wrong("its 'on_expiry' must be 'reject' or 'fail'"),
        };
        return message.Optional("expires_seconds") is null ? null
            : message.Number("expires_seconds") is > 0 and <= LongestDelaySeconds and var seconds ? new QuestionExpiry(TimeSpan.FromSeconds(seconds), fails)
            : throw HandlerMessage.Wrong($"its 'expires_seconds' must be above 0 and at most {LongestDelaySeconds}");
    }

    private static StepUsage? UsageOf(HandlerMessage? usage) => usage is not { } used ? null
        : new StepUsage(used.Text("model"), Tokens(used, "prompt_tokens"), Tokens(used, "completion_tokens"));

    private static long Tokens(HandlerMessage usage, string name) =>
        usage.Number(name) is >= 0 and <= 1e15 and var tokens ? (long)tokens : throw HandlerMessage.Wrong($"'{name}' must be 0 or more");

    private void Hello(Utf8JsonWriter json)
    {
        json.WriteString("type", "job");
        json.WriteString("id", run.Record.Id);
        json.WriteString("job_type", run.Record.Type);
        json.WriteString("project", run.Record.Project);
        json.WriteNumber("attempt", run.Record.Attempt);
        json.WriteString("folder", folder.Path);
        json.WriteStartObject("labels");
        foreach ((string name, string value) in run.Record.Labels ?? new Dictionary<string, string>())
        {
            json.WriteString(name, value);
        }

        json.WriteEndObject();
        json.WritePropertyName("input");
        run.Input.WriteTo(json);
    }

    private static Action<Utf8JsonWriter> Answered(string kind, string address, JsonElement? output) => json =>
    {
        json.WriteString("type", kind);
        json.WriteString("address", address);
        if (output is { } value)
        {
            json.WritePropertyName("output");
            value.WriteTo(json);
        }
    };

    private async Task SendAsync(Action<Utf8JsonWriter> write, CancellationToken cancellationToken)
    {
        using var line = new MemoryStream();
        using (var json = new Utf8JsonWriter(line))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        await process.WriteAsync(line.ToArray(), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What a program has given for a step.</summary>
    private sealed record StepResult(JsonElement Output, StepUsage? Usage);
}

using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Handlers;

/// <summary>What a handler's program and its run say to each other: one JSON object a line, docs/workers.md.</summary>
internal sealed class HandlerConversation(Run run, HandlerProcess process)
{
    private const int MostOpen = 1000;

    private readonly ConcurrentDictionary<string, TaskCompletionSource<JsonElement>> _executing = new(StringComparer.Ordinal);
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously); // faulted by what ends the attempt
    private readonly ConcurrentDictionary<int, Task> _open = new();
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

            JsonElement message = Parse(line);
            string kind = Text(message, "type");
            HasSpoken = true;
            switch (kind)
            {
                case "result":
                    JsonElement output = Field(message, "output");
                    await EndAsync().ConfigureAwait(false);
                    return output;
                case "error":
                    throw new AttemptFailedException(
                        new RunError(Text(message, "code"), Text(message, "message"), Optional(message, "details")),
                        isFinal: Optional(message, "retry") is not { ValueKind: JsonValueKind.True });
                case "progress":
                    string? said = Optional(message, "message")?.GetString();
                    await run.ReportAsync((int)Number(message, "percent"), said, cancellationToken).ConfigureAwait(false);
                    break;
                case "step":
                    Begin(() => StepAsync(message, cancellationToken));
                    break;
                case "step_done":
                    Executing(message).TrySetResult(Field(message, "output"));
                    break;
                case "step_failed":
                    Executing(message).TrySetException(new AttemptFailedException(new RunError("step_failed", Text(message, "message")), isFinal: false));
                    break;
                case "signal":
                    string address = Text(message, "address"), name = Text(message, "name");
                    Begin(async () => await AnswerAsync("signalled", address, await run.SignalAsync(address, name, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false));
                    break;
                case "delay":
                    string place = Text(message, "address");
                    var wait = TimeSpan.FromSeconds(Math.Clamp(Number(message, "seconds"), 0, 366 * 86_400));
                    Begin(async () =>
                    {
                        await run.DelayAsync(place, wait, cancellationToken).ConfigureAwait(false);
                        await AnswerAsync("delayed", place, null, cancellationToken).ConfigureAwait(false);
                    });
                    break;
                default:
                    throw Wrong($"it has a 'type' that is not known, '{Shortened(kind)}'");
            }
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

    private async Task StepAsync(JsonElement message, CancellationToken cancellationToken)
    {
        string address = Text(message, "address");
        EffectClass effect = Optional(message, "effect")?.GetString() switch
        {
            null or "recorded" => EffectClass.Recorded,
            "pure" => EffectClass.Pure,
            "idempotent" => EffectClass.Idempotent,
            "unsafe" => EffectClass.Unsafe,
            _ => throw Wrong("its 'effect' must be 'recorded', 'pure', 'idempotent' or 'unsafe'"),
        };
        int version = Optional(message, "version") is null ? 1 : (int)Number(message, "version");
        var executor = new StepExecutor<JsonElement, JsonElement>(
            Text(message, "name"), version, effect, HandlerJson.Default.JsonElement, HandlerJson.Default.JsonElement, (_, step, token) => ExecuteAsync(step, token));
        JsonElement output = await run.StepAsync(address, executor, Optional(message, "input") ?? JsonElement.Parse("null"), cancellationToken).ConfigureAwait(false);
        await AnswerAsync("recorded", address, output, cancellationToken).ConfigureAwait(false);
    }

    private async Task<JsonElement> ExecuteAsync(StepContext step, CancellationToken cancellationToken)
    {
        var done = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
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

    /// <summary>Does something beside what else the program asks for. What fails ends the attempt, as it would in code of this process.</summary>
    private void Begin(Func<Task> work)
    {
        if (_open.Count >= MostOpen)
        {
            throw Wrong($"more than {MostOpen} steps and waits are open");
        }

        int number = _begun++;
        _open[number] = Task.CompletedTask; // before the work may have ended
        _open.TryUpdate(number, DoAsync(), Task.CompletedTask);

        async Task DoAsync()
        {
            await Task.Yield();
            try
            {
                await work().ConfigureAwait(false);
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

    private static AttemptFailedException Early(string address) => Wrong($"it gives a result before the step at '{Shortened(address)}' is done");

    private TaskCompletionSource<JsonElement> Executing(JsonElement message)
    {
        string address = Text(message, "address");
        return _executing.TryRemove(address, out TaskCompletionSource<JsonElement>? step) ? step : throw Wrong($"no step is to be executed at '{Shortened(address)}'");
    }

    private void Hello(Utf8JsonWriter json)
    {
        json.WriteString("type", "job");
        json.WriteString("id", run.Record.Id);
        json.WriteString("job_type", run.Record.Type);
        json.WriteString("project", run.Record.Project);
        json.WriteNumber("attempt", run.Record.Attempt);
        json.WriteStartObject("labels");
        foreach ((string name, string value) in run.Record.Labels ?? new Dictionary<string, string>())
        {
            json.WriteString(name, value);
        }

        json.WriteEndObject();
        json.WritePropertyName("input");
        run.Input.WriteTo(json);
    }

    private Task AnswerAsync(string kind, string address, JsonElement? output, CancellationToken cancellationToken) => SendAsync(
        json =>
        {
            json.WriteString("type", kind);
            json.WriteString("address", address);
            if (output is { } value)
            {
                json.WritePropertyName("output");
                value.WriteTo(json);
            }
        },
        cancellationToken);

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

    private static JsonElement Parse(byte[] line)
    {
        try
        {
            JsonElement message = JsonElement.Parse(line);
            return message.ValueKind == JsonValueKind.Object ? message : throw new JsonException("it is no object");
        }
        catch (JsonException)
        {
            throw new AttemptFailedException(
                new RunError("handler_protocol", $"The handler wrote a line that is no JSON object (what is for people belongs on standard error): {Shortened(Encoding.UTF8.GetString(line))}"), isFinal: false);
        }
    }

    private static string Text(JsonElement message, string name) =>
        Field(message, name) is { ValueKind: JsonValueKind.String } value ? value.GetString()! : throw Wrong($"'{name}' must be a text");

    private static double Number(JsonElement message, string name) =>
        Field(message, name) is { ValueKind: JsonValueKind.Number } value && value.GetDouble() is var number && double.IsFinite(number) ? number : throw Wrong($"'{name}' must be a number");

    private static JsonElement Field(JsonElement message, string name) => Optional(message, name) ?? throw Wrong($"'{name}' is missing");

    private static JsonElement? Optional(JsonElement message, string name) => message.TryGetProperty(name, out JsonElement value) ? value : null;

    private static AttemptFailedException Wrong(string what) => new(new RunError("handler_protocol", $"The handler wrote a message that cannot be understood: {what}."), isFinal: false);

    private static string Shortened(string text) => text.Length <= 200 ? text : text[..200] + "…";
}

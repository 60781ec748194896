using System.Collections.Concurrent;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Handlers;

/// <summary>The other jobs that a handler's program has had done.</summary>
/// <remarks>Whether they were started is not remembered here: asking again for what was started finds it, also after a crash between the start and the wait.</remarks>
internal sealed class HandlerChildren(Run run)
{
    private const int Most = 1000;

    private readonly Dictionary<string, Group> _groups = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _known = new(StringComparer.Ordinal);

    /// <summary>Notes which jobs are wanted. Called in the order in which the program speaks.</summary>
    public Group Add(HandlerMessage message)
    {
        List<HandlerMessage> jobs = message.Objects("jobs");
        if (jobs.Count is 0 or > Most)
        {
            throw HandlerMessage.Wrong($"'jobs' must have 1 to {Most} jobs");
        }

        var group = new Group(message.Text("address"), [.. jobs.Select(RequestOf)]);
        return _groups.TryAdd(group.Address, group) ? group : throw HandlerMessage.Wrong($"jobs were started at '{HandlerMessage.Shortened(group.Address)}' before");
    }

    /// <summary>The jobs that were started at the address that a message names.</summary>
    public Group Of(HandlerMessage message) =>
        _groups.TryGetValue(message.Text("address"), out Group? group) ? group : throw HandlerMessage.Wrong($"no jobs were started at '{HandlerMessage.Shortened(message.Text("address"))}'");

    /// <summary>The child that a message names; null when it names none.</summary>
    public string? ChildOf(HandlerMessage message) => message.OptionalText("child") is not { } child ? null
        : _known.ContainsKey(child) ? child : throw HandlerMessage.Wrong($"'{HandlerMessage.Shortened(child)}' is no job that was started here");

    /// <summary>Starts them, or finds those that were started.</summary>
    public async Task<Action<Utf8JsonWriter>> StartAsync(Group group, CancellationToken cancellationToken)
    {
        IReadOnlyList<RunRecord> children = await run.StartChildrenAsync(group.Address, group.Requests, cancellationToken).ConfigureAwait(false);
        foreach (RunRecord child in children)
        {
            _known[child.Id] = true;
        }

        return json =>
        {
            json.WriteString("type", "started");
            json.WriteString("address", group.Address);
            json.WriteStartArray("ids");
            foreach (RunRecord child in children)
            {
                json.WriteStringValue(child.Id);
            }

            json.WriteEndArray();
        };
    }

    /// <summary>Waits until all have ended.</summary>
    public async Task<Action<Utf8JsonWriter>> WaitAsync(Group group, CancellationToken cancellationToken)
    {
        IReadOnlyList<RunRecord> children = await run.ChildrenAsync(group.Address, group.Requests, cancellationToken).ConfigureAwait(false);
        JsonElement?[] outputs = await Task.WhenAll(children.Select(child => run.OutputOfAsync(child, cancellationToken))).ConfigureAwait(false);
        return json =>
        {
            json.WriteString("type", "ended");
            json.WriteString("address", group.Address);
            json.WriteStartArray("children");
            for (int i = 0; i < children.Count; i++)
            {
                Write(json, children[i], outputs[i]);
            }

            json.WriteEndArray();
        };
    }

    /// <summary>Waits for the next one that ends.</summary>
    public async Task<Action<Utf8JsonWriter>> NextAsync(Group group, CancellationToken cancellationToken)
    {
        (int index, RunRecord child) = await group.NextAsync(run, cancellationToken).ConfigureAwait(false)
            ?? throw HandlerMessage.Wrong($"all jobs that were started at '{HandlerMessage.Shortened(group.Address)}' have been given");
        JsonElement? output = await run.OutputOfAsync(child, cancellationToken).ConfigureAwait(false);
        return json =>
        {
            json.WriteString("type", "child");
            json.WriteString("address", group.Address);
            json.WriteNumber("index", index);
            json.WritePropertyName("child");
            Write(json, child, output);
        };
    }

    // Project, parent and key are set by the run.
    private static RunRequest RequestOf(HandlerMessage job) => new()
    {
        Project = "",
        Type = job.Text("type") is { Length: > 0 } type ? type : throw HandlerMessage.Wrong("a job's 'type' is empty"),
        Input = JsonSerializer.SerializeToUtf8Bytes(job.Optional("input") ?? JsonElement.Parse("null"), HandlerJson.Default.JsonElement),
        Labels = job.Object("labels")?.As(JournalJson.Default.IReadOnlyDictionaryStringString, "labels"),
        Options = job.Object("options")?.As(JournalJson.Default.RunOptions, "options") ?? new RunOptions(),
    };

    private static void Write(Utf8JsonWriter json, RunRecord child, JsonElement? output)
    {
        json.WriteStartObject();
        json.WriteString("id", child.Id);
        json.WriteString("state", child.State.ToString().ToLowerInvariant());
        if (output is { } value)
        {
            json.WritePropertyName("output");
            value.WriteTo(json);
        }

        if (child.Error is { } error)
        {
            json.WritePropertyName("error");
            JsonSerializer.Serialize(json, error, JournalJson.Default.RunError);
        }

        json.WriteEndObject();
    }

    /// <summary>Jobs that were started together.</summary>
    internal sealed class Group(string address, IReadOnlyList<RunRequest> requests)
    {
        private readonly Lock _lock = new();
        private Task<(int Index, RunRecord Child)?> _last = Task.FromResult<(int, RunRecord)?>(null);
        private IAsyncEnumerator<(int Index, RunRecord Child)>? _ended;

        public string Address => address;

        public IReadOnlyList<RunRequest> Requests => requests;

        /// <summary>The next one that has ended; null when all were given.</summary>
        public Task<(int Index, RunRecord Child)?> NextAsync(Run run, CancellationToken cancellationToken)
        {
            lock (_lock)
            {
                return _last = AfterAsync(_last, run, cancellationToken); // one at a time
            }
        }

        private async Task<(int Index, RunRecord Child)?> AfterAsync(Task before, Run run, CancellationToken cancellationToken)
        {
            await before.ConfigureAwait(false);
            _ended ??= run.ChildrenAsTheyEndAsync(address, requests, cancellationToken).GetAsyncEnumerator(cancellationToken);
            return await _ended.MoveNextAsync().ConfigureAwait(false) ? _ended.Current : null;
        }
    }
}

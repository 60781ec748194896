using System.Runtime.CompilerServices;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Values;

namespace HelixFlow.Agents.Runs;

public sealed partial class Run
{
    private readonly List<RunWait> _waits = []; // also its lock
    private Task _begun = Task.CompletedTask; // when the code has gone as far as it goes by itself: what was recorded does not stop it

    /// <summary>Waits for what somebody tells the run: an approval, a file that has come. The run holds no worker meanwhile.</summary>
    /// <param name="address">The wait's place in the run; used once.</param>
    /// <param name="name">The signal's name.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    /// <exception cref="RunSuspendedException">It is not there yet; the code runs again when it is.</exception>
    public async Task<JsonElement> SignalAsync(string address, string name, CancellationToken cancellationToken)
    {
        if (_rehearsal is not null)
        {
            return JsonElement.Parse(await _rehearsal.SignalAsync(address, name, cancellationToken).ConfigureAwait(false));
        }

        using (_gate.Enter())
        {
            if (await StoragePatience.RepeatAsync(token => _journal.TakeSignalAsync(_lease, name, address, token), _time, cancellationToken).ConfigureAwait(false) is { } body)
            {
                return JsonElement.Parse(body);
            }

            WaitFor(new RunWait(null, [name], [], false));
        }

        throw await SuspendAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Asks people something and waits for the answer. The run holds no worker meanwhile.</summary>
    /// <param name="address">The question's place in the run; used once.</param>
    /// <param name="question">What is to be decided: shown in the run's events and by <see cref="Journal.Journal.QuestionsAsync"/>.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    /// <returns>The answer. It belongs to this very question: asked otherwise at the same address, it has to be answered again.</returns>
    /// <exception cref="RunSuspendedException">There is none yet; the code runs again when there is.</exception>
    public Task<JsonElement> AskAsync(string address, JsonElement question, CancellationToken cancellationToken) => AskAsync(address, question, null, cancellationToken);

    /// <summary>As the other one, but does not wait for ever.</summary>
    /// <param name="address">The question's place in the run; used once.</param>
    /// <param name="question">What is to be decided.</param>
    /// <param name="expiry">How long people are waited for, and what counts then; null for without end.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    /// <returns>The answer; when nobody has given one in time, an object with <c>decision</c> <c>reject</c>, a <c>reason</c> and <c>expired</c>.</returns>
    /// <exception cref="RunSuspendedException">There is none yet; the code runs again when there is, or when the time has passed.</exception>
    /// <exception cref="JobFailedException">Nobody has answered in time, and the job is to fail then: <c>question_expired</c>.</exception>
    public async Task<JsonElement> AskAsync(string address, JsonElement question, QuestionExpiry? expiry, CancellationToken cancellationToken)
    {
        string name = NameOfAnswer(address, question);
        if (_rehearsal is null)
        {
            using (_gate.Enter())
            {
                await WriteAsync(
                    async token =>
                    {
                        string? asked = await _journal.AskAsync(_lease, address, name, question, expiry, token).ConfigureAwait(false);
                        name = asked ?? name;
                        return asked is not null;
                    },
                    cancellationToken).ConfigureAwait(false);
            }
        }

        JsonElement answer = await SignalAsync(address, name, cancellationToken).ConfigureAwait(false);
        return expiry is { Fails: true } && answer.ValueKind == JsonValueKind.Object && answer.TryGetProperty("expired", out JsonElement expired) && expired.ValueKind == JsonValueKind.True
            ? throw new JobFailedException("question_expired", $"Nobody has answered in time what the job asks at {address}.")
            : answer;
    }

    /// <summary>The name of the signal that answers a question.</summary>
    internal static string NameOfAnswer(string address, JsonElement question) => $"answer:{address}:{ActionDigest.HashOf(CanonicalJson.Of(question))[..16]}";

    /// <summary>Waits for a time. The run holds no worker meanwhile.</summary>
    /// <param name="address">The wait's place in the run; used once.</param>
    /// <param name="delay">How long, counted from the first time that the code comes here.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    /// <exception cref="RunSuspendedException">The time has not come; the code runs again when it has.</exception>
    public async Task DelayAsync(string address, TimeSpan delay, CancellationToken cancellationToken)
    {
        using (_gate.Enter())
        {
            long due = await StepAsync(address, Wait, (long)delay.TotalMilliseconds, cancellationToken).ConfigureAwait(false);
            if (JournalNow >= due || _rehearsal is not null)
            {
                return;
            }

            WaitFor(new RunWait(due, [], [], false));
        }

        throw await SuspendAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Has other runs done, at the same time, and waits until all have ended. The run holds no worker meanwhile.</summary>
    /// <param name="address">The children's place in the run; used once. Each child is named after it and its number.</param>
    /// <param name="requests">What is asked for; project, parent and key are set here.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    /// <returns>The children as they ended, in the order of the requests.</returns>
    /// <exception cref="RunSuspendedException">Some have not ended; the code runs again when they have.</exception>
    public async Task<IReadOnlyList<RunRecord>> ChildrenAsync(string address, IReadOnlyList<RunRequest> requests, CancellationToken cancellationToken)
    {
        if (_rehearsal is not null)
        {
            return await _rehearsal.ChildrenAsync(address, requests.Count, cancellationToken).ConfigureAwait(false);
        }

        using (_gate.Enter())
        {
            RunRecord[] children = await AskAllAsync(address, requests, cancellationToken).ConfigureAwait(false);
            if (Array.TrueForAll(children, static child => child.HasEnded))
            {
                return children;
            }

            WaitFor(new RunWait(null, [], [.. children.Where(static child => !child.HasEnded).Select(static child => child.Id)], false));
        }

        throw await SuspendAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Has other runs done, at the same time, and gives each as soon as it has ended: what is done with one waits for no other. The run holds no worker while none has ended.</summary>
    /// <param name="address">The children's place in the run; used once.</param>
    /// <param name="requests">As for <see cref="ChildrenAsync"/>.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    /// <returns>The number of each child among the requests, and the child as it ended, in the order in which they ended: the same each time that the code runs.</returns>
    /// <exception cref="RunSuspendedException">The next one has not ended; the code runs again when one has.</exception>
    public async IAsyncEnumerable<(int Index, RunRecord Child)> ChildrenAsTheyEndAsync(
        string address, IReadOnlyList<RunRequest> requests, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (_rehearsal is not null)
        {
            IReadOnlyList<RunRecord> rehearsed = await _rehearsal.ChildrenAsync(address, requests.Count, cancellationToken).ConfigureAwait(false);
            for (int i = 0; i < rehearsed.Count; i++)
            {
                yield return (i, rehearsed[i]);
            }

            yield break;
        }

        RunRecord[] children;
        using (_gate.Enter())
        {
            children = await AskAllAsync(address, requests, cancellationToken).ConfigureAwait(false);
        }

        var left = Enumerable.Range(0, children.Length).ToHashSet();
        for (int i = 0; i < children.Length; i++)
        {
            int next = await NextEndedAsync($"{address}/ended/{i}", children, left, cancellationToken).ConfigureAwait(false);
            left.Remove(next);
            yield return (next, children[next]);
        }
    }

    // Which one was next is recorded: when the code runs again more have ended.
    private async Task<int> NextEndedAsync(string address, RunRecord[] children, HashSet<int> left, CancellationToken cancellationToken)
    {
        using (_gate.Enter())
        {
            int[] ended = [.. left.Where(child => children[child].HasEnded).OrderBy(child => children[child].EndedAt)];
            if (ended.Length > 0)
            {
                return (int)await StepAsync(address, new StepExecutor<long, long>(
                    "next-ended", 1, EffectClass.Recorded, StepJson.Default.Int64, StepJson.Default.Int64, (_, _, _) => Task.FromResult((long)ended[0])), 0, cancellationToken).ConfigureAwait(false);
            }

            WaitFor(new RunWait(null, [], [.. left.Select(child => children[child].Id)], true));
        }

        throw await SuspendAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Asks for children, or finds those that were asked for.</summary>
    private async Task<RunRecord[]> AskAllAsync(string address, IReadOnlyList<RunRequest> requests, CancellationToken cancellationToken)
    {
        RunStart[] starts = await Task.WhenAll(requests.Select((request, i) => AskAsync(request, $"{address}/{i}", cancellationToken))).ConfigureAwait(false);
        if (Array.Find(starts, static start => start.Kind is RunStartKind.UnknownRun or RunStartKind.UnknownArtifact) is { } unknown)
        {
            throw new JobFailedException("unknown_run", $"At {address} the run {Record.Id} has asked for a run that refers to {unknown.Unknown}, which its project does not have.");
        }

        if (Array.Find(starts, static start => start.Kind == RunStartKind.Conflict) is { Run: { } other })
        {
            throw new ReplayMismatchException($"At {address} the run {Record.Id} has asked for the run {other.Id}, and its code now asks for something else.");
        }

        return [.. starts.Select(static start => start.Run!)];
    }

    // The key holds the input: a run that is tried anew with another input asks for other children.
    private Task<RunStart> AskAsync(RunRequest request, string address, CancellationToken cancellationToken)
    {
        RunRequest child = request with
        {
            Project = Record.Project, Parent = Record.Id, ParentAddress = address, Key = KeyOfChild(Record, address), Priority = Record.Priority,
        };
        return StoragePatience.RepeatAsync(token => _journal.RequestAsync(child, token), _time, cancellationToken);
    }

    /// <summary>Under which key a run has asked for a child.</summary>
    internal static string KeyOfChild(RunRecord run, string address) => $"{run.Id}/{ValueReference.HashOf(run.Input)[..16]}/{address}";

    /// <summary>Notes what the run waits for. Called within the gate, so that whoever closes it knows of all waits that have begun.</summary>
    private void WaitFor(RunWait wait)
    {
        lock (_waits)
        {
            _waits.Add(wait);
        }
    }

    /// <summary>Runs a job type's code. Waits that it begins together, before it awaits any of them, are all known when the first lets go of the worker.</summary>
    internal async Task<JsonElement> DoAsync(Func<Run, CancellationToken, Task<JsonElement>> code, CancellationToken cancellationToken)
    {
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _begun = begun.Task;
        Task<JsonElement> work;
        try
        {
            work = code(this, cancellationToken);
        }
        finally
        {
            begun.SetResult();
        }

        return await work.ConfigureAwait(false);
    }

    /// <summary>Lets go of the worker when no step is under way, for all that is waited for by then; what it returns is to be thrown.</summary>
    private async Task<RunSuspendedException> SuspendAsync(CancellationToken cancellationToken)
    {
        await _begun.ConfigureAwait(false);
        await _gate.CloseAsync(cancellationToken).ConfigureAwait(false);
        RunWait wait;
        lock (_waits)
        {
            wait = RunWait.Of(_waits);
        }

        await WriteAsync(token => _journal.SuspendAsync(_lease, wait, token), _held).ConfigureAwait(false);
        return new RunSuspendedException(Record.Id);
    }

    private StepExecutor<long, long> Wait => new("wait", 1, EffectClass.Recorded, StepJson.Default.Int64, StepJson.Default.Int64,
        (delay, _, _) => Task.FromResult(JournalNow + delay));
}

[System.Text.Json.Serialization.JsonSerializable(typeof(long))]
internal sealed partial class StepJson : System.Text.Json.Serialization.JsonSerializerContext;

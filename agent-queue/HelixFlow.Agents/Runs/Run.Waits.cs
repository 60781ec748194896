using System.Text.Json;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Runs;

public sealed partial class Run
{
    /// <summary>Waits for what somebody tells the run: an approval, a file that has come. The run holds no worker meanwhile.</summary>
    /// <param name="address">The wait's place in the run; used once.</param>
    /// <param name="name">The signal's name.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    /// <exception cref="RunSuspendedException">It is not there yet; the code runs again when it is.</exception>
    public async Task<JsonElement> SignalAsync(string address, string name, CancellationToken cancellationToken)
    {
        if (await _journal.TakeSignalAsync(_lease, name, address, cancellationToken).ConfigureAwait(false) is { } body)
        {
            return JsonElement.Parse(body);
        }

        Require(await _journal.SuspendAsync(_lease, null, name, [], cancellationToken).ConfigureAwait(false));
        throw new RunSuspendedException(Record.Id);
    }

    /// <summary>Waits for a time. The run holds no worker meanwhile.</summary>
    /// <param name="address">The wait's place in the run; used once.</param>
    /// <param name="delay">How long, counted from the first time that the code comes here.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    /// <exception cref="RunSuspendedException">The time has not come; the code runs again when it has.</exception>
    public async Task DelayAsync(string address, TimeSpan delay, CancellationToken cancellationToken)
    {
        long due = await StepAsync(address, Wait, (long)delay.TotalMilliseconds, cancellationToken).ConfigureAwait(false);
        if (_time.GetUtcNow().ToUnixTimeMilliseconds() < due)
        {
            Require(await _journal.SuspendAsync(_lease, due, null, [], cancellationToken).ConfigureAwait(false));
            throw new RunSuspendedException(Record.Id);
        }
    }

    /// <summary>Has other runs done, at the same time, and waits until all have ended. The run holds no worker meanwhile.</summary>
    /// <param name="address">The children's place in the run; used once. Each child is named after it and its number.</param>
    /// <param name="requests">What is asked for; project, parent and key are set here.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    /// <returns>The children as they ended, in the order of the requests.</returns>
    /// <exception cref="RunSuspendedException">Some have not ended; the code runs again when they have.</exception>
    public async Task<IReadOnlyList<RunRecord>> ChildrenAsync(string address, IReadOnlyList<RunRequest> requests, CancellationToken cancellationToken)
    {
        RunStart[] starts = await Task.WhenAll(requests.Select((request, i) => _journal.RequestAsync(
            request with { Project = Record.Project, Parent = Record.Id, ParentAddress = $"{address}/{i}", Key = $"{Record.Id}/{address}/{i}", Priority = Record.Priority },
            cancellationToken))).ConfigureAwait(false);
        if (Array.Find(starts, static start => start.Kind == RunStartKind.Conflict) is { Run: { } other })
        {
            throw new ReplayMismatchException($"At {address} the run {Record.Id} has asked for the run {other.Id}, and its code now asks for something else.");
        }

        RunRecord[] children = [.. starts.Select(static start => start.Run!)];
        if (!Array.TrueForAll(children, static child => child.HasEnded))
        {
            Require(await _journal.SuspendAsync(_lease, null, null, [.. children.Select(static child => child.Id)], cancellationToken).ConfigureAwait(false));
            throw new RunSuspendedException(Record.Id);
        }

        return children;
    }

    private StepExecutor<long, long> Wait => new("wait", 1, EffectClass.Recorded, StepJson.Default.Int64, StepJson.Default.Int64,
        (delay, _, _) => Task.FromResult(_time.GetUtcNow().ToUnixTimeMilliseconds() + delay));
}

[System.Text.Json.Serialization.JsonSerializable(typeof(long))]
internal sealed partial class StepJson : System.Text.Json.Serialization.JsonSerializerContext;

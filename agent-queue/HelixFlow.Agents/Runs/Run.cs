using System.Collections.Concurrent;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Values;

namespace HelixFlow.Agents.Runs;

/// <summary>A run, to the code of its job type. Its steps are recorded: when the code runs again they return what they had returned.</summary>
/// <remarks>
/// Addresses name steps within the run: they come from the code's structure and its data (<c>section/3</c>), never from chance or from the order in
/// which steps end. Steps may run at the same time. The lookups are those of a memoised journal: first what this run has recorded at the address, then,
/// for pure steps, what any run of the project has recorded for the same action; only then the step is executed.
/// </remarks>
public sealed partial class Run
{
    private const int MostAdopted = 512;

    private readonly IRunJournal _journal;
    private readonly Lease _lease;
    private readonly Dictionary<string, StepRecord> _recorded; // never changed
    private readonly ConcurrentDictionary<string, bool> _underWay;
    private readonly ConcurrentQueue<StepUsage> _used = new();
    private readonly TimeProvider _time;
    private readonly CancellationToken _held;
    private readonly StepGate _gate;
    private readonly Rehearsal? _rehearsal;
    private readonly long _openedAt;
    private readonly Lock _adoptedLock = new();
    private List<StepRecord> _adopted = []; // taken from another run; written before anything else is, as they can be found again until then

    private Run(
        IRunJournal journal, Claim claim, JsonElement input, Dictionary<string, StepRecord> recorded, TimeProvider time, CancellationToken held, Rehearsal? rehearsal = null)
    {
        _rehearsal = rehearsal;
        _journal = journal;
        _lease = claim.Lease;
        _held = held;
        _gate = new StepGate(claim.Run.Id);
        _recorded = recorded;
        _underWay = new ConcurrentDictionary<string, bool>(Environment.ProcessorCount, Math.Max(16, recorded.Count), StringComparer.Ordinal);
        _time = time;
        _openedAt = time.GetTimestamp();
        Record = claim.Run;
        Input = input;
    }

    /// <summary>The run as it was when it was claimed.</summary>
    public RunRecord Record { get; }

    /// <summary>Its input.</summary>
    public JsonElement Input { get; }

    /// <summary>Steps that were executed by this object, not taken from a record.</summary>
    public int Executed => _executed;

    /// <summary>What those steps have used of models, whether it could be recorded or not.</summary>
    internal IReadOnlyCollection<StepUsage> Used => _used;

    private int _executed;

    // The clock of the journal, which may be another machine's: it is what the claim was stamped with.
    private long JournalNow => Record.StartedAt + (long)_time.GetElapsedTime(_openedAt).TotalMilliseconds;

    /// <summary>Makes the object with which a claimed run's code works.</summary>
    /// <param name="journal">Where it is recorded.</param>
    /// <param name="claim">The run and its lease.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Cancelled when the lease has ended: until then a write that the database cannot take is repeated.</param>
    public static Task<Run> OpenAsync(IRunJournal journal, Claim claim, TimeProvider time, CancellationToken cancellationToken) =>
        OpenAsync(journal, claim, time, cancellationToken, cancellationToken);

    /// <summary>As the other one; what was done is recorded while the lease is held, although the code was told to end.</summary>
    internal static async Task<Run> OpenAsync(IRunJournal journal, Claim claim, TimeProvider time, CancellationToken held, CancellationToken cancellationToken)
    {
        byte[] input = claim.Input ??
            await StoragePatience.RepeatAsync(token => journal.ReadAsync(claim.Run.Input, token), time, cancellationToken).ConfigureAwait(false);
        bool isNew = claim.Run is { Fence: 1, IsFork: false }; // claimed for the first time, and with nothing to take over
        Dictionary<string, StepRecord> recorded = isNew ? new Dictionary<string, StepRecord>(StringComparer.Ordinal) : await StoragePatience.RepeatAsync(
            token => journal.LoadStepsAsync(claim.Lease, token), time, cancellationToken).ConfigureAwait(false);
        return new Run(journal, claim, JsonElement.Parse(input), recorded, time, held);
    }

    /// <summary>Makes the object with which a run's code is followed that writes nothing: its lease is none, so that the journal would refuse it.</summary>
    internal static Run Rehearse(Journal.Journal journal, JsonElement input, Rehearsal rehearsal, TimeProvider time) =>
        new(journal, new Claim(new Lease(0, rehearsal.Source.Id, 0, ""), rehearsal.Source, null), input, [], time, CancellationToken.None, rehearsal);

    /// <summary>Does a step, or returns what it had returned.</summary>
    /// <param name="address">Its place in the run; used once.</param>
    /// <param name="executor">What it does.</param>
    /// <param name="input">What it does it with.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="LeaseLostException">The run is another worker's now.</exception>
    /// <exception cref="ReplayMismatchException">Another step was recorded at this address.</exception>
    public Task<TOutput> StepAsync<TInput, TOutput>(string address, StepExecutor<TInput, TOutput> executor, TInput input, CancellationToken cancellationToken)
    {
        byte[] canonical = CanonicalJson.OfOwned(JsonSerializer.SerializeToUtf8Bytes(input, executor.Input));
        string digest = ActionDigest.OfStep(executor.Name, executor.Version, canonical, Record.Project);

        // Nearly all steps of a run that runs again: nothing is waited for.
        return _recorded.TryGetValue(address, out StepRecord? known) && known is { Content: not null, Source: not StepSource.Fork } && known.Digest == digest
            && _rehearsal is null && !_gate.IsClosed && !cancellationToken.IsCancellationRequested && _underWay.TryAdd(address, true)
            ? Task.FromResult(JsonSerializer.Deserialize(known.Content, executor.Output)!)
            : StepAsync(address, executor, input, canonical, digest, cancellationToken);
    }

    private async Task<TOutput> StepAsync<TInput, TOutput>(
        string address, StepExecutor<TInput, TOutput> executor, TInput input, byte[] canonical, string digest, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Claim(address);
        if (_rehearsal is not null)
        {
            byte[] known = await _rehearsal.StepAsync(address, executor.Name, executor.Version, executor.Effect, canonical, cancellationToken).ConfigureAwait(false);
            return JsonSerializer.Deserialize(known, executor.Output)!;
        }

        using (_gate.Enter())
        {
            byte[] output = await FindAsync(address, executor.Name, executor.Effect, digest, cancellationToken).ConfigureAwait(false) ??
                await ExecuteAsync(address, executor, digest, input, cancellationToken).ConfigureAwait(false);
            return JsonSerializer.Deserialize(output, executor.Output)!; // also what was executed now: as it will be read when the code runs again
        }
    }

    /// <summary>Tells how far the run is.</summary>
    /// <param name="percent">0 to 100.</param>
    /// <param name="message">What it does now, for people.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    public Task ReportAsync(int percent, string? message, CancellationToken cancellationToken) =>
        _rehearsal is not null ? Task.CompletedTask : WriteAsync(token => _journal.ProgressAsync(_lease, percent, message, null, token), cancellationToken);

    /// <summary>Tells how far the run is, with a part of the result: a value that those who watch can read while the run goes on.</summary>
    /// <param name="percent">0 to 100.</param>
    /// <param name="message">What it does now, for people.</param>
    /// <param name="partial">The part; kept as long as the run.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    public Task ReportAsync(int percent, string? message, JsonElement partial, CancellationToken cancellationToken)
    {
        byte[] part = CanonicalJson.Of(partial);
        return _rehearsal is not null ? Task.CompletedTask : WriteAsync(token => _journal.ProgressAsync(_lease, percent, message, part, token), cancellationToken);
    }

    private async Task<byte[]> ExecuteAsync<TInput, TOutput>(
        string address, StepExecutor<TInput, TOutput> executor, string digest, TInput input, CancellationToken cancellationToken)
    {
        long startedAt = JournalNow;
        await FlushAsync().ConfigureAwait(false); // what was found elsewhere is referred to before this step takes its time
        if (executor.Effect is EffectClass.Unsafe)
        {
            await BeginAsync(address, digest, executor.Effect, cancellationToken).ConfigureAwait(false);
        }

        TOutput output;
        try
        {
            Interlocked.Increment(ref _executed);
            output = await executor.Execute(input, new StepContext(Record.Id, Record.Project, address, $"{Record.Id}/{address}"), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            if (executor.Effect != EffectClass.Unsafe || exception is StepHadNoEffectException)
            {
                var error = new RunError("step_failed", exception.Message);
                await WriteAsync(token => _journal.FailStepAsync(_lease, address, digest, error, token), _held).ConfigureAwait(false);
            }

            throw;
        }

        // What was done is recorded even when the code is told to end at this moment: it must not be done again.
        byte[] result = CanonicalJson.OfOwned(JsonSerializer.SerializeToUtf8Bytes(output, executor.Output));
        var step = new StepRecord(address, digest, executor.Effect, StepState.Succeeded, null, StepSource.Executed, startedAt, 0) { Usage = executor.Usage?.Invoke(input, output) };
        if (step.Usage is { } usage)
        {
            _used.Enqueue(usage);
        }

        await RecordAsync(step, result).ConfigureAwait(false);
        return result;
    }

    private void Claim(string address)
    {
        if (!_underWay.TryAdd(address, true))
        {
            throw new InvalidOperationException($"Two steps of the run {Record.Id} have the address {address}.");
        }
    }

    private async Task BeginAsync(string address, string digest, EffectClass effect, CancellationToken cancellationToken)
    {
        long asked = _time.GetTimestamp();
        await WriteAsync(token => _journal.BeginStepAsync(_lease, address, digest, effect, token), cancellationToken).ConfigureAwait(false);

        // A process that was paused meanwhile may have lost the run before it knows: the effect must not begin then.
        if (_time.GetElapsedTime(asked).TotalMilliseconds > Record.Options.LeaseMs / 3.0)
        {
            await WriteAsync(async token => await _journal.ExtendAsync(_lease, token).ConfigureAwait(false) != LeaseState.Lost, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<byte[]?> FindAsync(string address, string executor, EffectClass effect, string digest, CancellationToken cancellationToken)
    {
        if (Known(address, executor, digest) is { Output: { } output } known)
        {
            if (known.Source == StepSource.Fork)
            {
                await AdoptAsync(known).ConfigureAwait(false);
            }

            return known.Content ?? await ReadAsync(output, cancellationToken).ConfigureAwait(false);
        }

        if (effect == EffectClass.Pure && await StoragePatience.RepeatAsync(
            token => _journal.FindCachedAsync(Record.Project, digest, token), _time, cancellationToken).ConfigureAwait(false) is { } cached)
        {
            await AdoptAsync(new StepRecord(address, digest, effect, StepState.Succeeded, cached, StepSource.Cache, JournalNow, 0)).ConfigureAwait(false);
            return await ReadAsync(cached, cancellationToken).ConfigureAwait(false);
        }

        return null;
    }

    /// <summary>What was recorded of an action at an address, in this run or in the one from which it was forked; null when there is nothing that fits.</summary>
    private StepRecord? Known(string address, string executor, string digest)
    {
        if (!_recorded.TryGetValue(address, out StepRecord? known))
        {
            return null;
        }

        if (known.Digest == digest)
        {
            return known.Output is not null ? known
                : throw new InvalidOperationException($"What became of the step {address} of the run {Record.Id} is not known: it must be decided before the run goes on.");
        }

        return known.Source == StepSource.Fork ? null : throw new ReplayMismatchException(
            $"At {address} the run {Record.Id} has recorded the action {known.Digest[..12]}, and its code now asks for {executor} as {digest[..12]}. " +
            "The code or its version was changed while the run was under way, or depends on something besides its input and its steps. " +
            "Fork the run from this step to go on with the new code.");
    }

    private Task RecordAsync(StepRecord step, byte[] output)
    {
        (string, long)? cacheFor = step is { Class: EffectClass.Pure, Source: StepSource.Executed } ? (Record.Project, 0) : null;
        return WriteAsync(token => _journal.RecordStepAsync(_lease, step, output, cacheFor, token), _held);
    }

    private Task<byte[]> ReadAsync(string hash, CancellationToken cancellationToken) =>
        StoragePatience.RepeatAsync(token => _journal.ReadAsync(hash, token), _time, cancellationToken);

    private async Task AdoptAsync(StepRecord step)
    {
        bool isFull;
        lock (_adoptedLock)
        {
            _adopted.Add(step);
            isFull = _adopted.Count >= MostAdopted;
        }

        if (isFull)
        {
            await FlushAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Records the steps that were taken from other runs.</summary>
    internal async Task FlushAsync()
    {
        List<StepRecord> adopted;
        lock (_adoptedLock)
        {
            adopted = _adopted;
            _adopted = adopted.Count > 0 ? [] : adopted;
        }

        if (adopted.Count > 0)
        {
            await RequireAsync(token => _journal.AdoptStepsAsync(_lease, adopted, token), _held).ConfigureAwait(false);
        }
    }

    /// <summary>Writes under the lease, after what waits to be written.</summary>
    private async Task WriteAsync(Func<CancellationToken, Task<bool>> write, CancellationToken cancellationToken)
    {
        await FlushAsync().ConfigureAwait(false);
        await RequireAsync(write, cancellationToken).ConfigureAwait(false);
    }

    // Again when the database could not take it.
    private async Task RequireAsync(Func<CancellationToken, Task<bool>> write, CancellationToken cancellationToken)
    {
        if (!await StoragePatience.RepeatAsync(write, _time, cancellationToken).ConfigureAwait(false))
        {
            throw new LeaseLostException(Record.Id);
        }
    }
}

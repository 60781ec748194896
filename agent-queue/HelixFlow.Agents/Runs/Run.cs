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
    private readonly Journal.Journal _journal;
    private readonly Lease _lease;
    private readonly ConcurrentDictionary<string, StepRecord> _recorded;
    private readonly ConcurrentDictionary<string, bool> _underWay = new(StringComparer.Ordinal);
    private readonly TimeProvider _time;

    private Run(Journal.Journal journal, Claim claim, JsonElement input, Dictionary<string, StepRecord> recorded, TimeProvider time)
    {
        _journal = journal;
        _lease = claim.Lease;
        _recorded = new ConcurrentDictionary<string, StepRecord>(recorded, StringComparer.Ordinal);
        _time = time;
        Record = claim.Run;
        Input = input;
    }

    /// <summary>The run as it was when it was claimed.</summary>
    public RunRecord Record { get; }

    /// <summary>Its input.</summary>
    public JsonElement Input { get; }

    /// <summary>Steps that were executed by this object, not taken from a record.</summary>
    public int Executed => _executed;

    private int _executed;

    /// <summary>Makes the object with which a claimed run's code works.</summary>
    public static async Task<Run> OpenAsync(Journal.Journal journal, Claim claim, TimeProvider time, CancellationToken cancellationToken)
    {
        byte[] input = claim.Input ?? await journal.ReadAsync(claim.Run.Input, cancellationToken).ConfigureAwait(false);
        Dictionary<string, StepRecord> recorded = await journal.LoadStepsAsync(claim.Lease, cancellationToken).ConfigureAwait(false);
        using var document = JsonDocument.Parse(input);
        return new Run(journal, claim, document.RootElement.Clone(), recorded, time);
    }

    /// <summary>Does a step, or returns what it had returned.</summary>
    /// <param name="address">Its place in the run; used once.</param>
    /// <param name="executor">What it does.</param>
    /// <param name="input">What it does it with.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="LeaseLostException">The run is another worker's now.</exception>
    /// <exception cref="ReplayMismatchException">Another step was recorded at this address.</exception>
    public async Task<TOutput> StepAsync<TInput, TOutput>(string address, StepExecutor<TInput, TOutput> executor, TInput input, CancellationToken cancellationToken)
    {
        if (!_underWay.TryAdd(address, true))
        {
            throw new InvalidOperationException($"Two steps of the run {Record.Id} have the address {address}.");
        }

        byte[] canonical = CanonicalJson.Of(JsonSerializer.SerializeToElement(input, executor.Input));
        string digest = new ActionDigest(
            executor.Name, executor.Version, new Dictionary<string, string> { ["input"] = ActionDigest.HashOf(canonical) }, "", Record.Project).Hash();
        if (await FindAsync(address, executor.Name, executor.Effect, digest, cancellationToken).ConfigureAwait(false) is { } known)
        {
            return Read(known, executor);
        }

        long startedAt = _time.GetUtcNow().ToUnixTimeMilliseconds();
        if (executor.Effect is EffectClass.Unsafe)
        {
            Require(await _journal.BeginStepAsync(_lease, address, digest, executor.Effect, cancellationToken).ConfigureAwait(false));
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
                Require(await _journal.FailStepAsync(_lease, address, digest, error, cancellationToken).ConfigureAwait(false));
            }

            throw;
        }

        byte[] result = CanonicalJson.Of(JsonSerializer.SerializeToElement(output, executor.Output));
        var step = new StepRecord(address, digest, executor.Effect, StepState.Succeeded, null, StepSource.Executed, startedAt, 0);
        await RecordAsync(step, result, cancellationToken).ConfigureAwait(false);
        return Read(result, executor); // as it will be read when the code runs again
    }

    /// <summary>Tells how far the run is.</summary>
    /// <param name="percent">0 to 100.</param>
    /// <param name="message">What it does now, for people.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    public async Task ReportAsync(int percent, string? message, CancellationToken cancellationToken) =>
        Require(await _journal.ProgressAsync(_lease, percent, message, null, cancellationToken).ConfigureAwait(false));

    private async Task<byte[]?> FindAsync(string address, string executor, EffectClass effect, string digest, CancellationToken cancellationToken)
    {
        if (_recorded.TryGetValue(address, out StepRecord? known))
        {
            if (known.Digest == digest)
            {
                byte[] output = await _journal.ReadAsync(known.Output!, cancellationToken).ConfigureAwait(false);
                if (known.Source == StepSource.Fork)
                {
                    await RecordAsync(known with { Source = StepSource.Fork }, output, cancellationToken).ConfigureAwait(false);
                }

                return output;
            }

            if (known.Source != StepSource.Fork)
            {
                throw new ReplayMismatchException(
                    $"At {address} the run {Record.Id} has recorded the action {known.Digest[..12]}, and its code now asks for {executor} as {digest[..12]}. " +
                    "The code or its version was changed while the run was under way. Fork the run from this step to go on with the new code.");
            }
        }

        if (effect == EffectClass.Pure && await _journal.FindCachedAsync(Record.Project, digest, cancellationToken).ConfigureAwait(false) is { } cached)
        {
            byte[] output = await _journal.ReadAsync(cached, cancellationToken).ConfigureAwait(false);
            long now = _time.GetUtcNow().ToUnixTimeMilliseconds();
            await RecordAsync(new StepRecord(address, digest, effect, StepState.Succeeded, null, StepSource.Cache, now, 0), output, cancellationToken).ConfigureAwait(false);
            return output;
        }

        return null;
    }

    private async Task RecordAsync(StepRecord step, byte[] output, CancellationToken cancellationToken)
    {
        (string, long)? cacheFor = step is { Class: EffectClass.Pure, Source: StepSource.Executed } ? (Record.Project, 0) : null;
        Require(await _journal.RecordStepAsync(_lease, step, output, cacheFor, cancellationToken).ConfigureAwait(false));
    }

    private void Require(bool isHeld)
    {
        if (!isHeld)
        {
            throw new LeaseLostException(Record.Id);
        }
    }

    private static TOutput Read<TInput, TOutput>(byte[] output, StepExecutor<TInput, TOutput> executor) => JsonSerializer.Deserialize(output, executor.Output)!;
}

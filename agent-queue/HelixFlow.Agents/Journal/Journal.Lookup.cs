using HelixFlow.Agents.Values;

namespace HelixFlow.Agents.Journal;

/// <summary>What a worker is to do about a step.</summary>
public enum StepAnswerKind
{
    /// <summary>Do it, then record it.</summary>
    Execute,

    /// <summary>Nothing: this is its output.</summary>
    Recorded,

    /// <summary>Another action was recorded at its address: the code was changed while the run was under way.</summary>
    Mismatch,

    /// <summary>Nobody knows what became of it, and it must not be repeated.</summary>
    InDoubt,

    /// <summary>Stop: the run is another worker's.</summary>
    Lost,
}

/// <summary>What a worker is to do about a step.</summary>
/// <param name="Kind">What.</param>
/// <param name="Output">What refers to its output, when it was recorded.</param>
/// <param name="Content">The output itself, unless it is large.</param>
/// <param name="Recorded">Digest of the action that was recorded at the address.</param>
public sealed record StepAnswer(StepAnswerKind Kind, string? Output = null, byte[]? Content = null, string? Recorded = null);

public sealed partial class Journal
{
    /// <summary>
    /// Looks a step up as <see cref="Runs.Run"/> does, in one transaction, for workers that do not do it themselves: in the run, in the one from which it was
    /// forked, among the project's pure steps. What was found elsewhere is recorded in the run. When an unsafe step is to be executed, that is recorded too.
    /// </summary>
    /// <param name="lease">The attempt's lease.</param>
    /// <param name="address">The step's place in the run.</param>
    /// <param name="digest">What it does.</param>
    /// <param name="effect">What repeating it would do.</param>
    /// <param name="adopts">Whether what other runs have recorded will do.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    public Task<StepAnswer> AskStepAsync(Lease lease, string address, string digest, EffectClass effect, bool adopts, CancellationToken cancellationToken) => WriteAsync(
        change =>
        {
            if (change.Held(lease) is not { } run)
            {
                return new StepAnswer(StepAnswerKind.Lost);
            }

            if (Own(change, run, address) is { } own)
            {
                return own.Step.Digest != digest ? new StepAnswer(StepAnswerKind.Mismatch, Recorded: own.Step.Digest)
                    : own.Step.Output is { } output ? new StepAnswer(StepAnswerKind.Recorded, output, Inline(change, output))
                    : new StepAnswer(own.Fence == lease.Fence ? StepAnswerKind.Execute : StepAnswerKind.InDoubt); // the answer to the first question was lost
            }

            if (adopts && (FromFork(change, run, address, digest) ?? FromCache(change, run, address, digest, effect)) is { } found)
            {
                Record(change, run, found, null, found.Output!, null);
                change.Save(run);
                return new StepAnswer(StepAnswerKind.Recorded, found.Output, Inline(change, found.Output!));
            }

            if (effect == EffectClass.Unsafe)
            {
                Begin(change, run, address, digest, effect);
            }

            return new StepAnswer(StepAnswerKind.Execute);
        },
        cancellationToken);

    /// <summary>The project of a run whose lease holds; null when it is lost.</summary>
    public Task<string?> ProjectOfAsync(Lease lease, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.First("select project from runs where number = $1 and fence = $2 and state = 2", static row => row.GetString(0), lease.Run, lease.Fence), cancellationToken);

    /// <summary>A value that is kept in the database; null for one in the store.</summary>
    private static byte[]? Inline(Change change, string reference) => ValueReference.ValueOf(reference)
        ?? change.Session.First("select content from blobs where hash = $1", static row => row.IsDBNull(0) ? null : row.GetFieldValue<byte[]>(0), reference);

    private static (StepRecord Step, long Fence)? Own(Change change, RunRecord run, string address)
    {
        List<(StepRecord, long)> found = change.Session.Query(
            $"select {StepColumns}, fence from steps where run = $1 and address = $2", static row => (ReadStep(row), row.GetInt64(8)), run.Number, address);
        return found.Count > 0 ? found[0] : null;
    }

    private static StepRecord? FromFork(Change change, RunRecord run, string address, string digest) => !run.IsFork ? null : change.Session.First(
        $"""
        select {StepColumns} from steps where run = (select forked_from from runs where number = $1) and address = $2 and digest = $3 and state = 1 and class in (1, 2, 3)
          and ((select fork_limit from runs where number = $1) = 0 or seq < (select fork_limit from runs where number = $1))
        """,
        ReadStep, run.Number, address, digest) is { } step ? step with { Source = StepSource.Fork } : null;

    private static StepRecord? FromCache(Change change, RunRecord run, string address, string digest, EffectClass effect) => effect != EffectClass.Pure ? null : change.Session.First(
        "select output from cache where namespace = $1 and digest = $2 and (expires_at = 0 or expires_at > $3)", static row => row.GetString(0), run.Project, digest, change.Now)
        is { } output ? new StepRecord(address, digest, effect, StepState.Succeeded, output, StepSource.Cache, change.Now, 0) : null;
}

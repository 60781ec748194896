using System.Text.Json;
#pragma warning disable CA1716 // words of Visual Basic are good names of parameters here
namespace HelixFlow.Agents.Journal;

/// <summary>What a worker needs of a journal, which is in its own process or at the other end of a connection.</summary>
/// <remarks>
/// All members may be called from any thread. Every write checks the lease's fence; false means that the run is another worker's. A call that fails
/// with a <see cref="Storage.StorageException"/> of <see cref="Storage.StorageFailure.Unavailable"/> may be repeated: none does its work twice.
/// </remarks>
public interface IRunJournal
{
    /// <inheritdoc cref="Journal.Ready" />
    event Action<string>? Ready;

    /// <inheritdoc cref="Journal.Cancelling" />
    event Action<string>? Cancelling;

    /// <inheritdoc cref="Journal.EnterAsync" />
    Task EnterAsync(WorkerEntry worker, IReadOnlyCollection<JobTypeEntry> types, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.LeaveAsync(string, CancellationToken)" />
    Task<int> LeaveAsync(string worker, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.ClaimAsync(string, IReadOnlyDictionary{string, int}, int, CancellationToken)" />
    Task<IReadOnlyList<Claim>> ClaimAsync(string worker, IReadOnlyDictionary<string, int> types, int most, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.ExtendAsync" />
    Task<LeaseState> ExtendAsync(Lease lease, CancellationToken cancellationToken);

    /// <summary>Does what is due in the journal; one elsewhere does it by itself. The result is whether there may be more to do at once.</summary>
    Task<bool> TickAsync(int most, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.ReadAsync" />
    Task<byte[]> ReadAsync(string reference, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.LoadStepsAsync" />
    Task<Dictionary<string, StepRecord>> LoadStepsAsync(Lease lease, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.FindCachedAsync" />
    Task<string?> FindCachedAsync(string ns, string digest, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.BeginStepAsync" />
    Task<bool> BeginStepAsync(Lease lease, string address, string digest, EffectClass effect, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.RecordStepAsync" />
    Task<bool> RecordStepAsync(Lease lease, StepRecord step, byte[] output, (string Namespace, long ExpiresAt)? cacheFor, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.AdoptStepsAsync" />
    Task<bool> AdoptStepsAsync(Lease lease, IReadOnlyList<StepRecord> steps, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.DraftAsync" />
    Task<ContentDraft> DraftAsync(Stream content, long maxBytes, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.RecordArtifactAsync" />
    Task<bool> RecordArtifactAsync(Lease lease, StepRecord step, Artifact file, ContentDraft content, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.FindValueAsync" />
    Task<FoundValue?> FindValueAsync(string project, string id, string hash, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.FindArtifactAsync" />
    Task<Artifact?> FindArtifactAsync(string project, string id, string name, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.FailStepAsync" />
    Task<bool> FailStepAsync(Lease lease, string address, string digest, RunError error, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.ProgressAsync" />
    Task<bool> ProgressAsync(Lease lease, int percent, string? message, ReadOnlyMemory<byte>? partial, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.TakeSignalAsync" />
    Task<string?> TakeSignalAsync(Lease lease, string name, string address, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.RequestAsync" />
    Task<RunStart> RequestAsync(RunRequest request, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.AskAsync" />
    Task<string?> AskAsync(Lease lease, string address, string signal, JsonElement question, QuestionExpiry? expiry, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.SuspendAsync(Lease, RunWait, CancellationToken)" />
    Task<bool> SuspendAsync(Lease lease, RunWait wait, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.SucceedAsync" />
    Task<bool> SucceedAsync(Lease lease, ReadOnlyMemory<byte> output, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.FailAsync" />
    Task<bool> FailAsync(Lease lease, RunError error, bool isFinal, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.CancelledAsync" />
    Task<bool> CancelledAsync(Lease lease, CancellationToken cancellationToken);

    /// <inheritdoc cref="Journal.ReleaseAsync" />
    Task<bool> ReleaseAsync(Lease lease, CancellationToken cancellationToken);
}

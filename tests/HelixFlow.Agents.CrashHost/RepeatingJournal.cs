using System.Text.Json;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.CrashHost;

/// <summary>
/// A journal whose client sends many of its calls twice, as one does that did not get an answer: the second time at once, or when other calls have been made meanwhile.
/// </summary>
/// <param name="journal">Where the calls go.</param>
/// <param name="percent">How many are sent twice. 0 to 100.</param>
/// <param name="random">Says which.</param>
/// <param name="repeated">Called for each that is.</param>
internal sealed class RepeatingJournal(IRunJournal journal, int percent, Random random, Action repeated) : IRunJournal
{
    private const int MostLate = 64;

    private readonly List<Func<Task>> _late = []; // also its lock and that of the random numbers
    private int _callsLeft = -1;
    private bool _isBefore;

    public event Action<string>? Ready
    {
        add => journal.Ready += value;
        remove => journal.Ready -= value;
    }

    public event Action<string>? Cancelling
    {
        add => journal.Cancelling += value;
        remove => journal.Cancelling -= value;
    }

    /// <summary>The process dies at this call from now on: before it is sent, or when its answer has come.</summary>
    public void Arm(int calls, bool isBefore)
    {
        _isBefore = isBefore;
        Volatile.Write(ref _callsLeft, calls);
    }

    public Task EnterAsync(WorkerEntry worker, IReadOnlyCollection<JobTypeEntry> types, CancellationToken cancellationToken) => journal.EnterAsync(worker, types, cancellationToken);

    public Task<int> LeaveAsync(string worker, CancellationToken cancellationToken) => journal.LeaveAsync(worker, cancellationToken);

    public Task<IReadOnlyList<Claim>> ClaimAsync(string worker, IReadOnlyDictionary<string, int> types, int most, CancellationToken cancellationToken) =>
        journal.ClaimAsync(worker, types, most, cancellationToken);

    public Task<LeaseState> ExtendAsync(Lease lease, CancellationToken cancellationToken) => TwiceAsync(token => journal.ExtendAsync(lease, token), cancellationToken);

    public Task<bool> TickAsync(int most, CancellationToken cancellationToken) => journal.TickAsync(most, cancellationToken);

    public Task<byte[]> ReadAsync(string hash, CancellationToken cancellationToken) => journal.ReadAsync(hash, cancellationToken);

    public Task<Dictionary<string, StepRecord>> LoadStepsAsync(Lease lease, CancellationToken cancellationToken) => journal.LoadStepsAsync(lease, cancellationToken);

    public Task<string?> FindCachedAsync(string ns, string digest, CancellationToken cancellationToken) => journal.FindCachedAsync(ns, digest, cancellationToken);

    public Task<bool> BeginStepAsync(Lease lease, string address, string digest, EffectClass effect, CancellationToken cancellationToken) =>
        TwiceAsync(token => journal.BeginStepAsync(lease, address, digest, effect, token), cancellationToken);

    public Task<bool> RecordStepAsync(Lease lease, StepRecord step, byte[] output, (string Namespace, long ExpiresAt)? cacheFor, CancellationToken cancellationToken) =>
        TwiceAsync(token => journal.RecordStepAsync(lease, step, output, cacheFor, token), cancellationToken);

    public Task<bool> AdoptStepsAsync(Lease lease, IReadOnlyList<StepRecord> steps, CancellationToken cancellationToken) =>
        TwiceAsync(token => journal.AdoptStepsAsync(lease, steps, token), cancellationToken);

    public Task<ContentDraft> DraftAsync(Stream content, long maxBytes, CancellationToken cancellationToken) => journal.DraftAsync(content, maxBytes, cancellationToken);

    public Task<bool> RecordArtifactAsync(Lease lease, StepRecord step, Artifact file, ContentDraft content, CancellationToken cancellationToken) =>
        journal.RecordArtifactAsync(lease, step, file, content, cancellationToken);

    public Task<FoundValue?> FindValueAsync(string project, string id, string hash, CancellationToken cancellationToken) => journal.FindValueAsync(project, id, hash, cancellationToken);

    public Task<Artifact?> FindArtifactAsync(string project, string id, string name, CancellationToken cancellationToken) => journal.FindArtifactAsync(project, id, name, cancellationToken);

    public Task<bool> FailStepAsync(Lease lease, string address, string digest, RunError error, CancellationToken cancellationToken) =>
        TwiceAsync(token => journal.FailStepAsync(lease, address, digest, error, token), cancellationToken);

    public Task<bool> ProgressAsync(Lease lease, int percent, string? message, ReadOnlyMemory<byte>? partial, CancellationToken cancellationToken) =>
        TwiceAsync(token => journal.ProgressAsync(lease, percent, message, partial, token), cancellationToken);

    public Task<string?> TakeSignalAsync(Lease lease, string name, string address, CancellationToken cancellationToken) =>
        TwiceAsync(token => journal.TakeSignalAsync(lease, name, address, token), cancellationToken);

    public Task<RunStart> RequestAsync(RunRequest request, CancellationToken cancellationToken) => TwiceAsync(token => journal.RequestAsync(request, token), cancellationToken);

    public Task<string?> AskAsync(Lease lease, string address, string signal, JsonElement question, QuestionExpiry? expiry, CancellationToken cancellationToken) =>
        TwiceAsync(token => journal.AskAsync(lease, address, signal, question, expiry, token), cancellationToken);

    public Task<bool> SuspendAsync(Lease lease, RunWait wait, CancellationToken cancellationToken) => TwiceAsync(token => journal.SuspendAsync(lease, wait, token), cancellationToken);

    public Task<bool> SucceedAsync(Lease lease, ReadOnlyMemory<byte> output, CancellationToken cancellationToken) =>
        TwiceAsync(token => journal.SucceedAsync(lease, output, token), cancellationToken);

    public Task<bool> FailAsync(Lease lease, RunError error, bool isFinal, CancellationToken cancellationToken) =>
        TwiceAsync(token => journal.FailAsync(lease, error, isFinal, token), cancellationToken);

    public Task<bool> CancelledAsync(Lease lease, CancellationToken cancellationToken) => TwiceAsync(token => journal.CancelledAsync(lease, token), cancellationToken);

    public Task<bool> ReleaseAsync(Lease lease, CancellationToken cancellationToken) => TwiceAsync(token => journal.ReleaseAsync(lease, token), cancellationToken);

    /// <summary>The first call's answer counts. What was kept for later may go out after it.</summary>
    private async Task<T> TwiceAsync<T>(Func<CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        bool isLast = Volatile.Read(ref _callsLeft) > 0 && Interlocked.Decrement(ref _callsLeft) == 0;
        if (isLast && _isBefore)
        {
            Death.Now();
        }

        T result = await call(cancellationToken).ConfigureAwait(false);
        if (isLast)
        {
            Death.Now();
        }

        Func<Task>? again = null;
        lock (_late)
        {
            if (random.Next(100) < percent)
            {
                again = () => call(CancellationToken.None);
                if (random.Next(2) == 0 && _late.Count < MostLate)
                {
                    _late.Add(again);
                    again = null;
                }
            }
            else if (_late.Count > 0 && random.Next(100) < percent)
            {
                int late = random.Next(_late.Count);
                again = _late[late];
                _late.RemoveAt(late);
            }
        }

        if (again is not null)
        {
            repeated();
            await again().ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // whoever gave up does not see its answer
        }

        return result;
    }
}

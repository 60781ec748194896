using HelixFlow.Schemas.Agents.V1;

namespace HelixFlow.Agents.Remote;

/// <summary>Hints of a journal for one worker, gathered until it takes them: one for each type and run, however many there were.</summary>
internal sealed class HintBuffer : IDisposable
{
    // Runs that are cancelled faster than a worker reads: it learns of the others by its heartbeats.
    private const int MostRuns = 10_000;

    private readonly Journal.Journal _journal;
    private readonly HashSet<string> _types;
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _some = new(0, 1);
    private HashSet<(bool IsRun, string Name)> _hints = [];

    public HintBuffer(Journal.Journal journal, IEnumerable<string> types)
    {
        _journal = journal;
        _types = new HashSet<string>(types, StringComparer.Ordinal);
        journal.Ready += OnReady;
        journal.Cancelling += OnCancelling;
    }

    /// <summary>Waits until there are hints.</summary>
    public async Task<IEnumerable<WorkerHint>> TakeAsync(CancellationToken cancellationToken)
    {
        await _some.WaitAsync(cancellationToken).ConfigureAwait(false);
        HashSet<(bool IsRun, string Name)> hints;
        lock (_lock)
        {
            hints = _hints;
            _hints = [];
        }

        return hints.Select(static hint => hint.IsRun ? new WorkerHint { CancellingRun = hint.Name } : new WorkerHint { ReadyType = hint.Name });
    }

    public void Dispose()
    {
        _journal.Ready -= OnReady;
        _journal.Cancelling -= OnCancelling;
        // The semaphore stays: a hint may be on its way, and nothing of the system is behind it.
    }

    private void OnReady(string type)
    {
        if (_types.Count == 0 || type.Length == 0 || _types.Contains(type))
        {
            Add(false, type);
        }
    }

    private void OnCancelling(string run) => Add(true, run);

    private void Add(bool isRun, string name)
    {
        lock (_lock)
        {
            if (_hints.Count < MostRuns && _hints.Add((isRun, name)) && _hints.Count == 1)
            {
                if (_some.CurrentCount == 0)
                {
                    _some.Release();
                }
            }
        }
    }
}

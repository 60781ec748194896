using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Tests.Crashes.Trials;

/// <summary>
/// Whether runs went through their queues in the documented order: by class, within a class by start tags, which give each project its share and
/// within a project are first in, first out.
/// </summary>
/// <remarks>
/// A queue is the runs of one type that can be claimed. In SQLite, where one transaction follows another, the statement is exact: whoever is claimed
/// has the lowest rank (class, tag, number) of its queue. PostgreSQL's transactions overlap, and a claim passes over rows that others have locked
/// (SKIP LOCKED). There a claim may leave a run behind only when a transaction that was under way beside it may have had that run locked: one that
/// changed the run, one that claimed (it locks more candidates than it takes), or one that left no trace, because it was undone or changed no run.
/// All others were in order, as far as the claim saw at its beginning.
/// </remarks>
internal sealed class QueueOrder
{
    private readonly ILookup<string, long> _types;
    private readonly Dictionary<long, List<QueueNote>> _notes;
    private readonly Dictionary<long, HashSet<long>> _changed = []; // by transaction
    private readonly HashSet<long> _claiming = [];
    private readonly Dictionary<long, RunEvidence> _runs;
    private readonly long _ageingMs;

    public QueueOrder(IReadOnlyList<RunEvidence> runs, IReadOnlyList<QueueNote> queue, long ageingMs)
    {
        _ageingMs = ageingMs;
        _runs = runs.ToDictionary(static run => run.Run.Number);
        _types = runs.ToLookup(static run => run.Run.Type, static run => run.Run.Number);
        _notes = queue.Where(note => _runs.ContainsKey(note.Run)).GroupBy(static note => note.Run)
            .ToDictionary(static group => group.Key, static group => group.ToList());
        foreach (List<QueueNote> notes in _notes.Values)
        {
            for (int i = 0; i < notes.Count; i++)
            {
                (_changed.TryGetValue(notes[i].Transaction, out HashSet<long>? changed) ? changed : _changed[notes[i].Transaction] = []).Add(notes[i].Run);
                if (IsClaim(notes, i))
                {
                    _claiming.Add(notes[i].Transaction);
                }
            }
        }
    }

    /// <summary>Claims that left a run of a lower rank behind because it may have been locked.</summary>
    public int Excused { get; private set; }

    /// <summary>Claims that were compared with at least one other run that waited.</summary>
    public int Compared { get; private set; }

    public IEnumerable<Violation> Check()
    {
        foreach ((long run, List<QueueNote> notes) in _notes)
        {
            for (int i = 1; i < notes.Count; i++)
            {
                if (IsClaim(notes, i) && Passed(run, notes[i - 1], notes[i]) is { } passed)
                {
                    yield return new Violation(
                        "priority",
                        $"{_runs[run]} of rank {notes[i - 1].Rank} was claimed while {_runs[passed.Run]} of rank {passed.Rank} waited since note {passed.Position}.");
                }

                if (notes[i].Priority != notes[i - 1].Priority && Raise(notes[i - 1], notes[i]) is { } wrong)
                {
                    yield return new Violation("ageing", $"{_runs[run]}: {wrong}");
                }
            }
        }

        foreach (Violation violation in Tags())
        {
            yield return violation;
        }
    }

    private static bool IsClaim(List<QueueNote> notes, int i) => i > 0 && notes[i].State == RunState.Running && notes[i - 1].State == RunState.Ready;

    /// <summary>The run that should have been claimed instead.</summary>
    private QueueNote? Passed(long run, QueueNote before, QueueNote claim)
    {
        bool isServed = claim.Seen is not null;
        bool isExcused = isServed && _notes[run].Exists(note => note.Position < claim.Position && note.State == RunState.Running && !IsVisible(note, claim));
        if (isExcused)
        {
            Excused++; // somebody had it, between the look at the queue and the claim: it was chosen by an older rank
            return null;
        }

        bool isCompared = false;
        try
        {
            foreach (long other in _types[_runs[run].Run.Type].Where(other => other != run && _notes.ContainsKey(other)))
            {
                List<QueueNote> notes = _notes[other];
                int last = notes.FindLastIndex(note => IsVisible(note, claim));
                if (last < 0 || notes[last].State != RunState.Ready)
                {
                    continue;
                }

                isCompared = true;
                if (notes[last].Rank.CompareTo(before.Rank) > 0 || (last + 1 < notes.Count && isServed && notes[last + 1].Transaction == claim.Transaction))
                {
                    continue;
                }

                if (!isServed || !MayHaveBeenLocked(other, claim))
                {
                    return notes[last];
                }

                isExcused = true;
            }

            return null;
        }
        finally
        {
            Compared += isCompared ? 1 : 0;
            Excused += isExcused ? 1 : 0;
        }
    }

    private static bool IsVisible(QueueNote note, QueueNote claim) => claim.Seen is null ? note.Position < claim.Position
        : claim.Seen.Sees(note.Transaction) || (note.Transaction == claim.Transaction && note.Position < claim.Position);

    private bool MayHaveBeenLocked(long run, QueueNote claim)
    {
        IEnumerable<long> since = Enumerable.Range(0, (int)Math.Max(0, claim.SeenNow!.End - claim.Seen!.End)).Select(i => claim.Seen.End + i);
        return claim.Seen.UnderWay.Concat(claim.SeenNow.UnderWay).Concat(since).Concat(claim.Others).Where(other => other != claim.Transaction)
            .Any(other => !_changed.TryGetValue(other, out HashSet<long>? changed) || changed.Contains(run) || _claiming.Contains(other));
    }

    /// <summary>What is wrong with a rise into another class; null for nothing.</summary>
    private string? Raise(QueueNote before, QueueNote after) =>
        before.State != RunState.Ready || after.State != RunState.Ready ? "its class changed while it did not wait."
        : after.Priority != before.Priority - 1 ? $"it went from {before.Priority} to {after.Priority}."
        : after.QueuedAt - before.QueuedAt < _ageingMs ? $"it rose after {after.QueuedAt - before.QueuedAt} ms."
        : null;

    /// <summary>
    /// Within a project and a class, tags rise in the order in which runs began to wait; who has risen into the class goes with those that it serves then.
    /// </summary>
    private IEnumerable<Violation> Tags()
    {
        var last = new Dictionary<(string, RunPriority), QueueNote>();
        foreach ((QueueNote note, QueueNote? before) in _notes.Values
            .SelectMany(static notes => notes.Select((note, i) => (Note: note, Before: i > 0 ? notes[i - 1] : null)))
            .OrderBy(static pair => pair.Note.Position))
        {
            if (note.State != RunState.Ready || before?.State == RunState.Ready)
            {
                continue;
            }

            (string, RunPriority) queue = (_runs[note.Run].Run.Project, note.Priority);
            if (last.TryGetValue(queue, out QueueNote? earlier) && earlier.Share >= note.Share)
            {
                yield return new Violation(
                    "first in, first out",
                    $"{_runs[note.Run]} began to wait after {_runs[earlier.Run]} and has the tag {note.Share}, not after {earlier.Share}.");
            }

            last[queue] = note;
        }
    }
}

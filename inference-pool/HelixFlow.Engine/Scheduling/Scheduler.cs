using System.Diagnostics;
using HelixFlow.Engine.KvCache;

namespace HelixFlow.Engine.Scheduling;

/// <summary>Decides which tokens of which sequences the next step runs. No clock, no threads, no kernels.</summary>
/// <remarks>
/// <para>Owned by the engine thread. Sequences are ordered by priority, then by what their project has had (<see cref="FairShares"/>), then by
/// arrival. Every decoding sequence gets its row in every step; what is left of the token budget, and beside decoding sequences of the time
/// budget (<see cref="PrefillAllowance"/>), goes to prefill chunks. When blocks run out,
/// the last in order that has no rows in the step yet gives its blocks back and is computed anew later. The first in order always advances,
/// because alone it fits: so every sequence that runs ends after a bounded number of steps. New sequences start only while the blocks that
/// the running ones still need for their known tokens remain.</para>
/// <para>A class of which none was let in for the ageing interval counts as one higher, and again with each further interval, until one is: so
/// low classes starve under no load, but get no more than a start per interval out of it while higher ones wait.</para>
/// </remarks>
internal sealed class Scheduler
{
    private readonly BlockPool _pool;
    private readonly int _maxRows;
    private readonly int _maxSequences;
    private readonly bool _prefixReuse;
    private readonly TimeSpan _ageing;
    private readonly PrefillAllowance _allowance;
    private readonly FairShares _shares = new();
    private readonly List<Sequence> _waiting = new(64); // in no order: it changes with time and with what others use
    private readonly List<Sequence> _running = new(64); // in order
    private readonly StepPlan _plan = new();
    private TimeSpan _now;
    private int _rowLimit; // of the step that is being planned

    /// <param name="pool">The blocks to hand out.</param>
    /// <param name="maxRows">Rows of a step; at least <paramref name="maxSequences"/>.</param>
    /// <param name="maxSequences">Sequences that run at the same time.</param>
    /// <param name="prefixReuse">Whether whole blocks are offered to and taken from the prefix tree.</param>
    /// <param name="ageing">How long a class waits for a start before it counts as one higher; positive.</param>
    /// <param name="stepBudget">How long a step may take while anything decodes, as far as prefill rows can be left for later; null for no limit.</param>
    public Scheduler(BlockPool pool, int maxRows, int maxSequences, bool prefixReuse, TimeSpan ageing, TimeSpan? stepBudget = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(ageing, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxSequences);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRows, maxSequences);
        _pool = pool;
        _maxRows = maxRows;
        _maxSequences = maxSequences;
        _prefixReuse = prefixReuse;
        _ageing = ageing;
        _allowance = new PrefillAllowance(stepBudget);
    }

    /// <summary>In no order; not to be changed by others.</summary>
    public List<Sequence> Waiting => _waiting;

    /// <summary>In order; not to be changed by others.</summary>
    public List<Sequence> Running => _running;

    public bool HasWork => _waiting.Count + _running.Count > 0;

    public long Preemptions { get; private set; }

    /// <summary>Lets a sequence wait for its start. It must fit the store when alone: see <see cref="Fits"/>.</summary>
    /// <param name="sequence">The sequence.</param>
    /// <param name="now">The time, from any fixed moment on; never falls from call to call.</param>
    public void Add(Sequence sequence, TimeSpan now)
    {
        Debug.Assert(sequence.Status == SequenceStatus.Outside && Fits(sequence.MaxLength) && sequence.Slots <= _maxSequences);
        _shares.Enter(sequence);
        Wait(sequence, now);
    }

    /// <summary>Whether a sequence of this many tokens can end when it runs alone.</summary>
    public bool Fits(int maxLength) => _pool.BlocksFor(maxLength) <= _pool.Total;

    /// <summary>Lets a sequence go on from where another one is; takes one of the places that the other one kept for its forks.</summary>
    public void Fork(Sequence parent, Sequence child)
    {
        Debug.Assert(parent.Status == SequenceStatus.Running && parent.Slots > 1);
        parent.Slots--;
        child.ForkFrom(_pool, parent);
        child.Status = SequenceStatus.Running;
        FairShares.Fork(parent, child);
        InsertRunning(child);
    }

    /// <summary>Takes a sequence out, whatever it was doing, and gives its blocks back.</summary>
    public void Remove(Sequence sequence)
    {
        if (sequence.Status == SequenceStatus.Outside)
        {
            return;
        }

        (sequence.Status == SequenceStatus.Waiting ? _waiting : _running).Remove(sequence);
        sequence.Table.Clear(_pool);
        sequence.Status = SequenceStatus.Outside;
        _shares.Leave(sequence);
    }

    /// <summary>
    /// How long to wait for further requests before the first step of those that wait, anew after each that comes; zero when it should begin at once.
    /// </summary>
    /// <remarks>To be asked while nothing runs. A small share of what the step is expected to take, so that a request that is alone is hardly delayed.</remarks>
    public TimeSpan GatheringTime()
    {
        long rows = 0;
        int slots = 0;
        foreach (Sequence sequence in _waiting)
        {
            rows += sequence.Pending;
            slots += sequence.Slots;
        }

        return slots >= _maxSequences ? TimeSpan.Zero : _allowance.GatheringTime((int)Math.Min(rows, _maxRows));
    }

    /// <summary>Forms the next step. The plan is valid until the next call; it has rows whenever there is work.</summary>
    /// <param name="now">The time, from the same moment on as in <see cref="Add"/>.</param>
    public StepPlan Plan(TimeSpan now)
    {
        _now = now;
        _plan.Clear();
        long preemptionsBefore = Preemptions;

        // 1. Decode rows. From the front, so that victims, taken from the back, have no rows yet.
        for (int i = 0; i < _running.Count; i++)
        {
            Sequence sequence = _running[i];
            if (sequence.Pending == 1 && MakeRoom(i, 1))
            {
                _plan.Add(sequence, 1);
            }
        }

        // 2. Chunks of what is being prefilled.
        _plan.DecodeRows = _plan.Rows;
        _rowLimit = (int)Math.Min(_maxRows, _plan.Rows + (long)_allowance.Rows(_plan.Rows));
        for (int i = 0; i < _running.Count && _plan.Rows < _rowLimit; i++)
        {
            if (_running[i].Pending > 1)
            {
                PlanChunk(i);
            }
        }

        // 3. New ones, unless the blocks have just proved scarce.
        while (Preemptions == preemptionsBefore && _waiting.Count > 0 && _plan.Rows < _rowLimit && TryStart(FirstWaiting()))
        {
        }

        Debug.Assert(_plan.Rows > 0 || !HasWork, "no sequence advances");
        Debug.Assert(_plan.Rows <= _maxRows && _plan.Entries.Count <= _maxSequences);
        return _plan;
    }

    /// <summary>Notes that the planned rows were run: their keys and values are stored.</summary>
    public void Commit(StepPlan plan)
    {
        foreach (PlannedRows entry in plan.Entries)
        {
            NoteComputed(entry.Sequence, entry.Rows);
        }
    }

    /// <summary>
    /// Lets the guesses of a decoding sequence run behind its row, as many as the rows of a step and the blocks allow. No other
    /// sequence gives anything up for them.
    /// </summary>
    /// <param name="entry">The sequence's place in the plan.</param>
    /// <param name="count">How many guesses were written behind its tokens: see <see cref="Sequence.Guess(int, int)"/>.</param>
    public void AddGuesses(int entry, int count)
    {
        Sequence sequence = _plan.Entries[entry].Sequence;
        Debug.Assert(sequence.Pending == 1 && sequence.Slots == 1 && _plan.Entries[entry] == new PlannedRows(sequence, 1));
        count = Math.Min(Math.Min(count, _maxRows - _plan.Rows), RoomFor(sequence) - 1);
        if (count > 0)
        {
            ReserveOutcome outcome = sequence.Table.Reserve(_pool, sequence.Computed, sequence.Length + count, out _);
            Debug.Assert(outcome == ReserveOutcome.Reserved, "the row before the guesses has its block, and the others were counted");
            _plan.AddGuesses(entry, count);
        }
    }

    /// <summary>Notes that the token last appended was the guess that had run: its keys and values are stored.</summary>
    public void AcceptGuess(Sequence sequence) => NoteComputed(sequence, 1);

    /// <summary>Takes back what was reserved for guesses that proved wrong.</summary>
    public void DropGuesses(Sequence sequence) => sequence.Table.Trim(_pool, sequence.Length);

    private void NoteComputed(Sequence sequence, int rows)
    {
        sequence.Computed += rows;
        sequence.Reached = Math.Max(sequence.Reached, sequence.Computed);
        if (_prefixReuse)
        {
            sequence.Table.RegisterWhole(_pool, sequence.Tokens, sequence.Computed);
        }
    }

    /// <summary>Learns how long the step of a plan took, once it was committed.</summary>
    public void Learn(StepPlan plan, TimeSpan took) => _allowance.Learn(plan, took);

    /// <summary>Reserves room for a running sequence's next rows; preempts later ones, at last itself, when blocks are short.</summary>
    private bool MakeRoom(int index, int rows)
    {
        Sequence sequence = _running[index];
        while (true)
        {
            switch (sequence.Table.Reserve(_pool, sequence.Computed, sequence.Computed + rows, out BlockCopy copy))
            {
                case ReserveOutcome.Reserved:
                    return true;
                case ReserveOutcome.ReservedWithCopy:
                    _plan.Copies.Add(copy);
                    return true;
                case ReserveOutcome.OutOfBlocks:
                    if (!TryPreemptAfter(index))
                    {
                        Preempt(sequence);
                        return false;
                    }

                    break;
            }
        }
    }

    private void PlanChunk(int index)
    {
        Sequence sequence = _running[index];
        if (_prefixReuse && sequence.ReusesPrefix)
        {
            sequence.SkipTo(sequence.Table.Reuse(_pool, sequence.Tokens, sequence.Computed)); // what others have computed meanwhile
        }

        int rows = Math.Min(sequence.Pending, _rowLimit - _plan.Rows);
        while (RoomFor(sequence) == 0)
        {
            if (!TryPreemptAfter(index))
            {
                return; // Those with rows in this step end or are preempted in a later one.
            }
        }

        rows = Math.Min(rows, RoomFor(sequence));
        if (MakeRoom(index, rows))
        {
            _plan.Add(sequence, rows);
        }
    }

    /// <summary>Positions that a sequence without shared partial blocks can add now.</summary>
    private int RoomFor(Sequence sequence) => ((sequence.Table.Count + _pool.Available) * _pool.BlockSize) - sequence.Computed;

    /// <summary>The one that starts next, and is waited for if it cannot: smaller ones must not overtake it for ever.</summary>
    private Sequence FirstWaiting()
    {
        Sequence first = _waiting[0];
        int firstRank = first.RankAt(_now, _ageing);
        for (int i = 1; i < _waiting.Count; i++)
        {
            Sequence other = _waiting[i];
            int rank = other.RankAt(_now, _ageing);
            if (rank > firstRank || (rank == firstRank && Sequence.CompareWithinRank(other, first) < 0))
            {
                (first, firstRank) = (other, rank);
            }
        }

        return first;
    }

    private bool TryStart(Sequence sequence)
    {
        int slots = sequence.Slots;
        int missing = 0;
        foreach (Sequence other in _running)
        {
            slots += other.Slots;
            missing += other.Table.BlocksMissing(_pool, other.Computed, other.Length);
        }

        if (slots > _maxSequences)
        {
            return false;
        }

        int reused = _prefixReuse && sequence.ReusesPrefix ? sequence.Table.Reuse(_pool, sequence.Tokens) : 0;
        if (sequence.Table.BlocksMissing(_pool, reused, sequence.Length) + missing > _pool.Available)
        {
            sequence.Table.Clear(_pool);
            return false;
        }

        _waiting.Remove(sequence);
        sequence.SkipTo(reused);
        sequence.Status = SequenceStatus.Running;
        sequence.Boost = sequence.RankAt(_now, _ageing) - sequence.Priority;
        sequence.Account!.Class.LastStart = _now;
        if (!sequence.HasStarted)
        {
            FairShares.Start(sequence, reused);
            sequence.HasStarted = true;
        }

        PlanChunk(InsertRunning(sequence));
        return true;
    }

    /// <summary>Preempts the last running sequence behind this place that has no rows in the plan.</summary>
    private bool TryPreemptAfter(int index)
    {
        for (int i = _running.Count - 1; i > index; i--)
        {
            if (!IsPlanned(_running[i]))
            {
                Preempt(_running[i]);
                return true;
            }
        }

        return false;
    }

    private bool IsPlanned(Sequence sequence)
    {
        foreach (PlannedRows entry in _plan.Entries)
        {
            if (entry.Sequence == sequence)
            {
                return true;
            }
        }

        return false;
    }

    private void Preempt(Sequence sequence)
    {
        _running.Remove(sequence);
        sequence.Table.Clear(_pool);
        sequence.Computed = 0;
        Wait(sequence, _now);
        Preemptions++;
    }

    private void Wait(Sequence sequence, TimeSpan now)
    {
        sequence.Status = SequenceStatus.Waiting;
        sequence.WaitingSince = now;
        _waiting.Add(sequence);
    }

    /// <returns>The place at which it stands now.</returns>
    private int InsertRunning(Sequence sequence)
    {
        int index = _running.Count;
        while (index > 0 && Sequence.CompareRunning(sequence, _running[index - 1]) < 0)
        {
            index--;
        }

        _running.Insert(index, sequence);
        return index;
    }
}

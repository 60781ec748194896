using System.Diagnostics;
using HelixFlow.Engine.KvCache;

namespace HelixFlow.Engine.Scheduling;

/// <summary>Decides which tokens of which sequences the next step runs. No clock, no threads, no kernels.</summary>
/// <remarks>
/// Owned by the engine thread. Running and waiting sequences are ordered by priority, then arrival. Every decoding sequence gets its row in
/// every step; what is left of the token budget goes to prefill chunks. When blocks run out, the last in order that has no rows in the step
/// yet gives its blocks back and is computed anew later. The first in order always advances, because alone it fits: so every sequence ends
/// after a bounded number of steps. New sequences start only while the blocks that the running ones still need for their known tokens remain.
/// </remarks>
internal sealed class Scheduler
{
    private readonly BlockPool _pool;
    private readonly int _maxRows;
    private readonly int _maxSequences;
    private readonly bool _prefixReuse;
    private readonly List<Sequence> _waiting = new(64); // in order
    private readonly List<Sequence> _running = new(64); // in order
    private readonly StepPlan _plan = new();

    /// <param name="pool">The blocks to hand out.</param>
    /// <param name="maxRows">Rows of a step; at least <paramref name="maxSequences"/>.</param>
    /// <param name="maxSequences">Sequences that run at the same time.</param>
    /// <param name="prefixReuse">Whether whole blocks are offered to and taken from the prefix tree.</param>
    public Scheduler(BlockPool pool, int maxRows, int maxSequences, bool prefixReuse)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxSequences);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRows, maxSequences);
        _pool = pool;
        _maxRows = maxRows;
        _maxSequences = maxSequences;
        _prefixReuse = prefixReuse;
    }

    /// <summary>In order; not to be changed by others.</summary>
    public List<Sequence> Waiting => _waiting;

    /// <summary>In order; not to be changed by others.</summary>
    public List<Sequence> Running => _running;

    public bool HasWork => _waiting.Count + _running.Count > 0;

    public long Preemptions { get; private set; }

    /// <summary>Lets a sequence wait for its start. It must fit the store when alone: see <see cref="Fits"/>.</summary>
    public void Add(Sequence sequence)
    {
        Debug.Assert(sequence.Status == SequenceStatus.Outside && Fits(sequence.MaxLength) && sequence.Slots <= _maxSequences);
        sequence.Status = SequenceStatus.Waiting;
        Insert(_waiting, sequence);
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
        Insert(_running, child);
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
    }

    /// <summary>Forms the next step. The plan is valid until the next call; it has rows whenever there is work.</summary>
    public StepPlan Plan()
    {
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
        for (int i = 0; i < _running.Count && _plan.Rows < _maxRows; i++)
        {
            if (_running[i].Pending > 1)
            {
                PlanChunk(i);
            }
        }

        // 3. New ones, unless the blocks have just proved scarce.
        while (Preemptions == preemptionsBefore && _waiting.Count > 0 && _plan.Rows < _maxRows && TryStart(_waiting[0]))
        {
        }

        Debug.Assert(_plan.Rows > 0 || !HasWork, "no sequence advances");
        Debug.Assert(_plan.Rows <= _maxRows && _plan.Entries.Count <= _maxSequences);
        return _plan;
    }

    /// <summary>Notes that the planned rows were run: their keys and values are stored.</summary>
    public void Commit(StepPlan plan)
    {
        foreach ((Sequence sequence, int rows) in plan.Entries)
        {
            sequence.Computed += rows;
            if (_prefixReuse)
            {
                sequence.Table.RegisterWhole(_pool, sequence.Tokens, sequence.Computed);
            }
        }
    }

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
        int rows = Math.Min(sequence.Pending, _maxRows - _plan.Rows);
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

        int reused = _prefixReuse ? sequence.Table.Reuse(_pool, sequence.Tokens) : 0;
        if (sequence.Table.BlocksMissing(_pool, reused, sequence.Length) + missing > _pool.Available)
        {
            sequence.Table.Clear(_pool);
            return false;
        }

        _waiting.RemoveAt(0);
        sequence.Computed = reused;
        sequence.Status = SequenceStatus.Running;
        if (!sequence.HasStarted)
        {
            sequence.HasStarted = true;
            sequence.CachedTokens = reused;
        }

        PlanChunk(Insert(_running, sequence));
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
        sequence.Status = SequenceStatus.Waiting;
        Insert(_waiting, sequence);
        Preemptions++;
    }

    /// <returns>The place at which it stands now.</returns>
    private static int Insert(List<Sequence> list, Sequence sequence)
    {
        int index = list.Count;
        while (index > 0 && Sequence.CompareOrder(sequence, list[index - 1]) < 0)
        {
            index--;
        }

        list.Insert(index, sequence);
        return index;
    }
}

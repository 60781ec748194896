using System.Diagnostics;
using System.Runtime.InteropServices;

namespace HelixFlow.Engine.Cpu.Threads;

/// <summary>A fixed team of threads that do one operation's chunks together.</summary>
/// <remarks>
/// <para>Owned by one caller thread, which works too, as worker 0. A call ends when all chunks are done, not when all workers have looked: a
/// worker that the system has descheduled delays nobody unless it holds a chunk.</para>
/// <para>Whoever waits, workers for a call and the caller for the last chunks, spins for some microseconds, because operations follow each other
/// closely, and then sleeps. That the caller sleeps matters on a busy machine: its idle processor then takes over the worker that holds the
/// chunk, where spinning or yielding would wait for a neighbour's whole time slice.</para>
/// <para>An exception in a chunk is rethrown on the caller when all chunks have ended.</para>
/// </remarks>
internal sealed class WorkerTeam : IDisposable
{
    /// <summary>Most chunks of one call.</summary>
    public const int MaxChunks = (1 << ChunkBits) - 1;

    private const int ChunkBits = 20;

    // A round of Thread.SpinWait(1) is some 37 ns on every machine. Workers wait about 40 µs: longer than what the caller does alone between
    // two operations. The caller about 20 µs: longer than the last chunk of an operation, much shorter than a time slice.
    private const int WorkerSpinRounds = 1000;
    private const int CallerSpinRounds = 500;

    private readonly Thread[] _threads;
    private readonly Parking _parked = new();
    private readonly Parking _callerParked = new();
    private Shared _shared;
    private ParallelWork? _work;
    private volatile bool _stopping;
    private Exception? _failure;

    public WorkerTeam(int size)
    {
        Size = size;
        _threads = new Thread[size - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            int worker = i + 1;
            _threads[i] = new Thread(() => Loop(worker)) { IsBackground = true, Name = $"helixflow-cpu-{worker}" };
            _threads[i].Start();
        }
    }

    public int Size { get; }

    /// <summary>Runs chunks 0 to <paramref name="chunks"/> - 1 and returns when all are done.</summary>
    public void Run(ParallelWork work, int chunks)
    {
        Debug.Assert(chunks <= MaxChunks, "too many chunks for the ticket");
        if (_threads.Length == 0 || chunks <= 1)
        {
            for (int chunk = 0; chunk < chunks; chunk++)
            {
                work.Run(chunk, 0);
            }

            return;
        }

        _work = work;
        _shared.Remaining = chunks;
        long generation = (_shared.Ticket >> (2 * ChunkBits)) + 1;

        // A full fence: the sleepers are counted after the ticket can be seen.
        Interlocked.Exchange(ref _shared.Ticket, (generation << (2 * ChunkBits)) | ((long)chunks << ChunkBits));
        _parked.WakeAll();
        TakeChunks(0);
        AwaitOthers();
        if (_failure is { } failure)
        {
            _failure = null;
            throw new InvalidOperationException("an operation of the CPU backend failed", failure);
        }
    }

    public void Dispose()
    {
        _stopping = true;
        Interlocked.MemoryBarrier();
        _parked.WakeAll();
        foreach (Thread thread in _threads)
        {
            thread.Join();
        }
    }

    private void Loop(int worker)
    {
        while (!_stopping)
        {
            if (TakeChunks(worker) || SpinForWork())
            {
                continue;
            }

            int announcement = _parked.Announce();
            if (HasWork(Volatile.Read(ref _shared.Ticket)) || _stopping)
            {
                _parked.Withdraw();
            }
            else
            {
                _parked.Sleep(announcement);
            }
        }
    }

    // A chunk that is taken and not yet counted keeps its call from ending, so _work belongs to the ticket as long as the exchange succeeds.
    private bool TakeChunks(int worker)
    {
        int done = 0;
        while (true)
        {
            long ticket = Volatile.Read(ref _shared.Ticket);
            if (!HasWork(ticket))
            {
                break;
            }

            ParallelWork work = _work!;
            if (Interlocked.CompareExchange(ref _shared.Ticket, ticket + 1, ticket) != ticket)
            {
                continue;
            }

            try
            {
                work.Run((int)ticket & MaxChunks, worker);
            }
            catch (Exception exception)
            {
                Interlocked.CompareExchange(ref _failure, exception, null);
            }

            done++;
        }

        if (done > 0 && Interlocked.Add(ref _shared.Remaining, -done) == 0)
        {
            _callerParked.WakeAll();
        }

        return done > 0;
    }

    private void AwaitOthers()
    {
        for (int round = 0; round < CallerSpinRounds; round++)
        {
            if (Volatile.Read(ref _shared.Remaining) == 0)
            {
                return;
            }

            Thread.SpinWait(1);
        }

        int announcement = _callerParked.Announce();
        if (Volatile.Read(ref _shared.Remaining) == 0)
        {
            _callerParked.Withdraw();
        }
        else
        {
            _callerParked.Sleep(announcement);
        }
    }

    private bool SpinForWork()
    {
        for (int round = 0; round < WorkerSpinRounds; round++)
        {
            if (HasWork(Volatile.Read(ref _shared.Ticket)) || _stopping)
            {
                return true;
            }

            Thread.SpinWait(1);
        }

        return false;
    }

    private static bool HasWork(long ticket) => ((int)ticket & MaxChunks) < ((int)(ticket >> ChunkBits) & MaxChunks);

    // Each word on cache lines of its own (two, because processors fetch them in pairs): workers spin on the one, the caller on the other.
    [StructLayout(LayoutKind.Explicit, Size = 3 * 128)]
    private struct Shared
    {
        // generation (24 bits), chunks of the call (20), next chunk (20): in one word, so that a late worker cannot mix two calls up.
        [FieldOffset(128)]
        public long Ticket;

        // Chunks of the call that are not counted as done.
        [FieldOffset(256)]
        public int Remaining;
    }
}

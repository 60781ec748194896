using System.Diagnostics;

namespace HelixFlow.Engine.Cpu.Threads;

/// <summary>Work that can be cut into chunks; one instance is reused for all calls of its operation.</summary>
internal abstract class ParallelWork
{
    /// <summary>Does one chunk. Chunks run in any order, on any worker, and must not depend on each other.</summary>
    /// <param name="chunk">The chunk, from 0.</param>
    /// <param name="worker">The worker, 0 to the team's size - 1, for scratch memory of its own.</param>
    public abstract void Run(int chunk, int worker);
}

/// <summary>A fixed team of threads that do one operation's chunks together.</summary>
/// <remarks>
/// <para>Owned by one caller thread, which works too, as worker 0. A call ends when all chunks are done, not when all workers have looked: a
/// worker that the system has descheduled delays nobody unless it holds a chunk. Waiting workers spin for some microseconds, because
/// operations follow each other closely, then park.</para>
/// <para>An exception in a chunk is rethrown on the caller when all chunks have ended.</para>
/// </remarks>
internal sealed class WorkerTeam : IDisposable
{
    /// <summary>Most chunks of one call.</summary>
    public const int MaxChunks = (1 << ChunkBits) - 1;

    private const int ChunkBits = 20;

    // About 20 µs on current processors: longer than the gap between two operations, shorter than the system's own time slice.
    private const int SpinRounds = 2000;

    private readonly Thread[] _threads;
    private readonly SemaphoreSlim _parked = new(0);
    private readonly Lock _parking = new();
    private ParallelWork? _work;

    // generation (24 bits), chunks of the call (20), next chunk (20): in one word, so that a late worker cannot mix two calls up.
    private long _ticket;
    private int _remaining;
    private int _sleepers;
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
        if (_threads.Length == 0 || chunks == 1)
        {
            for (int chunk = 0; chunk < chunks; chunk++)
            {
                work.Run(chunk, 0);
            }

            return;
        }

        _work = work;
        _remaining = chunks;
        long generation = (_ticket >> (2 * ChunkBits)) + 1;
        Volatile.Write(ref _ticket, (generation << (2 * ChunkBits)) | ((long)chunks << ChunkBits));
        WakeSleepers();
        TakeChunks(0);
        var spinner = default(SpinWait);
        while (Volatile.Read(ref _remaining) != 0)
        {
            spinner.SpinOnce(sleep1Threshold: -1);
        }

        if (_failure is { } failure)
        {
            _failure = null;
            throw new InvalidOperationException("an operation of the CPU backend failed", failure);
        }
    }

    public void Dispose()
    {
        _stopping = true;
        WakeSleepers();
        foreach (Thread thread in _threads)
        {
            thread.Join();
        }

        _parked.Dispose();
    }

    private void Loop(int worker)
    {
        while (!_stopping)
        {
            if (TakeChunks(worker) || SpinForWork())
            {
                continue;
            }

            lock (_parking)
            {
                if (HasWork(Volatile.Read(ref _ticket)) || _stopping)
                {
                    continue;
                }

                _sleepers++;
            }

            _parked.Wait();
        }
    }

    // A chunk that is taken keeps its call from ending, so _work belongs to the ticket as long as the exchange succeeds.
    private bool TakeChunks(int worker)
    {
        bool any = false;
        while (true)
        {
            long ticket = Volatile.Read(ref _ticket);
            if (!HasWork(ticket))
            {
                return any;
            }

            ParallelWork work = _work!;
            if (Interlocked.CompareExchange(ref _ticket, ticket + 1, ticket) != ticket)
            {
                continue;
            }

            any = true;
            try
            {
                work.Run((int)ticket & MaxChunks, worker);
            }
            catch (Exception exception)
            {
                Interlocked.CompareExchange(ref _failure, exception, null);
            }

            Interlocked.Decrement(ref _remaining);
        }
    }

    private bool SpinForWork()
    {
        for (int round = 0; round < SpinRounds; round++)
        {
            if (HasWork(Volatile.Read(ref _ticket)) || _stopping)
            {
                return true;
            }

            Thread.SpinWait(8);
        }

        return false;
    }

    private void WakeSleepers()
    {
        lock (_parking)
        {
            if (_sleepers > 0)
            {
                _parked.Release(_sleepers);
                _sleepers = 0;
            }
        }
    }

    private static bool HasWork(long ticket) => ((int)ticket & MaxChunks) < ((int)(ticket >> ChunkBits) & MaxChunks);
}

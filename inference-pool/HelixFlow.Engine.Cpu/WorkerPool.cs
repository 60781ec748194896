namespace HelixFlow.Engine.Cpu;

/// <summary>Threads that run one piece of work together with their caller. A dispatch costs about a microsecond while they are awake.</summary>
/// <remarks>
/// One thread calls <see cref="Run"/>; the workers spin on a generation counter for a while after each piece, then sleep until the next.
/// </remarks>
internal sealed class WorkerPool : IDisposable
{
    // Some 50 microseconds: longer than the gaps within a step, shorter than what an idle engine should burn.
    private const int SpinsBeforeSleep = 2000;

    private readonly Worker[] _workers;
    private ICpuWork? _work;
    private Exception? _failure;
    private int _generation;
    private int _pending;
    private volatile bool _stopping;

    public WorkerPool(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(threads);
        Parts = threads;
        _workers = new Worker[threads - 1];
        for (int i = 0; i < _workers.Length; i++)
        {
            _workers[i] = new Worker(this, i + 1);
        }
    }

    /// <summary>Parts that a piece of work is cut into.</summary>
    public int Parts { get; }

    /// <summary>Runs all parts of the work and returns when the last is done.</summary>
    public void Run(ICpuWork work)
    {
        if (_workers.Length > 0)
        {
            _work = work;
            Volatile.Write(ref _pending, _workers.Length);
            WakeAll();
        }

        try
        {
            work.Run(0, Parts);
        }
        finally
        {
            var spinner = default(SpinWait);
            while (Volatile.Read(ref _pending) != 0)
            {
                spinner.SpinOnce(sleep1Threshold: -1);
            }
        }

        if (_failure is { } failure)
        {
            _failure = null;
            throw new InvalidOperationException("a part of an operation failed", failure);
        }
    }

    public void Dispose()
    {
        _stopping = true;
        WakeAll();
        foreach (Worker worker in _workers)
        {
            worker.Dispose();
        }
    }

    private void WakeAll()
    {
        Interlocked.Increment(ref _generation);
        foreach (Worker worker in _workers)
        {
            worker.WakeIfAsleep();
        }
    }

    private sealed class Worker : IDisposable
    {
        private readonly WorkerPool _pool;
        private readonly int _part;
        private readonly Thread _thread;
        private readonly SemaphoreSlim _wake = new(0);
        private int _asleep;

        public Worker(WorkerPool pool, int part)
        {
            _pool = pool;
            _part = part;
            _thread = new Thread(Loop) { IsBackground = true, Name = $"cpu backend {part}" };
            _thread.Start();
        }

        public void WakeIfAsleep()
        {
            if (Volatile.Read(ref _asleep) != 0 && Interlocked.Exchange(ref _asleep, 0) != 0)
            {
                _wake.Release();
            }
        }

        /// <summary>Waits for the thread to end.</summary>
        public void Dispose()
        {
            _thread.Join();
            _wake.Dispose();
        }

        private void Loop()
        {
            int seen = 0;
            while (true)
            {
                seen = WaitForNext(seen);
                if (_pool._stopping)
                {
                    return;
                }

                try
                {
                    _pool._work!.Run(_part, _pool.Parts);
                }
                catch (Exception exception)
                {
                    _pool._failure = exception;
                }

                Interlocked.Decrement(ref _pool._pending);
            }
        }

        private int WaitForNext(int seen)
        {
            while (true)
            {
                for (int spins = 0; spins < SpinsBeforeSleep; spins++)
                {
                    int generation = Volatile.Read(ref _pool._generation);
                    if (generation != seen)
                    {
                        return generation;
                    }

                    Thread.SpinWait(20);
                }

                // Announce the sleep, then look once more: whoever raises the generation after this look sees the announcement. A permit left
                // over from an announcement that came to nothing only wakes this worker for another look.
                Interlocked.Exchange(ref _asleep, 1);
                if (Volatile.Read(ref _pool._generation) == seen)
                {
                    _wake.Wait();
                }
            }
        }
    }
}

/// <summary>Work that can be cut into parts, each run by one thread.</summary>
internal interface ICpuWork
{
    void Run(int part, int parts);
}

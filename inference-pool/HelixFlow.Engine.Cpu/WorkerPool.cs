namespace HelixFlow.Engine.Cpu;

/// <summary>Threads that run one piece of work together with their caller. A dispatch costs about a microsecond while they are awake.</summary>
/// <remarks>
/// One thread calls <see cref="Run"/>; the workers spin on a generation counter for a while after each piece, then sleep until the next.
/// </remarks>
internal sealed class WorkerPool : IDisposable
{
    // Some 50 microseconds: longer than the gaps within a step, shorter than what an idle engine should burn.
    private const int SpinsBeforeSleep = 2000;

    private readonly Thread[] _threads;
    private readonly SemaphoreSlim _wake = new(0);
    private ICpuWork? _work;
    private Exception? _failure;
    private int _generation;
    private int _pending;
    private int _sleeping;
    private volatile bool _stopping;

    public WorkerPool(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(threads);
        Parts = threads;
        _threads = new Thread[threads - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            int part = i + 1;
            _threads[i] = new Thread(() => Loop(part)) { IsBackground = true, Name = $"cpu backend {part}" };
            _threads[i].Start();
        }
    }

    /// <summary>Parts that a piece of work is cut into.</summary>
    public int Parts { get; }

    /// <summary>Runs all parts of the work and returns when the last is done.</summary>
    public void Run(ICpuWork work)
    {
        if (_threads.Length > 0)
        {
            _work = work;
            Volatile.Write(ref _pending, _threads.Length);
            Interlocked.Increment(ref _generation);
            if (Volatile.Read(ref _sleeping) > 0)
            {
                WakeSlow();
            }
        }

        work.Run(0, Parts);
        var spinner = default(SpinWait);
        while (Volatile.Read(ref _pending) != 0)
        {
            spinner.SpinOnce(sleep1Threshold: -1);
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
        Interlocked.Increment(ref _generation);
        _wake.Release(Math.Max(1, _threads.Length));
        foreach (Thread thread in _threads)
        {
            thread.Join();
        }

        _wake.Dispose();
    }

    private void WakeSlow()
    {
        int sleeping = Interlocked.Exchange(ref _sleeping, 0);
        if (sleeping > 0)
        {
            _wake.Release(sleeping);
        }
    }

    private void Loop(int part)
    {
        int seen = 0;
        while (true)
        {
            seen = WaitForNext(seen);
            if (_stopping)
            {
                return;
            }

            try
            {
                _work!.Run(part, Parts);
            }
            catch (Exception exception)
            {
                _failure = exception;
            }

            Interlocked.Decrement(ref _pending);
        }
    }

    private int WaitForNext(int seen)
    {
        for (int spins = 0; ; spins++)
        {
            int generation = Volatile.Read(ref _generation);
            if (generation != seen)
            {
                return generation;
            }

            if (spins < SpinsBeforeSleep)
            {
                Thread.SpinWait(20);
                continue;
            }

            // Announce the sleep, then look once more: whoever raises the generation after this look sees the announcement. A permit left
            // over from an announcement that came to nothing only wakes someone for another look.
            Interlocked.Increment(ref _sleeping);
            if (Volatile.Read(ref _generation) == seen)
            {
                _wake.Wait();
            }

            spins = 0;
        }
    }
}

/// <summary>Work that can be cut into parts, each run by one thread.</summary>
internal interface ICpuWork
{
    void Run(int part, int parts);
}

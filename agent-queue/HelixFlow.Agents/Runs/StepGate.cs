namespace HelixFlow.Agents.Runs;

/// <summary>Keeps steps and waits of a run apart: a run lets go of its worker only when no step is under way, and begins none after that.</summary>
/// <remarks>Any thread of the run's code may use it.</remarks>
internal sealed class StepGate(string run)
{
    private readonly Lock _lock = new();
    private int _inside;
    private volatile bool _isClosed;
    private TaskCompletionSource? _empty;

    /// <summary>Whether the run waits already. For what has no effect and is done at once: everything else enters.</summary>
    public bool IsClosed => _isClosed;

    /// <summary>Begins something that must end before the run waits.</summary>
    /// <exception cref="RunSuspendedException">The run waits already.</exception>
    public Inside Enter()
    {
        lock (_lock)
        {
            if (_isClosed)
            {
                throw new RunSuspendedException(run);
            }

            _inside++;
            return new Inside(this);
        }
    }

    /// <summary>Waits until nothing is under way, and lets nothing begin from then on.</summary>
    /// <exception cref="RunSuspendedException">The run waits already, for something that other code of it has asked for.</exception>
    public async Task CloseAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await Task.Yield(); // code that goes on after a step may begin the next one
            Task empty;
            lock (_lock)
            {
                if (_isClosed)
                {
                    throw new RunSuspendedException(run);
                }

                if (_inside == 0)
                {
                    _isClosed = true;
                    return;
                }

                empty = (_empty ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }

            await empty.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private void Leave()
    {
        lock (_lock)
        {
            if (--_inside == 0)
            {
                _empty?.SetResult();
                _empty = null;
            }
        }
    }

    internal readonly struct Inside(StepGate gate) : IDisposable
    {
        public void Dispose() => gate.Leave();
    }
}
